//! The streams of one session: the general one, and one for each call that went over to SSE.
//! A finished stream stays a while, so that a client that lost it can read it to its end.

use super::lock;
use crate::call::EventLog;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

/// Names a stream within its session. 0 is the general stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamId(u64);

impl StreamId {
    pub(crate) const GENERAL: Self = Self(0);

    /// The event id of a message on this stream: unique in the session, and it names the stream.
    pub(crate) fn event_id(self, number: u64) -> String {
        format!("{}-{number}", self.0)
    }

    /// Reads an event id back.
    pub(crate) fn parse_event_id(text: &str) -> Option<(Self, u64)> {
        let (stream, number) = text.split_once('-')?;
        Some((Self(stream.parse().ok()?), number.parse().ok()?))
    }
}

#[derive(Debug, Default)]
struct Kept {
    logs: VecDeque<(StreamId, Arc<EventLog>)>,
    opened: u64,
}

/// Streams of calls, newest last.
#[derive(Debug, Default)]
pub(crate) struct Streams(Mutex<Kept>);

/// Most finished streams that wait for a client that may come back.
const FINISHED_KEPT: usize = 16;

impl Streams {
    /// Gives a call's log a name, so that a client can come back to it. The oldest finished
    /// streams make room; those still open always stay.
    pub(crate) fn keep(&self, log: &Arc<EventLog>) -> StreamId {
        let mut kept = lock(&self.0);
        kept.opened += 1;
        let id = StreamId(kept.opened);
        kept.logs.push_back((id, Arc::clone(log)));
        let mut finished = kept.logs.iter().filter(|(_, log)| log.is_closed()).count();
        kept.logs.retain(|(_, log)| {
            let forget = finished > FINISHED_KEPT && log.is_closed();
            finished -= usize::from(forget);
            !forget
        });
        id
    }

    pub(crate) fn find(&self, id: StreamId) -> Option<Arc<EventLog>> {
        lock(&self.0).logs.iter().find(|(known, _)| *known == id).map(|(_, log)| Arc::clone(log))
    }

    /// Ends every stream.
    pub(crate) fn close(&self) {
        for (_, log) in &lock(&self.0).logs {
            log.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Bounds;

    #[test]
    fn event_ids_name_their_stream() {
        assert_eq!(StreamId::parse_event_id(&StreamId(3).event_id(17)), Some((StreamId(3), 17)));
        for text in ["", "3", "-", "a-1", "1-b", "1-2-3"] {
            assert_eq!(StreamId::parse_event_id(text), None, "{text}");
        }
    }

    #[test]
    fn open_streams_stay_and_finished_ones_are_bounded() {
        let streams = Streams::default();
        let new = || Arc::new(EventLog::new(Bounds { events: 1, bytes: 1 }));
        let open = streams.keep(&new());
        let finished: Vec<StreamId> = (0..40)
            .map(|_| {
                let log = new();
                log.close();
                streams.keep(&log)
            })
            .collect();
        assert!(streams.find(open).is_some());
        assert!(streams.find(finished[0]).is_none() && streams.find(finished[39]).is_some());
        assert_eq!(
            finished.iter().filter(|id| streams.find(**id).is_some()).count(),
            FINISHED_KEPT
        );
    }
}

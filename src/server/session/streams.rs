//! The streams of one session's calls that went over to SSE. A finished one stays a while, so
//! that a client that lost it can read it to its end.

use super::{awaited::Awaited, event_id::StreamId, lock, record::Record};
use crate::call::EventLog;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// A stream that a client can come back to.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) id: StreamId,
    pub(crate) log: Arc<EventLog>,
    /// The requests that it answers, as [`Awaited::to_json`] writes them.
    pub(crate) awaited: Arc<str>,
    finished: Option<Instant>,
}

impl Kept {
    pub(super) fn new(id: StreamId, log: Arc<EventLog>, awaited: &str) -> Self {
        Self { id, log, awaited: awaited.into(), finished: None }
    }
}

/// How much is kept for clients that may come back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keeping {
    /// Most finished streams.
    pub(crate) finished: usize,
    /// Most bytes of finished streams.
    pub(crate) bytes: usize,
}

/// Where the names of streams come from: each is given once in a process, so that a name that a
/// session had before it was put away never means another stream.
#[derive(Debug, Clone)]
pub(crate) struct Numbers {
    epoch: u32,
    given: Arc<AtomicU64>,
}

impl Numbers {
    /// Those of a process of that epoch.
    pub(crate) fn new(epoch: u32) -> Self {
        Self { epoch, given: Arc::default() }
    }

    fn next(&self) -> StreamId {
        StreamId::nth(self.epoch, self.given.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

#[derive(Debug, Default)]
struct Inner {
    kept: VecDeque<Kept>,
}

/// Streams of calls, newest last.
#[derive(Debug)]
pub(crate) struct Streams {
    numbers: Numbers,
    keeping: Keeping,
    inner: Mutex<Inner>,
}

impl Streams {
    /// The streams of a session, with those that were left of it.
    pub(crate) fn new(numbers: Numbers, keeping: Keeping, left: Vec<Kept>) -> Self {
        Self { numbers, keeping, inner: Mutex::new(Inner { kept: left.into() }) }
    }

    /// Gives a call's log a name and writes it down, so that a client can come back to it. The
    /// oldest finished streams make room; those still open always stay.
    pub(crate) fn keep(&self, log: &Arc<EventLog>, awaited: &Awaited, record: &Record) -> Kept {
        let mut inner = lock(&self.inner);
        let id = self.numbers.next();
        let kept = Kept::new(id, Arc::clone(log), &awaited.to_json());
        record.stream_opened(&kept);
        inner.kept.push_back(kept.clone());
        let (mut count, mut bytes) = (0, 0);
        for kept in inner.kept.iter().filter(|kept| kept.log.is_closed()) {
            count += 1;
            bytes += kept.log.bytes();
        }
        inner.kept.retain(|kept| {
            let over = count > self.keeping.finished || bytes > self.keeping.bytes;
            let forget = over && kept.log.is_closed();
            if forget {
                count -= 1;
                bytes -= kept.log.bytes();
                record.stream_forgotten(kept.id);
            }
            !forget
        });
        kept
    }

    pub(crate) fn find(&self, id: StreamId) -> Option<Kept> {
        lock(&self.inner).kept.iter().find(|kept| kept.id == id).cloned()
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Kept> {
        lock(&self.inner).kept.iter().cloned().collect()
    }

    /// Forgets streams that were found finished longer than `after` ago.
    pub(crate) fn forget(&self, after: Duration, record: &Record) {
        let now = Instant::now();
        lock(&self.inner).kept.retain_mut(|kept| {
            if !kept.log.is_closed() {
                return true;
            }
            let finished = *kept.finished.get_or_insert(now);
            let stays = now.saturating_duration_since(finished) < after;
            if !stays {
                record.stream_forgotten(kept.id);
            }
            stays
        });
    }

    /// Ends every stream. One whose answer never came ends with the word that it is lost.
    pub(crate) fn close(&self, why: &str) {
        for kept in &lock(&self.inner).kept {
            kept.close_without_answer(why);
        }
    }
}

impl Kept {
    /// Ends a stream whose answer will not come any more, and says so on it.
    pub(super) fn close_without_answer(&self, why: &str) {
        if !self.log.is_closed() {
            self.log.end_with(Awaited::parse(&self.awaited).lost_answers(why));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Bounds;

    #[tokio::test]
    async fn open_streams_stay_and_finished_ones_are_bounded() {
        let keeping = Keeping { finished: 16, bytes: 1_000 };
        let streams = Streams::new(Numbers::new(1), keeping, Vec::new());
        let (awaited, record) = (Awaited::default(), Record::none());
        let new = || Arc::new(EventLog::new(Bounds { events: 1, bytes: 1_000 }));
        let open = streams.keep(&new(), &awaited, &record).id;
        let finish = |text: &str| {
            let log = new();
            log.push(text.to_owned());
            log.close();
            streams.keep(&log, &awaited, &record).id
        };
        let finished: Vec<StreamId> = (0..40).map(|_| finish("x")).collect();
        assert!(streams.find(open).is_some());
        assert!(streams.find(finished[0]).is_none() && streams.find(finished[39]).is_some());
        let left = finished.iter().filter(|id| streams.find(**id).is_some()).count();
        assert_eq!(left, keeping.finished);
        let large = finish(&"y".repeat(990));
        let left = finished.iter().filter(|id| streams.find(**id).is_some()).count();
        assert!(streams.find(large).is_some() && left <= 10, "{left}");
        streams.forget(Duration::ZERO, &record);
        assert!(streams.find(large).is_none() && streams.find(open).is_some());
    }

    #[test]
    fn a_stream_that_ends_without_its_answer_says_so() {
        let log = Arc::new(EventLog::new(Bounds { events: 9, bytes: 1_000 }));
        let kept = Kept::new(StreamId::nth(1, 1), Arc::clone(&log), "[[7]]");
        kept.close_without_answer("a restart");
        kept.close_without_answer("a restart");
        assert!(log.is_closed());
        assert_eq!(log.last_number(), 1);
    }
}

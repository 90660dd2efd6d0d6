//! Event ids: they name the stream, the message, and the request that the stream answers, so
//! that a client that comes back can be told the truth, also when its stream is gone.

use crate::call::epoch_start;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Longest text of the requests in an event id, in bytes. Of larger ones a client that comes
/// back too late is told nothing.
const LONGEST: usize = 4 << 10;

/// Names a stream within its session, also among those of earlier processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StreamId(u64);

impl StreamId {
    /// The stream for what belongs to no call.
    pub(crate) const GENERAL: Self = Self(0);

    /// The stream of that number, from 1, that a process of this epoch opens.
    pub(super) fn nth(epoch: u32, number: u64) -> Self {
        Self(epoch_start(epoch) + number)
    }

    /// Reads back what [`Self::as_u64`] gave.
    pub(crate) const fn from_u64(id: u64) -> Self {
        Self(id)
    }

    /// The id as a number.
    pub(crate) const fn as_u64(self) -> u64 {
        self.0
    }
}

/// What an event id says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventId {
    pub(crate) stream: StreamId,
    /// The message's number.
    pub(crate) number: u64,
    /// The JSON-RPC ids that wait for an answer on this stream after that message: one, or an
    /// array of them, as JSON.
    pub(crate) awaited: Option<String>,
}

impl EventId {
    /// The id of a message; `awaited` as in the field.
    pub(crate) fn text(stream: StreamId, number: u64, awaited: Option<&str>) -> String {
        let StreamId(stream) = stream;
        match awaited.filter(|awaited| awaited.len() <= LONGEST) {
            Some(awaited) => {
                format!("{stream:x}-{number:x}-{}", URL_SAFE_NO_PAD.encode(awaited))
            }
            None => format!("{stream:x}-{number:x}"),
        }
    }

    /// Reads an event id back; `None` if it is none of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let hex = |part: &str| u64::from_str_radix(part, 16).ok();
        let mut parts = text.splitn(3, '-');
        let stream = StreamId(hex(parts.next()?)?);
        let number = hex(parts.next()?)?;
        let awaited = match parts.next() {
            Some(part) if part.len() <= 2 * LONGEST => {
                Some(String::from_utf8(URL_SAFE_NO_PAD.decode(part).ok()?).ok()?)
            }
            Some(_) => return None,
            None => None,
        };
        Some(Self { stream, number, awaited })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_say_their_stream_their_number_and_who_waits() {
        for awaited in [None, Some("7"), Some("\"a-b\""), Some("[1,\"2\"]")] {
            let stream = StreamId::nth(3, 17);
            let text = EventId::text(stream, epoch_start(4) + 2, awaited);
            assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
            let read = EventId::parse(&text).expect(&text);
            assert_eq!((read.stream, read.number), (stream, epoch_start(4) + 2));
            assert_eq!(read.awaited.as_deref(), awaited);
        }
    }

    #[test]
    fn what_is_none_of_ours_is_not_read() {
        for text in ["", "3", "-", "x-1", "1-y", "1-2-*", "1-2-3-4", "1-fffffffffffffffff"] {
            assert_eq!(EventId::parse(text), None, "{text}");
        }
        assert_eq!(EventId::parse(&format!("1-2-{}", "A".repeat(10_000))), None);
    }

    #[test]
    fn a_long_request_id_is_left_out() {
        let long = format!("\"{}\"", "x".repeat(LONGEST));
        let text = EventId::text(StreamId::GENERAL, 1, Some(&long));
        assert_eq!(EventId::parse(&text).and_then(|id| id.awaited), None);
    }
}

//! Server-sent events: framing and a bounded incremental reader (WHATWG HTML, section 9.2).

use std::fmt::Write;

/// The comment that keeps an idle stream alive and finds a dead peer.
pub const KEEP_ALIVE: &str = ": keep-alive\n\n";

/// Frames a message as one event. `data` must hold no line break: JSON from this crate has none.
#[must_use]
pub fn encode_event(id: Option<&str>, data: &str) -> String {
    let mut out = String::with_capacity(data.len() + 48);
    if let Some(id) = id {
        out.push_str("id: ");
        out.push_str(id);
        out.push('\n');
    }
    out.push_str("event: message\ndata: ");
    out.push_str(data);
    out.push_str("\n\n");
    out
}

/// The event that opens a resumable stream: an id, no data, and how long to wait before
/// coming back, in milliseconds (2025-11-25 `basic/transports.mdx`).
#[must_use]
pub fn encode_priming(id: &str, retry_ms: u64) -> String {
    let mut out = String::with_capacity(64);
    // Writing to a String cannot fail.
    let _infallible = write!(out, "id: {id}\nretry: {retry_ms}\ndata: \n\n");
    out
}

/// One event as read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SseEvent {
    /// The last id seen, this event's included.
    pub id: Option<String>,
    /// The event's type; absent means `message`.
    pub event: Option<String>,
    /// The data lines, joined by line breaks. Empty for a priming event.
    pub data: String,
    /// How long to wait before reconnecting, in milliseconds, if this event said.
    pub retry_ms: Option<u64>,
}

/// The stream sent more for one event than the reader takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is larger than {limit} bytes")]
pub struct EventTooLarge {
    /// The reader's bound, in bytes.
    pub limit: usize,
}

/// Reads events off a byte stream, however it is cut.
#[derive(Debug)]
pub struct SseReader {
    limit: usize,
    line: Vec<u8>,
    skip_line_feed: bool,
    at_start: bool,
    last_id: Option<String>,
    pending: SseEvent,
    has_field: bool,
    size: usize,
}

impl SseReader {
    /// A reader that takes at most `limit` bytes for one event.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            skip_line_feed: false,
            at_start: true,
            last_id: None,
            pending: SseEvent::default(),
            has_field: false,
            size: 0,
        }
    }

    /// Takes the next bytes and adds the events they complete.
    ///
    /// # Errors
    /// When one event outgrows the limit; the stream cannot be read on then. The events before it
    /// are added all the same, so that it makes no difference how a stream is cut.
    pub fn push(
        &mut self,
        bytes: &[u8],
        events: &mut impl Extend<SseEvent>,
    ) -> Result<(), EventTooLarge> {
        for &byte in bytes {
            let after_return = std::mem::take(&mut self.skip_line_feed);
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => {
                    self.skip_line_feed = byte == b'\r';
                    events.extend(self.end_line());
                }
                _ => {
                    self.size += 1;
                    if self.size > self.limit {
                        return Err(EventTooLarge { limit: self.limit });
                    }
                    self.line.push(byte);
                }
            }
        }
        Ok(())
    }

    fn end_line(&mut self) -> Option<SseEvent> {
        let bytes = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&bytes);
        let line = if std::mem::take(&mut self.at_start) {
            line.strip_prefix('\u{feff}').unwrap_or(&line)
        } else {
            &line
        };
        if line.is_empty() {
            return self.end_event();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        if self.field(field, value.strip_prefix(' ').unwrap_or(value)) {
            self.has_field = true;
        } else {
            // What is not kept costs nothing: comments keep a stream alive for days.
            self.size -= bytes.len();
        }
        None
    }

    /// Takes one field; false for what is no field of ours.
    fn field(&mut self, field: &str, value: &str) -> bool {
        match field {
            "data" => {
                self.pending.data.push_str(value);
                self.pending.data.push('\n');
            }
            "event" => self.pending.event = Some(value.to_owned()),
            "id" if !value.contains('\0') => self.last_id = Some(value.to_owned()),
            "retry" => match digits(value) {
                Some(number) => self.pending.retry_ms = Some(number),
                None => return false,
            },
            _ => return false,
        }
        true
    }

    fn end_event(&mut self) -> Option<SseEvent> {
        self.size = 0;
        let mut event = std::mem::take(&mut self.pending);
        if !std::mem::take(&mut self.has_field) {
            return None;
        }
        event.data.pop();
        event.id.clone_from(&self.last_id);
        Some(event)
    }
}

/// A number of digits alone: no sign.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(reader: &mut SseReader, bytes: &[u8]) -> Vec<SseEvent> {
        let mut events = Vec::new();
        reader.push(bytes, &mut events).expect("small");
        events
    }

    #[test]
    fn what_is_written_is_read() {
        let text = format!(
            "{}{KEEP_ALIVE}{}{}",
            encode_priming("s-0", 500),
            encode_event(Some("s-1"), r#"{"a":1}"#),
            encode_event(None, "{}")
        );
        let events = read(&mut SseReader::new(1024), text.as_bytes());
        let seen: Vec<_> = events
            .iter()
            .map(|event| (event.id.as_deref(), event.data.as_str(), event.retry_ms))
            .collect();
        assert_eq!(
            seen,
            [
                (Some("s-0"), "", Some(500)),
                (Some("s-1"), r#"{"a":1}"#, None),
                (Some("s-1"), "{}", None)
            ]
        );
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut reader = SseReader::new(64);
        let mut none = Vec::new();
        assert_eq!(reader.push(&[b'x'; 65], &mut none), Err(EventTooLarge { limit: 64 }));
        let mut reader = SseReader::new(64);
        let lines = "data: 0123456789\n".repeat(8);
        let pushed = reader.push(lines.as_bytes(), &mut none);
        assert!(pushed.is_err(), "many lines of one event count together");
        assert_eq!(none, []);
    }

    #[test]
    fn the_events_before_one_that_is_too_large_are_read_however_the_stream_is_cut() {
        let text = format!("data: a\n\n{}", "x".repeat(65));
        for cut in [1, 7, text.len()] {
            let (mut reader, mut events) = (SseReader::new(64), Vec::new());
            let mut pieces = text.as_bytes().chunks(cut);
            assert!(pieces.any(|piece| reader.push(piece, &mut events).is_err()));
            assert_eq!(events.len(), 1, "in pieces of {cut}");
        }
    }

    #[test]
    fn comments_without_end_cost_nothing() {
        let mut reader = SseReader::new(64);
        assert_eq!(read(&mut reader, ": still here\n".repeat(100).as_bytes()), []);
        assert_eq!(read(&mut reader, b"data: a\n\n").len(), 1);
    }

    #[test]
    fn only_digits_say_when_to_come_back() {
        for bad in ["+5", "-5", "5 ", "", "x", "99999999999999999999"] {
            let text = format!("retry: 7\nretry: {bad}\n\n");
            let events = read(&mut SseReader::new(64), text.as_bytes());
            assert_eq!(events[0].retry_ms, Some(7), "{bad}");
        }
        let mut reader = SseReader::new(64);
        assert_eq!(
            read(&mut reader, "\u{feff}\u{feff}data: a\n\n".as_bytes()),
            [],
            "one mark is taken off"
        );
    }

    proptest! {
        #[test]
        fn cuts_and_line_ends_change_nothing(cuts in proptest::collection::vec(1usize..7, 1..40), end in "\n|\r\n|\r") {
            let text = "\u{feff}: hi\nid: 1\ndata: a\ndata: b\n\nevent: x\ndata:c\n\nretry: 9\n\n".replace('\n', &end);
            let whole = read(&mut SseReader::new(1024), text.as_bytes());
            prop_assert_eq!(whole.len(), 3);
            let (mut reader, mut seen, mut rest) = (SseReader::new(1024), Vec::new(), text.as_bytes());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                seen.extend(read(&mut reader, now));
                rest = later;
            }
            prop_assert_eq!(seen, whole);
        }

        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            let _events = read(&mut SseReader::new(4096), &bytes);
        }
    }
}

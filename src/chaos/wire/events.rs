//! Where an event of a stream ends: after an empty line. What is in it is for `mcp_protocol::sse`.

/// The size of the first event in some bytes, its empty line included, if it is whole.
pub(super) fn first(bytes: &[u8]) -> Option<usize> {
    let mut line_is_empty = false;
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'\r' => match bytes.get(at + 1) {
                Some(b'\n') => 2,
                Some(_) => 1,
                // A line feed may follow and belong to it.
                None => return None,
            },
            b'\n' => 1,
            _ => {
                line_is_empty = false;
                at += 1;
                continue;
            }
        };
        at += end;
        if line_is_empty {
            return Some(at);
        }
        line_is_empty = true;
    }
    None
}

/// Whether an event carries a message, and is no comment or priming.
pub(super) fn carries(event: &[u8]) -> bool {
    let mut lines = event.split(|byte| matches!(byte, b'\n' | b'\r'));
    lines.any(|line| line.strip_prefix(b"data:").is_some_and(|data| !data.trim_ascii().is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_ends_after_an_empty_line() {
        assert_eq!(first(b"data: a\n\ndata: b\n\n"), Some(9));
        assert_eq!(first(b"data: a\r\n\r\nx"), Some(11));
        assert_eq!(first(b"data: a\r\rx"), Some(9));
        assert_eq!(first(b"data: a\ndata: b\n"), None);
        assert_eq!(first(b"data: a\r\n\r"), None, "its line feed is to come");
    }

    #[test]
    fn comments_and_primings_carry_nothing() {
        assert!(carries(b"id: 1\ndata: {}\n\n"));
        assert!(!carries(b": keep-alive\n\n") && !carries(b"id: 1\nretry: 5\ndata: \n\n"));
    }
}

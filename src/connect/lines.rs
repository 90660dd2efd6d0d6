//! Messages off standard input: one a line, each of bounded length.

use mcp_protocol::{Id, RawObject, RawValue};
use std::io;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// How much of the two ends of a line that is too long is kept, to find out who waits for an
/// answer to it.
const ENDS: usize = 512;

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// All of it.
    Whole(Vec<u8>),
    /// It was longer than allowed; the request's id, if it could be seen.
    TooLong(Option<Id>),
}

/// Reads lines.
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    most: usize,
    line: Vec<u8>,
    /// The last bytes of a line that is too long; `line` holds its first.
    tail: Option<Vec<u8>>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Lines of at most `most` bytes.
    pub(super) fn new(input: R, most: usize) -> Self {
        Self { reader: BufReader::with_capacity(64 << 10, input), most, line: vec![], tail: None }
    }

    /// The next line; `None` at the end of the input. What stands behind the last line break
    /// counts as a line.
    pub(super) async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let bytes = self.reader.fill_buf().await?;
            if bytes.is_empty() {
                let nothing = self.line.is_empty() && self.tail.is_none();
                return Ok((!nothing).then(|| self.finish()));
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let part = &bytes[..end.unwrap_or(bytes.len())];
            let used = part.len() + usize::from(end.is_some());
            match &mut self.tail {
                Some(tail) => keep_end(tail, part),
                None => self.line.extend_from_slice(part),
            }
            self.reader.consume(used);
            self.bound();
            if end.is_some() {
                return Ok(Some(self.finish()));
            }
        }
    }

    fn bound(&mut self) {
        if self.tail.is_none() && self.line.len() > self.most {
            let mut tail = Vec::new();
            keep_end(&mut tail, &self.line);
            self.line.truncate(ENDS);
            self.line.shrink_to_fit();
            self.tail = Some(tail);
        }
    }

    fn finish(&mut self) -> Line {
        let line = std::mem::take(&mut self.line);
        match self.tail.take() {
            None => Line::Whole(line),
            Some(tail) => Line::TooLong(id_at_start(&line).or_else(|| id_at_end(&tail))),
        }
    }
}

fn keep_end(tail: &mut Vec<u8>, part: &[u8]) {
    tail.extend_from_slice(&part[part.len().saturating_sub(ENDS)..]);
    tail.drain(..tail.len().saturating_sub(ENDS));
}

/// The id in front of the params: `{"jsonrpc":"2.0","id":1,…`.
fn id_at_start(head: &[u8]) -> Option<Id> {
    let text = String::from_utf8_lossy(head);
    let (before, _) = text.split_once("\"params\"")?;
    let object = format!("{}}}", before.trim_end().trim_end_matches(','));
    id_in(&object)
}

/// The id behind the params: `…},"jsonrpc":"2.0","id":1}`.
fn id_at_end(tail: &[u8]) -> Option<Id> {
    let text = String::from_utf8_lossy(tail);
    let members = &text[text.rfind('}').and_then(|last| text[..last].rfind('}'))? + 1..];
    id_in(&format!("{{{}", members.trim_start().trim_start_matches(',')))
}

fn id_in(object: &str) -> Option<Id> {
    let object: Box<RawValue> = serde_json::from_str(object.trim()).ok()?;
    RawObject::parse(&object)?.get("id").and_then(Id::parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(text: &[u8], most: usize) -> Vec<Line> {
        let mut lines = Lines::new(text, most);
        let mut seen = Vec::new();
        while let Some(line) = lines.next().await.expect("a slice") {
            seen.push(line);
        }
        seen
    }

    #[tokio::test]
    async fn lines_are_read_to_the_last() {
        let whole = |text: &str| Line::Whole(text.into());
        assert_eq!(all(b"a\n\nbc", 8).await, [whole("a"), whole(""), whole("bc")]);
        assert_eq!(all(b"", 8).await, []);
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_names_who_waits_and_harms_no_other() {
        let long = "x".repeat(200_000);
        let first = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"m","params":{{"a":"{long}"}}}}"#);
        let last =
            format!(r#"{{"method":"m","params":{{"a":"{long}"}},"jsonrpc":"2.0","id":"z"}}"#);
        let none = format!("{long}\n");
        let text = format!("{first}\n{last}\n{none}next\n");
        let seen = all(text.as_bytes(), 100_000).await;
        let expected = [
            Line::TooLong(Some(Id::number(7))),
            Line::TooLong(Some(Id::string("z"))),
            Line::TooLong(None),
            Line::Whole(b"next".into()),
        ];
        assert_eq!(seen, expected);
    }
}

//! Lines off a pipe, each of bounded length: the framing of the stdio transport, on either side.

use std::io;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// How much of the end of a cut line is kept.
const TAIL: usize = 512;
/// How much of the beginning of a cut line is kept.
const HEAD: usize = 8 << 10;

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// All of it.
    Whole(Vec<u8>),
    /// It was longer than allowed: how it began and how it ended.
    Cut {
        /// At most the first 8 KiB.
        head: Vec<u8>,
        /// The last bytes.
        tail: Vec<u8>,
    },
}

/// Reads lines, and holds no more of one than its bound.
#[derive(Debug)]
pub struct Lines<R> {
    reader: BufReader<R>,
    limit: usize,
    line: Vec<u8>,
    tail: Vec<u8>,
    cut: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// A reader of lines of at most `limit` bytes.
    #[must_use]
    pub fn new(pipe: R, limit: usize) -> Self {
        let reader = BufReader::with_capacity(64 << 10, pipe);
        Self { reader, limit, line: Vec::new(), tail: Vec::new(), cut: false }
    }

    /// The next line; `None` at the end of the pipe. What stands behind the last line break
    /// counts as a line.
    ///
    /// # Errors
    /// When the pipe cannot be read.
    pub async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let bytes = self.reader.fill_buf().await?;
            if bytes.is_empty() {
                let nothing = self.line.is_empty() && !self.cut;
                return Ok((!nothing).then(|| self.finish()));
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let part = &bytes[..end.unwrap_or(bytes.len())];
            let (used, ended) = (part.len() + usize::from(end.is_some()), end.is_some());
            if self.cut {
                keep_tail(&mut self.tail, part);
            } else {
                self.line.extend_from_slice(part);
            }
            self.reader.consume(used);
            self.bound();
            if ended {
                return Ok(Some(self.finish()));
            }
        }
    }

    fn bound(&mut self) {
        if !self.cut && self.line.len() > self.limit {
            self.cut = true;
            keep_tail(&mut self.tail, &self.line);
            self.line.truncate(HEAD.min(self.limit));
            self.line.shrink_to_fit();
        }
    }

    fn finish(&mut self) -> Line {
        let (line, tail) = (std::mem::take(&mut self.line), std::mem::take(&mut self.tail));
        if std::mem::take(&mut self.cut) {
            Line::Cut { head: line, tail }
        } else {
            Line::Whole(line)
        }
    }
}

fn keep_tail(tail: &mut Vec<u8>, part: &[u8]) {
    tail.extend_from_slice(&part[part.len().saturating_sub(TAIL)..]);
    tail.drain(..tail.len().saturating_sub(TAIL));
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(text: &[u8], limit: usize) -> Vec<Line> {
        let mut lines = Lines::new(text, limit);
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
        assert_eq!(all(b"12345678\n", 8).await, [whole("12345678")]);
    }

    #[tokio::test]
    async fn a_long_line_is_cut_and_the_next_is_whole() {
        let text = [b"start".as_slice(), &b"x".repeat(300_000), b"end\nnext\n"].concat();
        let seen = all(&text, 100_000).await;
        assert_eq!(seen.len(), 2);
        let Line::Cut { head, tail } = &seen[0] else { panic!("{seen:?}") };
        assert!(head.starts_with(b"start") && head.len() == HEAD);
        assert!(tail.ends_with(b"end") && tail.len() == TAIL);
        assert_eq!(seen[1], Line::Whole(b"next".into()));
    }
}

//! The chunked coding, read as it comes.

use bytes::BytesMut;

/// Where a reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the line with a chunk's size; so much was read of it.
    Size(u64),
    /// After the size, in what else the line says.
    Extension(u64),
    /// In a chunk, with so much to come.
    Data(u64),
    /// In the line end after a chunk.
    DataEnd,
    /// In a line after the last chunk; whether it has anything in it.
    Trailer(bool),
    /// After the end.
    End,
}

/// Reads a chunked body.
#[derive(Debug)]
pub(super) struct Chunks(Place);

/// It is no chunked body, after so many bytes that could be one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) usize);

impl Chunks {
    pub(super) const fn new() -> Self {
        Self(Place::Size(0))
    }

    /// Whether the body has ended.
    pub(super) fn ended(&self) -> bool {
        self.0 == Place::End
    }

    /// Takes bytes until the body ends, adds what they carry, and says how many it took.
    pub(super) fn read(&mut self, bytes: &[u8], body: &mut BytesMut) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < bytes.len() && !self.ended() {
            if let Place::Data(left) = self.0 {
                let left = usize::try_from(left).unwrap_or(usize::MAX);
                let take = left.min(bytes.len() - at);
                body.extend_from_slice(&bytes[at..at + take]);
                at += take;
                let left = (left - take) as u64;
                self.0 = if left == 0 { Place::DataEnd } else { Place::Data(left) };
            } else {
                self.0 = self.step(bytes[at]).ok_or(Malformed(at))?;
                at += 1;
            }
        }
        Ok(at)
    }

    fn step(&self, byte: u8) -> Option<Place> {
        let after = |size: u64| if size == 0 { Place::Trailer(false) } else { Place::Data(size) };
        Some(match (self.0, byte) {
            (Place::Size(size) | Place::Extension(size), b'\n') => after(size),
            (Place::Size(size), b'\r' | b';' | b' ' | b'\t') => Place::Extension(size),
            (Place::Size(size), digit) => {
                let digit = char::from(digit).to_digit(16)?;
                let size = size.checked_mul(16)?;
                Place::Size(size.checked_add(u64::from(digit))?)
            }
            (Place::Extension(size), _) => Place::Extension(size),
            (Place::DataEnd, b'\r') => Place::DataEnd,
            (Place::DataEnd, b'\n') => Place::Size(0),
            (Place::Trailer(false), b'\n') => Place::End,
            (Place::Trailer(true), b'\n') => Place::Trailer(false),
            (Place::Trailer(full), b'\r') => Place::Trailer(full),
            (Place::Trailer(_), _) => Place::Trailer(true),
            (Place::DataEnd | Place::Data(_) | Place::End, _) => return None,
        })
    }
}

/// Writes a chunk.
pub(crate) fn chunk(bytes: &[u8]) -> BytesMut {
    let mut out = BytesMut::with_capacity(bytes.len() + 16);
    out.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
    out
}

/// The last chunk.
pub(super) const LAST: &[u8] = b"0\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_however_it_is_cut() {
        let text = b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nx: y\r\n\r\nnext";
        for cut in 1..text.len() {
            let (mut chunks, mut body, mut took) = (Chunks::new(), BytesMut::new(), 0);
            for piece in text.chunks(cut) {
                took += chunks.read(piece, &mut body).expect("it is chunked");
            }
            assert!(chunks.ended() && &body[..] == b"hello world", "cut at {cut}");
            assert_eq!(took, text.len() - 4);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let written = [&chunk(b"a"), &chunk(&[b'b'; 300]), LAST].concat();
        let (mut chunks, mut body) = (Chunks::new(), BytesMut::new());
        assert_eq!(chunks.read(&written, &mut body), Ok(written.len()));
        assert!(chunks.ended() && body.len() == 301);
    }

    #[test]
    fn what_is_not_chunked_is_told() {
        for (text, at) in [("x\r\n", 0), ("3\r\nabcd", 6), ("fffffffffffffffff\r\n", 16)] {
            let read = Chunks::new().read(text.as_bytes(), &mut BytesMut::new());
            assert_eq!(read, Err(Malformed(at)));
        }
    }
}

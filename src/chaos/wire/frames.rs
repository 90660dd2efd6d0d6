//! WebSocket frames (RFC 6455, section 5), put together to messages.

use super::{Masked, Unit, View};
use bytes::{Buf as _, Bytes, BytesMut};

/// Cuts one direction of a WebSocket into messages.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Frames of a message whose last has not come.
    parts: BytesMut,
    /// What they carry, while it can be read.
    text: Option<BytesMut>,
    begun: bool,
}

/// The head of a frame.
struct Frame {
    last: bool,
    readable: bool,
    control: bool,
    mask: Option<[u8; 4]>,
    head: usize,
    body: usize,
}

/// They are no frames, or too large to keep.
#[derive(Debug)]
pub(super) struct Beyond;

impl Frames {
    /// Takes whole frames off the buffer, and gives the messages they complete.
    pub(super) fn take(
        &mut self,
        buffer: &mut BytesMut,
        units: &mut Vec<Unit>,
        most_kept: usize,
    ) -> Result<(), Beyond> {
        while let Some(frame) = Frame::read(buffer)? {
            if frame.body.saturating_add(self.parts.len()) > most_kept {
                return Err(Beyond);
            }
            if buffer.len() < frame.head + frame.body {
                return Ok(());
            }
            let bytes = buffer.split_to(frame.head + frame.body).freeze();
            if frame.control {
                units.push(Unit { bytes, view: View::Upkeep });
            } else {
                units.extend(self.part(&frame, &bytes));
            }
        }
        Ok(())
    }

    fn part(&mut self, frame: &Frame, bytes: &Bytes) -> Option<Unit> {
        if !self.begun {
            self.text = frame.readable.then(BytesMut::new);
        }
        self.begun = !frame.last;
        self.parts.extend_from_slice(bytes);
        if let Some(text) = &mut self.text {
            let mask = frame.mask.unwrap_or_default();
            let carried = bytes[frame.head..].iter().zip(mask.iter().cycle());
            text.extend(carried.map(|(byte, mask)| byte ^ mask));
        }
        let masked = Masked(frame.mask.is_some());
        frame.last.then(|| Unit {
            bytes: self.parts.split().freeze(),
            view: View::Message(self.text.take().map(BytesMut::freeze), masked),
        })
    }

    /// Frames of a message that is not whole.
    pub(super) fn rest(&mut self) -> BytesMut {
        self.parts.split()
    }
}

impl Frame {
    fn read(bytes: &[u8]) -> Result<Option<Self>, Beyond> {
        let mut rest = bytes;
        if rest.len() < 2 {
            return Ok(None);
        }
        let (first, second) = (rest.get_u8(), rest.get_u8());
        let wide = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if rest.len() < wide {
            return Ok(None);
        }
        let body = match wide {
            2 => u64::from(rest.get_u16()),
            8 => rest.get_u64(),
            _ => u64::from(second & 0x7f),
        };
        let mask = match (second & 0x80 != 0, rest.first_chunk()) {
            (false, _) => None,
            (true, Some(mask)) => Some(*mask),
            (true, None) => return Ok(None),
        };
        Ok(Some(Self {
            last: first & 0x80 != 0,
            // Compressed, where a reserved bit is set; binary is no MCP.
            readable: first & 0x70 == 0 && first & 0x0f != 2,
            control: first & 0x08 != 0,
            mask,
            head: 2 + wide + if mask.is_some() { 4 } else { 0 },
            body: usize::try_from(body).map_err(|_| Beyond)?,
        }))
    }
}

/// Writes a text message; masked with zeros, which any server takes.
pub(crate) fn message(text: &[u8], masked: Masked) -> Bytes {
    let mask_bit = if masked.0 { 0x80 } else { 0 };
    let mut out = BytesMut::with_capacity(text.len() + 14);
    out.extend_from_slice(&[0x81]);
    match (u8::try_from(text.len()), u16::try_from(text.len())) {
        (Ok(size @ 0..126), _) => out.extend_from_slice(&[mask_bit | size]),
        (_, Ok(size)) => {
            out.extend_from_slice(&[mask_bit | 126]);
            out.extend_from_slice(&size.to_be_bytes());
        }
        _ => {
            out.extend_from_slice(&[mask_bit | 127]);
            out.extend_from_slice(&(text.len() as u64).to_be_bytes());
        }
    }
    if masked.0 {
        out.extend_from_slice(&[0; 4]);
    }
    out.extend_from_slice(text);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(bytes: &[u8], cut: usize) -> Vec<Option<Bytes>> {
        let (mut frames, mut buffer, mut units) = (Frames::default(), BytesMut::new(), Vec::new());
        for piece in bytes.chunks(cut) {
            buffer.extend_from_slice(piece);
            frames.take(&mut buffer, &mut units, super::super::MOST_KEPT).expect("frames");
        }
        let sent: Vec<u8> = units.iter().flat_map(|unit| unit.bytes.to_vec()).collect();
        assert_eq!(sent.len(), bytes.len(), "every byte passes");
        let text = |unit: Unit| {
            if let View::Message(text, _) = unit.view { Some(text) } else { None }
        };
        units.into_iter().filter_map(text).collect()
    }

    #[test]
    fn what_is_written_is_read_however_it_is_cut() {
        for size in [0, 1, 125, 126, 65_535, 65_536] {
            for masked in [true, false] {
                let text = vec![b'a'; size];
                let written = message(&text, Masked(masked));
                for cut in [1_000, written.len()] {
                    assert_eq!(texts(&written, cut), [Some(Bytes::from(text.clone()))]);
                }
            }
        }
    }

    #[test]
    fn parts_make_one_message_and_pings_pass_between_them() {
        let frames =
            [&[0x01, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2][..], &[0x89, 0], &[0x80, 1, b'!']];
        for cut in 1..12 {
            assert_eq!(texts(&frames.concat(), cut), [Some(Bytes::from("hi!"))]);
        }
    }

    #[test]
    fn a_compressed_message_passes_unread() {
        assert_eq!(texts(&[0xc1, 2, 7, 7], 4), [None]);
    }
}

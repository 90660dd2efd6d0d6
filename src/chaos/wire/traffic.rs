//! Both directions of one connection, cut into messages and put together again: what the proxy does
//! to bytes when no fault does anything.

use super::{Exchange, Framer, Requests, Responses, Unit};
use bytes::Bytes;

/// One connection's traffic. Bytes come out as they went in, but for two things: each event of a
/// stream in chunked coding becomes a chunk of its own, and a WebSocket's control frame goes before
/// the message in whose middle it came.
#[derive(Debug)]
pub struct Traffic {
    up: Framer,
    down: Framer,
    exchange: Exchange,
}

impl Traffic {
    /// Keeps so many bytes of a message until it is whole; a larger one passes as it comes.
    #[must_use]
    pub fn keeping(most: usize) -> Self {
        Self {
            up: Framer::Up(Requests::default()),
            down: Framer::Down(Responses::default()),
            exchange: Exchange::keeping(most),
        }
    }

    /// What the client sends: the messages that it completes.
    pub fn up(&mut self, bytes: &[u8]) -> Vec<Bytes> {
        sent(self.up.push(bytes, &mut self.exchange))
    }

    /// What the server sends: the messages that it completes.
    pub fn down(&mut self, bytes: &[u8]) -> Vec<Bytes> {
        sent(self.down.push(bytes, &mut self.exchange))
    }

    /// What is left, up and down, when both have ended.
    #[must_use]
    pub fn rest(mut self) -> [Bytes; 2] {
        [&mut self.up, &mut self.down]
            .map(|framer| framer.rest().map(|unit| unit.bytes).unwrap_or_default())
    }
}

fn sent(units: Vec<Unit>) -> Vec<Bytes> {
    units.into_iter().map(|unit| unit.bytes).collect()
}

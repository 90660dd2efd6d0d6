//! From the client: requests, and WebSocket messages once the server agreed to them.

use super::{
    Asked, Exchange, Frames, Unit, View,
    chunks::Chunks,
    head::{self, Found, Head},
    opaque,
};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// Cuts what a client sends.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    buffer: BytesMut,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// Before a head.
    #[default]
    Head,
    /// Before the rest of a body of this length.
    Body(Head, usize),
    /// In a chunked body; so much of the buffer was read.
    Chunked(Head, Chunks, usize, BytesMut),
    /// In a body that passes as it is read; so much is to come.
    Passing(usize),
    /// After a request for a WebSocket.
    Asking,
    Frames(Frames),
    Opaque,
}

impl Requests {
    pub(super) fn push(&mut self, bytes: &[u8], exchange: &mut Exchange, units: &mut Vec<Unit>) {
        self.buffer.extend_from_slice(bytes);
        if exchange.opaque {
            self.state = State::Opaque;
        }
        while !self.buffer.is_empty() && self.step(exchange, units) {}
        if exchange.opaque {
            opaque(&mut self.buffer, units);
        }
    }

    pub(super) fn rest(&mut self) -> Bytes {
        let mut rest = BytesMut::new();
        if let State::Frames(frames) = &mut self.state {
            rest = frames.rest();
        }
        rest.extend_from_slice(&self.buffer.split());
        rest.freeze()
    }

    /// Goes on by one unit or state; false if more bytes are needed.
    fn step(&mut self, exchange: &mut Exchange, units: &mut Vec<Unit>) -> bool {
        match std::mem::take(&mut self.state) {
            State::Head => self.head(exchange, units),
            State::Body(head, total) => self.body(head, total, exchange, units),
            State::Chunked(head, chunks, read, body) => {
                self.chunked(head, (chunks, read, body), exchange, units)
            }
            State::Passing(left) => {
                let take = left.min(self.buffer.len());
                let bytes = self.buffer.split_to(take).freeze();
                units.push(Unit { bytes, view: View::Opaque });
                self.state = if left > take { State::Passing(left - take) } else { State::Head };
                true
            }
            State::Asking => {
                let frames = || State::Frames(Frames::default());
                self.state = if exchange.upgraded { frames() } else { State::Head };
                true
            }
            State::Frames(mut frames) => {
                let first = units.len();
                let taken = frames.take(&mut self.buffer, units, exchange.most_kept);
                for unit in &units[first..] {
                    if let View::Message(Some(text), _) = &unit.view {
                        exchange.remember(text);
                    }
                }
                if taken.is_err() {
                    return self.give_up(frames.rest(), exchange, units);
                }
                self.state = State::Frames(frames);
                false
            }
            State::Opaque => self.give_up(BytesMut::new(), exchange, units),
        }
    }

    fn head(&mut self, exchange: &mut Exchange, units: &mut Vec<Unit>) -> bool {
        let head = match head::request(&self.buffer) {
            Found::Head(head) => head,
            Found::Part => return false,
            Found::Nothing => return self.give_up(BytesMut::new(), exchange, units),
        };
        let total = head.size.saturating_add(head.length.unwrap_or(0));
        if head.chunked {
            if head.expects {
                return self.give_up(BytesMut::new(), exchange, units);
            }
            let read = head.size;
            self.state = State::Chunked(head, Chunks::new(), read, BytesMut::new());
        } else if head.expects || total > exchange.most_kept {
            exchange.asks(Arc::new(head.asked(Bytes::new())));
            self.state = State::Passing(total);
        } else {
            self.state = State::Body(head, total);
        }
        true
    }

    fn body(
        &mut self,
        head: Head,
        total: usize,
        exchange: &mut Exchange,
        units: &mut Vec<Unit>,
    ) -> bool {
        if self.buffer.len() < total {
            self.state = State::Body(head, total);
            return false;
        }
        let bytes = self.buffer.split_to(total).freeze();
        // A copy, as a part would keep the whole for as long as the answer is waited for.
        let body = Bytes::copy_from_slice(&bytes[head.size..]);
        units.push(self.whole(&head, bytes, body, exchange));
        true
    }

    fn chunked(
        &mut self,
        head: Head,
        (mut chunks, mut read, mut body): (Chunks, usize, BytesMut),
        exchange: &mut Exchange,
        units: &mut Vec<Unit>,
    ) -> bool {
        match chunks.read(&self.buffer[read..], &mut body) {
            Ok(more) => read += more,
            Err(_) => return self.give_up(BytesMut::new(), exchange, units),
        }
        if chunks.ended() {
            let bytes = self.buffer.split_to(read).freeze();
            units.push(self.whole(&head, bytes, body.freeze(), exchange));
            return true;
        }
        if self.buffer.len() > exchange.most_kept {
            return self.give_up(BytesMut::new(), exchange, units);
        }
        self.state = State::Chunked(head, chunks, read, body);
        false
    }

    fn whole(&mut self, head: &Head, bytes: Bytes, body: Bytes, exchange: &mut Exchange) -> Unit {
        let asked = Arc::new(head.asked(body));
        self.state = if asked.upgrade { State::Asking } else { State::Head };
        exchange.asks(Arc::clone(&asked));
        Unit { bytes, view: View::Request(asked) }
    }

    /// From here on bytes pass as they are, both ways.
    fn give_up(
        &mut self,
        before: BytesMut,
        exchange: &mut Exchange,
        units: &mut Vec<Unit>,
    ) -> bool {
        exchange.opaque = true;
        self.state = State::Opaque;
        let mut rest = before;
        rest.extend_from_slice(&self.buffer.split());
        opaque(&mut rest, units);
        false
    }
}

impl Head {
    fn asked(&self, body: Bytes) -> Asked {
        Asked {
            method: self.method.clone(),
            session: self.session.clone(),
            upgrade: self.upgrade,
            body,
            copy: false,
        }
    }
}

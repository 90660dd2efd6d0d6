//! From the server: responses, event streams, and WebSocket messages once it agreed to them.

use super::{
    Answer, Asked, Coding, Exchange, Frames, Unit, View,
    chunks::{self, Chunks, Malformed},
    events,
    head::{self, Found, Head},
    opaque,
};
use bytes::{Buf as _, Bytes, BytesMut};
use std::sync::Arc;

/// Cuts what a server sends.
#[derive(Debug, Default)]
pub(crate) struct Responses {
    buffer: BytesMut,
    state: State,
}

/// What a response is and answers.
#[derive(Debug)]
struct Open(Head, Arc<Asked>);

#[derive(Debug, Default)]
enum State {
    /// Before a head.
    #[default]
    Head,
    /// Before the rest of a response of this length.
    Body(Open, usize),
    /// In a chunked response; so much of the buffer was read.
    Chunked(Open, Chunks, usize, BytesMut),
    /// In a body that passes as it is read; so much is to come.
    Passing(usize),
    /// In an event stream, with what its chunks carried.
    Events(Arc<Asked>, Option<Chunks>, BytesMut),
    Frames(Frames),
    Opaque,
}

impl Responses {
    pub(super) fn push(&mut self, bytes: &[u8], exchange: &mut Exchange, units: &mut Vec<Unit>) {
        self.buffer.extend_from_slice(bytes);
        while !self.buffer.is_empty() && self.step(exchange, units) {}
    }

    pub(super) fn rest(&mut self) -> Bytes {
        let mut rest = BytesMut::new();
        if let State::Frames(frames) = &mut self.state {
            rest = frames.rest();
        } else if let State::Events(_, chunks, carried) = &mut self.state
            && !carried.is_empty()
        {
            // The end of the stream that is missing says that it was cut.
            rest = if chunks.is_some() { chunks::chunk(carried) } else { carried.split() };
        }
        rest.extend_from_slice(&self.buffer.split());
        rest.freeze()
    }

    /// Goes on by one unit or state; false if more bytes are needed.
    fn step(&mut self, exchange: &mut Exchange, units: &mut Vec<Unit>) -> bool {
        match std::mem::take(&mut self.state) {
            State::Head => self.head(exchange, units),
            State::Body(open, total) => self.body(open, total, units),
            State::Chunked(open, chunks, read, body) => {
                self.chunked(open, (chunks, read, body), exchange, units)
            }
            State::Passing(left) => {
                let take = left.min(self.buffer.len());
                let bytes = self.buffer.split_to(take).freeze();
                units.push(Unit { bytes, view: View::Opaque });
                self.state = if left > take { State::Passing(left - take) } else { State::Head };
                true
            }
            State::Events(asked, chunks, carried) => {
                self.events(asked, (chunks, carried), exchange, units)
            }
            State::Frames(mut frames) => {
                if frames.take(&mut self.buffer, units, exchange.most_kept).is_err() {
                    return self.give_up(frames.rest(), units);
                }
                self.state = State::Frames(frames);
                false
            }
            State::Opaque => self.give_up(BytesMut::new(), units),
        }
    }

    fn head(&mut self, exchange: &mut Exchange, units: &mut Vec<Unit>) -> bool {
        let head = match head::response(&self.buffer) {
            Found::Head(head) => head,
            Found::Part => return false,
            Found::Nothing => return self.give_up(BytesMut::new(), units),
        };
        if exchange.opaque {
            return self.give_up(BytesMut::new(), units);
        }
        if head.status == 101 {
            exchange.asked.pop_front();
            exchange.upgraded = head.upgrade;
            let bytes = self.buffer.split_to(head.size).freeze();
            units.push(Unit { bytes, view: View::Upkeep });
            let frames = || State::Frames(Frames::default());
            self.state = if head.upgrade { frames() } else { State::Opaque };
            return true;
        }
        if head.status < 200 {
            let bytes = self.buffer.split_to(head.size).freeze();
            units.push(Unit { bytes, view: View::Upkeep });
            return true;
        }
        let asked = exchange.asked.pop_front().unwrap_or_default();
        self.open(head, asked, exchange, units)
    }

    /// Goes into the body of a response.
    fn open(
        &mut self,
        head: Head,
        asked: Arc<Asked>,
        exchange: &Exchange,
        units: &mut Vec<Unit>,
    ) -> bool {
        let bodiless = asked.method == "HEAD" || matches!(head.status, 204 | 304);
        let length = if bodiless { Some(0) } else { head.length.filter(|_| !head.chunked) };
        let total = length.map(|length| head.size.saturating_add(length));
        match total {
            Some(total) if total <= exchange.most_kept => {
                self.state = State::Body(Open(head, asked), total);
            }
            Some(total) => {
                units.push(begins(head, asked));
                self.state = State::Passing(total);
            }
            None if head.events => {
                let bytes = self.buffer.split_to(head.size).freeze();
                let (size, session) = (head.size, head.session);
                let answer = Answer { asked: Arc::clone(&asked), session, head: size, body: None };
                units.push(Unit { bytes, view: View::Response(answer) });
                let chunks = head.chunked.then(Chunks::new);
                self.state = State::Events(asked, chunks, BytesMut::new());
            }
            None if head.chunked => {
                let read = head.size;
                let open = Open(head, asked);
                self.state = State::Chunked(open, Chunks::new(), read, BytesMut::new());
            }
            // It ends with the connection.
            None => {
                units.push(begins(head, asked));
                return self.give_up(BytesMut::new(), units);
            }
        }
        true
    }

    fn body(&mut self, open: Open, total: usize, units: &mut Vec<Unit>) -> bool {
        if self.buffer.len() < total {
            self.state = State::Body(open, total);
            return false;
        }
        let bytes = self.buffer.split_to(total).freeze();
        let body = bytes.slice(open.0.size..);
        units.push(open.whole(bytes, body));
        true
    }

    fn chunked(
        &mut self,
        open: Open,
        (mut chunks, mut read, mut body): (Chunks, usize, BytesMut),
        exchange: &Exchange,
        units: &mut Vec<Unit>,
    ) -> bool {
        match chunks.read(&self.buffer[read..], &mut body) {
            Ok(more) => read += more,
            Err(_) => return self.give_up(BytesMut::new(), units),
        }
        if chunks.ended() {
            let bytes = self.buffer.split_to(read).freeze();
            units.push(open.whole(bytes, body.freeze()));
            return true;
        }
        if self.buffer.len() > exchange.most_kept {
            units.push(begins(open.0, open.1));
            return self.give_up(BytesMut::new(), units);
        }
        self.state = State::Chunked(open, chunks, read, body);
        false
    }

    fn events(
        &mut self,
        asked: Arc<Asked>,
        (mut chunks, mut carried): (Option<Chunks>, BytesMut),
        exchange: &Exchange,
        units: &mut Vec<Unit>,
    ) -> bool {
        let read = match &mut chunks {
            Some(chunks) => chunks.read(&self.buffer, &mut carried),
            None => {
                carried.extend_from_slice(&self.buffer);
                Ok(self.buffer.len())
            }
        };
        let malformed = read.is_err();
        self.buffer.advance(read.unwrap_or_else(|Malformed(read)| read));
        let coding = if chunks.is_some() { Coding::Chunked } else { Coding::Plain };
        while let Some(size) = events::first(&carried) {
            units.push(event(&asked, carried.split_to(size).freeze(), coding));
        }
        let ended = malformed || chunks.as_ref().is_some_and(Chunks::ended);
        if (ended && !carried.is_empty()) || carried.len() > exchange.most_kept {
            units.push(Unit { bytes: coding.of(&carried.split()), view: View::Opaque });
        }
        if malformed {
            return self.give_up(BytesMut::new(), units);
        }
        if ended {
            units.push(Unit { bytes: Bytes::from_static(chunks::LAST), view: View::Upkeep });
            return true;
        }
        self.state = State::Events(asked, chunks, carried);
        false
    }

    /// From here on bytes pass as they are.
    fn give_up(&mut self, before: BytesMut, units: &mut Vec<Unit>) -> bool {
        self.state = State::Opaque;
        let mut rest = before;
        rest.extend_from_slice(&self.buffer.split());
        opaque(&mut rest, units);
        false
    }
}

/// Says what the bytes answer that pass after it as they are; is none of them itself.
fn begins(head: Head, asked: Arc<Asked>) -> Unit {
    let answer = Answer { asked, session: head.session, head: 0, body: None };
    Unit { bytes: Bytes::new(), view: View::Response(answer) }
}

fn event(asked: &Arc<Asked>, bytes: Bytes, coding: Coding) -> Unit {
    let sent = coding.of(&bytes);
    let view = if events::carries(&bytes) {
        View::Event(Arc::clone(asked), bytes, coding)
    } else {
        View::Upkeep
    };
    Unit { bytes: sent, view }
}

impl Coding {
    /// Bytes as they are put on the wire.
    pub(crate) fn of(self, bytes: &[u8]) -> Bytes {
        match self {
            Self::Chunked => chunks::chunk(bytes).freeze(),
            Self::Plain => Bytes::copy_from_slice(bytes),
        }
    }
}

impl Open {
    fn whole(self, bytes: Bytes, body: Bytes) -> Unit {
        let Self(head, asked) = self;
        let answer = Answer { asked, session: head.session, head: head.size, body: Some(body) };
        Unit { bytes, view: View::Response(answer) }
    }
}

//! What passes, as messages: HTTP requests and responses, events of their streams, WebSocket
//! messages. Nothing here does input or output.
//!
//! All traffic is framed, always, so that a fault that is put in while a connection is open finds
//! its messages, and so that a message has the same ordinal however TCP cut it. Bytes pass as they
//! came, but for one thing: each event of a stream in chunked coding becomes a chunk of its own.
//! What is not understood (TLS, HTTP/2, too large a message) passes as it is read.

mod chunks;
mod events;
mod frames;
mod head;
mod request;
mod response;
mod said;
mod traffic;

pub(crate) use frames::message;
pub(crate) use request::Requests;
pub(crate) use response::Responses;
pub(crate) use said::{Said, said};
pub use traffic::Traffic;

use bytes::{Bytes, BytesMut};
use frames::Frames;
use std::sync::Arc;

/// Most bytes of a message that are kept until it is whole; a larger one passes as it is read.
pub(crate) const MOST_KEPT: usize = 1 << 20;

/// A piece of the traffic that stays together.
#[derive(Debug)]
pub(crate) struct Unit {
    /// What is sent.
    pub(crate) bytes: Bytes,
    /// What it is.
    pub(crate) view: View,
}

/// What a unit is.
#[derive(Debug, Clone)]
pub(crate) enum View {
    /// Not understood.
    Opaque,
    /// A whole request.
    Request(Arc<Asked>),
    /// A whole response, or the head of an event stream.
    Response(Answer),
    /// An event of a stream that answers this request; chunked or not.
    Event(Arc<Asked>, Bytes, Coding),
    /// A WebSocket message of these bytes, where they can be read; masked or not.
    Message(Option<Bytes>, Masked),
    /// What holds a connection together: keep-alives, pings, ends of streams.
    Upkeep,
}

/// How a body is put on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// In chunks.
    Chunked,
    /// As it is.
    Plain,
}

/// Whether a WebSocket message is masked: those of clients are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Masked(pub(crate) bool);

/// A request, as far as its answer has to know it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// GET, POST, …
    pub(crate) method: String,
    /// The session it names.
    pub(crate) session: Option<String>,
    /// Whether it asks for a WebSocket.
    pub(crate) upgrade: bool,
    /// Its body.
    pub(crate) body: Bytes,
    /// A copy that a fault sent: nobody waits for its answer.
    pub(crate) copy: bool,
}

impl Asked {
    /// How much of it is kept.
    fn bytes(&self) -> usize {
        self.body.len() + self.session.as_ref().map_or(0, String::len)
    }

    /// The same request, sent by a fault.
    pub(crate) fn copied(&self) -> Arc<Self> {
        let Self { method, session, upgrade, body, copy: _ } = self;
        let (method, session, body) = (method.clone(), session.clone(), body.clone());
        Arc::new(Self { method, session, upgrade: *upgrade, body, copy: true })
    }
}

/// A response.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// What it answers.
    pub(crate) asked: Arc<Asked>,
    /// The session that it names.
    pub(crate) session: Option<String>,
    /// Where its body begins in the unit.
    pub(crate) head: usize,
    /// Its body; none of an event stream's head.
    pub(crate) body: Option<Bytes>,
}

/// What both directions of a connection know of each other.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Most bytes of a message that are kept until it is whole.
    most_kept: usize,
    /// Requests that were sent and not answered, the oldest first.
    pub(crate) asked: std::collections::VecDeque<Arc<Asked>>,
    /// It carries WebSocket messages from here on.
    pub(crate) upgraded: bool,
    /// The bytes are not understood, in either direction.
    pub(crate) opaque: bool,
    /// The methods of requests over the WebSocket that were not answered, by id.
    pub(crate) methods: std::collections::BTreeMap<String, String>,
}

/// Most requests that wait for an answer on one connection and are remembered.
pub(crate) const MOST_ASKED: usize = 1_024;

/// As many of the largest may be among them.
const MOST_LARGE: usize = 4;

/// Longest id and method of a request over a WebSocket that are remembered.
const LONGEST_ASKED: usize = 1 << 10;

impl Default for Exchange {
    fn default() -> Self {
        Self::keeping(MOST_KEPT)
    }
}

impl Exchange {
    fn keeping(most_kept: usize) -> Self {
        let (asked, methods) = Default::default();
        Self { most_kept, asked, upgraded: false, opaque: false, methods }
    }

    pub(crate) fn asks(&mut self, asked: Arc<Asked>) {
        let bytes = self.asked.iter().chain([&asked]).map(|asked| asked.bytes()).sum::<usize>();
        if self.asked.len() == MOST_ASKED || bytes > MOST_LARGE * self.most_kept {
            // Nobody pipelines so much: these are no answers that we understand.
            self.opaque = true;
        } else {
            self.asked.push_back(asked);
        }
    }

    /// Remembers what a WebSocket message asks.
    fn remember(&mut self, text: &[u8]) {
        for said in said(text) {
            if let (Some(id), Some(method)) = (said.id, said.method)
                && self.methods.len() < MOST_ASKED
                && id.len() + method.len() <= LONGEST_ASKED
            {
                self.methods.insert(id, method);
            }
        }
    }
}

/// Cuts one direction of a connection into units.
#[derive(Debug)]
pub(crate) enum Framer {
    /// From the client.
    Up(Requests),
    /// From the server.
    Down(Responses),
}

impl Framer {
    /// Takes bytes, and gives the units that they complete.
    pub(crate) fn push(&mut self, bytes: &[u8], exchange: &mut Exchange) -> Vec<Unit> {
        let mut units = Vec::new();
        match self {
            Self::Up(requests) => requests.push(bytes, exchange, &mut units),
            Self::Down(responses) => responses.push(bytes, exchange, &mut units),
        }
        units
    }

    /// What is left when the source has ended.
    pub(crate) fn rest(&mut self) -> Option<Unit> {
        let rest = match self {
            Self::Up(requests) => requests.rest(),
            Self::Down(responses) => responses.rest(),
        };
        (!rest.is_empty()).then(|| Unit { bytes: rest, view: View::Opaque })
    }
}

/// Gives all that is there as it is.
fn opaque(buffer: &mut BytesMut, units: &mut Vec<Unit>) {
    if !buffer.is_empty() {
        units.push(Unit { bytes: buffer.split().freeze(), view: View::Opaque });
    }
}

#[cfg(test)]
mod tests;

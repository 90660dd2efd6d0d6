//! A message on its way through the faults: what each of them sees and may change.

use crate::{
    sessions::Sessions,
    verdict::Verdict,
    wire::{self, Asked, Said, Unit, View, said},
};
use bytes::Bytes;
use mcp_protocol::sse::{SseReader, encode_event};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// What stands around a message that a fault strikes.
pub(crate) struct Scene<'a> {
    pub(crate) verdict: Verdict,
    /// What the fault remembers of this direction of this connection.
    pub(crate) memory: &'a mut Memory,
    pub(crate) sessions: &'a Sessions,
    /// The seed of the fault's chances that are of no message.
    pub(crate) seed: u64,
    /// The share that it is done to.
    pub(crate) share: f64,
    /// When it began this time.
    pub(crate) since: Instant,
}

/// What a fault remembers of one direction of one connection.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Until when the line is taken.
    pub(crate) busy_until: Option<Instant>,
    /// What was counted.
    pub(crate) counted: u64,
    /// Whose events are counted.
    pub(crate) stream: Option<Arc<Asked>>,
}

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes on.
    Pass,
    /// It is lost.
    Lost,
    /// It is lost, and this is answered to it.
    Answered(Bytes),
    /// It goes on after the next, or after so long.
    Behind(Duration),
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// By RST: the other side is told that nothing holds any more.
    #[default]
    Reset,
    /// By FIN, as if all had been said.
    Close,
}

/// A message on its way.
#[derive(Debug)]
pub(crate) struct Passing {
    /// What is sent.
    pub(crate) bytes: Bytes,
    /// When it came.
    #[cfg(test)]
    pub(crate) came: Instant,
    /// When it is sent; never before what came before it.
    pub(crate) leaves: Instant,
    /// How long its bytes take: they are spread over so much time before it leaves.
    pub(crate) takes: Duration,
    /// The sizes of the pieces it is sent in, and the time between them.
    pub(crate) pieces: (Vec<usize>, Duration),
    pub(crate) fate: Fate,
    /// It is sent twice.
    pub(crate) twice: bool,
    /// The connection ends behind it.
    pub(crate) end: Option<End>,
    view: View,
    /// The methods of the requests it answers, where the request is not in the view.
    methods: Vec<(String, String)>,
}

impl Passing {
    pub(crate) fn new(unit: Unit, now: Instant, methods: Vec<(String, String)>) -> Self {
        Self {
            bytes: unit.bytes,
            #[cfg(test)]
            came: now,
            leaves: now,
            takes: Duration::ZERO,
            pieces: (Vec::new(), Duration::ZERO),
            fate: Fate::Pass,
            twice: false,
            end: None,
            view: unit.view,
            methods,
        }
    }

    /// The request that it is.
    pub(crate) fn request(&self) -> Option<&Arc<Asked>> {
        if let View::Request(asked) = &self.view { Some(asked) } else { None }
    }

    /// The request of whose stream it is an event.
    pub(crate) fn event_of(&self) -> Option<&Arc<Asked>> {
        if let View::Event(asked, ..) = &self.view { Some(asked) } else { None }
    }

    /// Whether it stands for itself: it can come twice, late or not at all, and the connection
    /// still holds.
    pub(crate) fn stands_alone(&self) -> bool {
        matches!(self.view, View::Event(..) | View::Message(..))
    }

    /// The JSON that it carries.
    fn json(&self) -> Option<Bytes> {
        match &self.view {
            View::Request(asked) => Some(asked.body.clone()),
            View::Response(answer) => answer.body.clone(),
            View::Event(_, bytes, _) => Some(data(bytes)?.1.into()),
            View::Message(text, _) => text.clone(),
            View::Opaque | View::Upkeep => None,
        }
    }

    /// The JSON-RPC messages that it carries.
    pub(crate) fn says(&self) -> Vec<Said> {
        self.json().map(|json| said(&json)).unwrap_or_default()
    }

    /// The methods of the requests that it answers.
    pub(crate) fn answers(&self) -> Vec<String> {
        let asked = match &self.view {
            View::Response(answer) => said(&answer.asked.body),
            View::Event(asked, ..) => said(&asked.body),
            View::Message(..) | View::Request(_) | View::Opaque | View::Upkeep => Vec::new(),
        };
        let answered = self.says().into_iter().filter(|said| said.answers);
        let method = |id: &String| {
            let known = |(of, method): &(String, String)| (of == id).then(|| method.clone());
            let here = asked.iter().find(|said| said.id.as_ref() == Some(id));
            here.and_then(|said| said.method.clone())
                .or_else(|| self.methods.iter().find_map(known))
        };
        answered.filter_map(|said| method(&said.id?)).collect()
    }

    /// Puts other JSON in the place of what it carries, if the change finds something to change.
    pub(crate) fn rewrite(&mut self, change: impl FnOnce(&mut Value) -> bool) -> bool {
        let Some(json) = self.json() else { return false };
        let Ok(mut value) = serde_json::from_slice(&json) else { return false };
        if !change(&mut value) {
            return false;
        }
        let text = value.to_string();
        let written = match &self.view {
            View::Response(answer) => response(&self.bytes[..answer.head], &text),
            View::Event(_, bytes, coding) => {
                let id = data(bytes).and_then(|(id, _)| id);
                Some(coding.of(encode_event(id.as_deref(), &text).as_bytes()))
            }
            View::Message(_, masked) => Some(wire::message(text.as_bytes(), *masked)),
            View::Request(_) | View::Opaque | View::Upkeep => None,
        };
        written.inspect(|bytes| self.bytes = bytes.clone()).is_some()
    }
}

/// The id and the data of one event.
fn data(bytes: &[u8]) -> Option<(Option<String>, String)> {
    let mut events = Vec::new();
    SseReader::new(wire::MOST_KEPT).push(bytes, &mut events).ok()?;
    let event = events.pop()?;
    Some((event.id, event.data))
}

/// A response with another body: its head, but for what it says of the body's length.
fn response(head: &[u8], body: &str) -> Option<Bytes> {
    let head = std::str::from_utf8(head).ok()?;
    let framing = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default();
        !["content-length", "transfer-encoding"].iter().any(|own| name.eq_ignore_ascii_case(own))
    };
    let lines: Vec<&str> = head.trim_end().split("\r\n").filter(framing).collect();
    let length = format!("content-length: {}", body.len());
    Some(format!("{}\r\n{length}\r\n\r\n{body}", lines.join("\r\n")).into())
}

/// A response of our own.
pub(crate) fn answer(status: &str, lines: &str, body: &str) -> Bytes {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{lines}content-length: {length}\r\n\r\n{body}"
    )
    .into()
}

/// What tests of kinds are made of.
#[cfg(test)]
pub(crate) mod testing {
    use super::{Bytes, Instant, Memory, Passing, Scene, Sessions, Unit, View};
    use crate::{
        Direction,
        kind::Effect,
        verdict,
        wire::{Coding, Masked},
    };

    /// Lets messages through a fault that hits them all, and says to which it did something.
    pub(crate) fn pass(effect: &impl Effect, units: Vec<Unit>) -> Vec<(bool, Passing)> {
        let (mut memory, sessions, came) = (Memory::default(), Sessions::default(), Instant::now());
        let pass = |(index, unit): (usize, Unit)| {
            let mut passing = Passing::new(unit, came, vec![("9".into(), "tools/call".into())]);
            let mut scene = Scene {
                verdict: verdict(7, "fault", 1, Direction::Down, index as u64 + 1),
                memory: &mut memory,
                sessions: &sessions,
                seed: 7,
                share: 1.0,
                since: came,
            };
            (effect.strike(&mut scene, &mut passing), passing)
        };
        units.into_iter().enumerate().map(pass).collect()
    }

    /// The same for bytes of these sizes.
    pub(crate) fn through(effect: &impl Effect, sizes: &[usize]) -> Vec<Passing> {
        let opaque = |size: &usize| Unit { bytes: vec![b'x'; *size].into(), view: View::Opaque };
        let passed = pass(effect, sizes.iter().map(opaque).collect());
        passed.into_iter().map(|(_, passing)| passing).collect()
    }

    /// A WebSocket message that says this.
    pub(crate) fn message(json: &'static str) -> Unit {
        let view = View::Message(Some(Bytes::from_static(json.as_bytes())), Masked(false));
        Unit { bytes: Bytes::from_static(json.as_bytes()), view }
    }

    /// An event that says this, of a stream that answers a GET.
    pub(crate) fn event(json: &str) -> Unit {
        let text = Bytes::from(format!("id: 5\ndata: {json}\n\n"));
        let view = View::Event(std::sync::Arc::default(), text.clone(), Coding::Plain);
        Unit { bytes: text, view }
    }
}

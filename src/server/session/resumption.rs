//! Sessions that outlive their WebSocket: which socket has one, what it has sent and received,
//! and what the store must know of that. `frames` does the counting.

use super::{
    Session,
    awaited::Awaited,
    event_id::StreamId,
    frames::{Frames, NoWayBack},
    lock,
};
use crate::call::{Cursor, EventLog};
use mcp_protocol::{Id, Method, raw};
use mcp_store::{Beginning, Change, Return, SessionRecord, StoredCall};
use mcp_telemetry::{Reason, Restoration, Transport};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};

/// What a session knows of its sockets.
#[derive(Debug)]
pub(crate) struct Resumption(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    frames: Frames,
    /// The newest socket.
    socket: u64,
    is_attached: bool,
}

/// The same as the store keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    frames: Frames,
    /// Set when the session is let go of in good order: only then both counts are final.
    left: Option<Left>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Left {
    epoch: u64,
    sent: u64,
}

/// What a socket needs to go on with a session.
#[derive(Debug)]
pub(crate) struct TakenOver {
    pub(crate) socket: u64,
    pub(crate) cursor: Cursor,
    /// Frames up to this entry were written before.
    pub(crate) replay_to: u64,
    /// Frames of the client that reached us, if that is known.
    pub(crate) received: Option<u64>,
    /// Whether the store must know before the client does.
    pub(crate) is_news: bool,
}

impl Resumption {
    /// Of a session that is opened now, on a socket.
    pub(super) fn new(general: &EventLog) -> Self {
        let frames = Frames::after(general.last_number());
        Self(Mutex::new(Inner { frames, socket: 0, is_attached: true }))
    }

    /// Of a session that goes on. `newest` is the newest entry known to an earlier process.
    pub(super) fn restored(
        record: &SessionRecord,
        general: &EventLog,
        newest: u64,
        (beginning, how): (&Beginning, Restoration),
    ) -> Option<Self> {
        let Stored { frames, left } = parse(record)?;
        let is_final = |left: &Left| match beginning.previous {
            // It was put away in good order, whatever its process did later.
            _ if how == Restoration::Revived => true,
            Some(life) => life.stopped_cleanly && life.epoch.0 == left.epoch,
            None => false,
        };
        let sent = left.filter(is_final).map(|left| left.sent);
        let frames = frames.restarted(general.last_number(), newest, sent)?;
        Some(Self(Mutex::new(Inner { frames, socket: 0, is_attached: false })))
    }

    fn to_json(&self, left: Option<Left>) -> Option<Arc<str>> {
        let stored = Stored { frames: lock(&self.0).frames.clone(), left };
        serde_json::to_string(&stored).ok().map(Into::into)
    }
}

fn parse(record: &SessionRecord) -> Option<Stored> {
    serde_json::from_str(record.resume.as_deref()?).ok()
}

/// Whether a session can go on without the connection it was opened on.
pub(crate) fn outlives_its_connection(record: &SessionRecord) -> bool {
    record.transport != Transport::Websocket || parse(record).is_some()
}

impl Session {
    /// Whether it can go on without the connection it was opened on.
    pub(crate) fn outlives_its_connection(&self) -> bool {
        self.transport != Transport::Websocket || self.is_resumable()
    }

    /// Whether a WebSocket client can come back to it.
    pub(crate) fn is_resumable(&self) -> bool {
        self.resumption.is_some()
    }

    /// Whether it is on a socket that will let go of it.
    pub(crate) fn is_attached(&self) -> bool {
        self.resumption.as_ref().is_some_and(|resumption| lock(&resumption.0).is_attached)
    }

    /// Hands the session to a new socket, whose client has received so many frames. The socket
    /// that had it takes no frame any more from here on.
    pub(crate) fn take_over(&self, received: u64) -> Result<TakenOver, NoWayBack> {
        let Some(resumption) = &self.resumption else { return Err(NoWayBack::Gone) };
        let mut inner = lock(&resumption.0);
        if self.general.is_closed() {
            return Err(NoWayBack::Gone);
        }
        let is_news = !inner.frames.is_sure();
        let number = inner.frames.resume(received, |number| self.general.count_after(number))?;
        inner.socket += 1;
        inner.is_attached = true;
        let taken = TakenOver {
            socket: inner.socket,
            replay_to: self.general.last_number(),
            cursor: self.general.read_from(Some(number)),
            received: inner.frames.received(),
            is_news,
        };
        drop(inner);
        self.touch();
        self.record.returned(Return::Resumed);
        Ok(taken)
    }

    /// Counts a frame that came on a socket; `false` if another has taken over.
    pub(crate) fn frame_came(&self, socket: u64) -> bool {
        let Some(resumption) = &self.resumption else { return true };
        let mut inner = lock(&resumption.0);
        let is_ours = inner.socket == socket;
        if is_ours {
            inner.frames.count_received();
        }
        is_ours
    }

    /// A socket is gone; `false` if another had taken over before.
    pub(crate) fn detach(&self, socket: u64) -> bool {
        let Some(resumption) = &self.resumption else { return true };
        let mut inner = lock(&resumption.0);
        let was_ours = inner.socket == socket;
        if was_ours {
            inner.is_attached = false;
        }
        was_ours
    }

    /// Notes a call that may outlive the process, so that its answer is not silently lost.
    pub(crate) fn call_began(&self, id: &Id, method: Method) {
        let (request, stream) = (id.as_json().into(), Some(StreamId::GENERAL.as_u64()));
        self.record.note(|| Change::CallStarted { request, method, stream });
    }

    /// Such a call was answered.
    pub(crate) fn call_over(&self, id: &Id) {
        self.record.note(|| Change::CallEnded { request: id.as_json().into() });
    }

    /// Tells the client of calls that ended with an earlier process.
    pub(super) fn lost_calls(&self, calls: &[StoredCall], why: &str) {
        let mut awaited = Awaited::default();
        for call in calls {
            if let Some(id) = raw(&call.request).as_deref().and_then(Id::parse) {
                awaited.note(id, call.method);
            }
        }
        for answer in awaited.lost_answers(why) {
            self.general.push(answer);
        }
        for call in calls {
            self.record.note(|| Change::CallEnded { request: Arc::clone(&call.request) });
        }
    }

    /// What the store keeps of it while it lives.
    pub(super) fn resumption_record(&self) -> Option<Arc<str>> {
        self.resumption.as_ref()?.to_json(None)
    }

    /// Notes that it goes on, and with which spans.
    pub(crate) fn note_resumption(&self) {
        if self.is_resumable() {
            self.record.note(|| Change::Resume(self.resumption_record()));
        }
    }

    /// Notes the final counts: nothing more is sent or received in this process.
    pub(super) fn note_left(&self, epoch: u64) {
        let Some(resumption) = &self.resumption else { return };
        let sent = lock(&resumption.0).frames.ordinal_of(self.general.last_number());
        let left = sent.map(|sent| Left { epoch, sent });
        self.record.note(|| Change::Resume(resumption.to_json(left)));
    }

    /// Why it is put away when nothing happens in it.
    pub(crate) fn idle_reason(&self) -> Reason {
        match self.transport {
            Transport::Websocket => Reason::ClientGone,
            Transport::Http | Transport::Stdio => Reason::TimeoutNoActivity,
        }
    }

    /// Why it ended, or was let go of; `None` while it lives.
    pub(crate) fn ended_because(&self) -> Option<Reason> {
        self.ended.get().copied()
    }
}

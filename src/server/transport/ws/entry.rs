//! How a socket gets its session and how it lets go of it.

use super::{
    calls::encode,
    ending::Ending,
    link::Link,
    wish::{Wish, granted},
};
use crate::{
    pipeline::{Newcomer, Resumed, WayBack},
    session::{OpenStream, Session},
};
use futures_util::StreamExt;
use mcp_protocol::{Payload, Request, RpcError, code as rpc};
use mcp_telemetry::{Event, Reason, Transport};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// The session of a socket. Its stream is open as long as this is held.
pub(super) struct Attached {
    pub(super) session: Arc<Session>,
    /// Which of the session's sockets this is.
    pub(super) socket: u64,
    _open: OpenStream,
}

impl Attached {
    fn new(session: Arc<Session>, socket: u64) -> Self {
        let _open = session.open_stream();
        Self { session, socket, _open }
    }
}

impl Link {
    /// Opens a session, or goes on with the one that the client names.
    pub(super) async fn initialize(&mut self, request: &Request) {
        let wish = match Wish::of(request.params.as_deref()) {
            Ok(wish) => wish,
            Err(error) => return self.refuse(request, error),
        };
        if let Some(error) = self.cannot_grant(&wish) {
            return self.refuse(request, error);
        }
        let told = match &wish {
            Wish::Plain => None,
            Wish::Resumable => Some(json!({})),
            Wish::Resume(way) => match self.resume(request, way).await {
                true => return,
                false => Some(json!({ "resumed": false })),
            },
        };
        self.open(request, told).await;
    }

    fn cannot_grant(&self, wish: &Wish) -> Option<RpcError> {
        let sentence = if self.session.is_some() {
            "This connection has a session already."
        } else if *wish != Wish::Plain && !self.is_quiet() {
            "A session that can be resumed counts all frames: end what is in flight on this connection first."
        } else {
            return None;
        };
        Some(RpcError::new(rpc::INVALID_REQUEST, sentence))
    }

    /// Opens a session; one that can be resumed if the client is to be told something of that.
    async fn open(&mut self, request: &Request, told: Option<Value>) {
        let is_resumable = told.is_some();
        let general =
            if is_resumable { self.stages.sessions.new_general() } else { Arc::clone(&self.log) };
        let came_from = self.came_from.clone();
        let newcomer = Newcomer { came_from, general, is_resumable };
        let (session, payload) = self.stages.initialize(&self.arrival, newcomer, request).await;
        let Some(session) = session else { return self.answer(&request.id, &payload) };
        self.end_presence();
        let payload = match (told, payload) {
            (Some(told), Ok(result)) => {
                let cursor = session.general.read_from(None);
                self.goes_on_in(Arc::clone(&session.general), cursor);
                Ok(granted(&result, &self.told(&session, told)))
            }
            (_, payload) => payload,
        };
        if is_resumable {
            // Outside the log, whose frames are counted.
            self.first = Some(encode(&request.id, &payload).into());
        } else {
            self.answer(&request.id, &payload);
        }
        self.session = Some(Attached::new(session, 0));
    }

    /// Whether the request was answered. If not, the client is to have a new session.
    async fn resume(&mut self, request: &Request, way: &WayBack) -> bool {
        let resumed = match self.stages.resume(&self.arrival, request, way).await {
            Ok(Some(resumed)) => resumed,
            Ok(None) => return false,
            Err(rejection) => {
                self.answer(&request.id, &Err(rejection.error));
                return true;
            }
        };
        let Resumed { session, taken, result } = resumed;
        self.end_presence();
        let told = json!({ "resumed": true, "received": taken.received });
        let payload: Payload = Ok(granted(&result, &self.told(&session, told)));
        self.goes_on_in(Arc::clone(&session.general), taken.cursor);
        self.replay_to = taken.replay_to;
        self.first = Some(encode(&request.id, &payload).into());
        self.session = Some(Attached::new(session, taken.socket));
        true
    }

    fn told(&self, session: &Session, mut told: Value) -> Value {
        let limits = self.stages.limits.now();
        // What the store does not have is forgotten when it is idle.
        let window = if session.is_written() { limits.resume_window } else { limits.session_idle };
        told["token"] = json!(&*session.id);
        told["window_ms"] = json!(millis(window));
        told
    }

    fn end_presence(&mut self) {
        if let Some(presence) = self.presence.take() {
            presence.end(Reason::Superseded);
        }
    }

    /// Counts a message that the client gets again, or for the first time after it came back.
    pub(super) fn count_replayed(&self, number: u64) {
        if number <= self.replay_to {
            let transport = Transport::Websocket;
            self.telemetry().emit(&Event::StreamEventsReplayed { transport, count: 1 });
        }
    }

    /// The socket has ended. Modern calls end with it; legacy calls run on to their end, since in
    /// that era going away withdraws nothing. A session that can be resumed waits for its client
    /// if that is only gone.
    pub(super) fn end(self, ending: &Ending) {
        let Self { stages, session, presence, mut legacy, .. } = self;
        let reason = ending.reason;
        if reason == Reason::ServerShutdown {
            drop(legacy);
        } else if !legacy.is_empty() {
            stages.tasks.spawn(async move { while legacy.next().await.is_some() {} });
        }
        if let Some(presence) = presence {
            presence.end(reason);
        }
        let Some(Attached { session, socket, .. }) = session else { return };
        if !session.detach(socket) {
            // Another socket has it.
        } else if reason == Reason::ServerShutdown {
            stages.let_go(&session.id);
        } else if session.is_resumable() && ending.client_may_return() {
            session.general.followed.client_lost(&stages.telemetry);
        } else {
            stages.end_session(&session.id, reason);
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

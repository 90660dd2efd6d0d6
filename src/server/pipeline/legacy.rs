//! What only sessions have: the handshake, their own methods, notifications, their end.

use super::{Arrival, Stages};
use crate::{
    call::{Caller, EventLog, code},
    dispatch::{OtherTool, client_error},
    session::{CameFrom, LogLevel, Opening, Session, negotiate},
    upstream::Reply,
};
use mcp_protocol::{
    Id, Method, Notification, Payload, RawObject, RawValue, Request, RpcError, encode_error,
};
use mcp_telemetry::{CallEnd, ConnectionStatus, Event, Limit, Outcome, Reason};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// A client that wants a session.
pub(crate) struct Newcomer {
    /// From where it comes.
    pub(crate) came_from: CameFrom,
    /// The general stream of its session.
    pub(crate) general: Arc<EventLog>,
    /// Whether its session is to outlive its socket.
    pub(crate) is_resumable: bool,
}

impl Stages {
    /// `initialize`: opens a session and gives it with the answer, or only an error. The session
    /// is in the store before this returns, if it can be.
    pub(crate) async fn initialize(
        &self,
        arrival: &Arrival,
        newcomer: Newcomer,
        request: &Request,
    ) -> (Option<Arc<Session>>, Payload) {
        let scope = self.call_started(arrival, None, request, None);
        let opened = negotiate(request.params.as_deref(), &self.dispatch.identity.load())
            .map_err(|error| (ConnectionStatus::ProtocolError, error))
            .and_then(|(agreement, result)| {
                let session = self.open_session(|| Opening {
                    principal: arrival.principal.clone(),
                    transport: arrival.transport,
                    came_from: newcomer.came_from.clone(),
                    agreement: agreement.clone(),
                    general: Arc::clone(&newcomer.general),
                    begun: Instant::now(),
                    is_resumable: newcomer.is_resumable,
                });
                session.map(|session| (session, result)).ok_or_else(|| {
                    self.over_limit(Limit::Sessions);
                    (ConnectionStatus::OverCapacity, sessions_full())
                })
            });
        match opened {
            Ok((session, result)) => {
                session.write().await;
                scope.finish(CallEnd::of(Outcome::Ok));
                (Some(session), Ok(result))
            }
            Err((status, error)) => {
                super::refuse(scope, &error);
                let detail = error.message.as_str();
                self.telemetry.emit(&Event::ConnectionRefused {
                    transport: arrival.transport,
                    status,
                    detail,
                });
                (None, Err(error))
            }
        }
    }

    /// Opens a session. In a full table handshakes that were begun and not completed make room,
    /// the oldest first; a session in use never does.
    fn open_session(&self, opening: impl Fn() -> Opening) -> Option<Arc<Session>> {
        loop {
            if let Some(session) = self.sessions.open(opening()) {
                return Some(session);
            }
            let oldest = self.sessions.oldest_half_open()?;
            self.end_half_open(&oldest);
        }
    }

    /// Ends a session whose client did not complete its handshake, and says so on its stream.
    pub(super) fn end_half_open(&self, session: &Session) {
        let error = RpcError::new(
            code::HANDSHAKE_TIMEOUT,
            "The handshake was not completed in time: send `notifications/initialized` after the answer to `initialize`, \
             within `limits.handshake_timeout`. Connect again.",
        );
        session.general.push(encode_error(None, &error));
        self.end_session(&session.id, Reason::HandshakeTimeout);
    }

    /// Ends a session and what belongs to it upstream; whether it was there.
    pub(crate) fn end_session(&self, id: &str, reason: Reason) -> bool {
        let ended = self.sessions.end(id, reason);
        if ended {
            self.dispatch.upstreams.session_ended(id);
        }
        ended
    }

    /// Puts a session away if nothing has happened in it meanwhile.
    pub(super) fn end_idle_session(&self, id: &str, reason: Reason, limit: Duration) {
        if self.sessions.end_idle(id, reason, limit) {
            self.dispatch.upstreams.session_ended(id);
        }
    }

    /// Lets go of a session because the server stops: it goes on with the next process if the
    /// store keeps it, else it ends.
    pub(crate) fn let_go(&self, id: &str) {
        if !self.sessions.hand_over(id) {
            self.end_session(id, Reason::ServerShutdown);
        }
    }

    /// Takes a notification of a session's client.
    pub(crate) async fn notified(&self, session: &Arc<Session>, notification: &Notification) {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "a notification nobody waits for is ignored"
        )]
        match notification.method {
            Method::Initialized => session.initialized(),
            Method::Cancelled => {
                let params = notification.params.as_deref().and_then(RawObject::parse);
                if let Some(id) =
                    params.as_ref().and_then(|params| params.get("requestId")).and_then(Id::parse)
                {
                    session.cancel(&id);
                }
            }
            Method::Progress => {
                if let Some(params) = notification.params.as_deref() {
                    session.questions.reported(params);
                }
            }
            Method::RootsListChanged => self.dispatch.upstreams.roots_changed(&session.id).await,
            _ => {}
        }
    }

    /// Answers a call of a session, keeping the session's own account of levels and subscriptions.
    pub(super) async fn answer_in_session(
        &self,
        session: &Arc<Session>,
        caller: &Caller,
        request: &Request,
        tool: &OtherTool,
    ) -> Reply {
        let params = request.params.as_deref();
        if request.method == Method::LoggingSetLevel {
            match text_param(params, "level").as_deref().and_then(LogLevel::parse) {
                Some(level) => session.set_log_level(level),
                None => {
                    return client_error(RpcError::invalid_params(
                        "`level` must be one of debug, info, notice, warning, error, critical, alert, emergency.",
                    ));
                }
            }
        }
        if request.method == Method::ResourcesUnsubscribe
            && let Some(uri) = text_param(params, "uri")
        {
            session.unsubscribe(&uri);
        }
        let reply = self.dispatch.answer(caller, request, tool).await;
        if request.method == Method::ResourcesSubscribe
            && reply.payload.is_ok()
            && let Some(uri) = text_param(params, "uri")
        {
            session.subscribe(&uri);
        }
        reply
    }
}

pub(super) fn sessions_full() -> RpcError {
    RpcError::new(
        code::OVER_CAPACITY,
        "This server has as many sessions as it may have. Try again later.",
    )
}

fn text_param(params: Option<&RawValue>, key: &str) -> Option<String> {
    params.and_then(RawObject::parse).and_then(|params| params.get_str(key))
}

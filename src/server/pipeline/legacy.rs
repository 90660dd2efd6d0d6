//! What only sessions have: the handshake, their own methods, notifications, their end.

use super::{Arrival, Stages};
use crate::{
    call::{Caller, EventLog, code},
    dispatch::{OtherTool, client_error},
    session::{LogLevel, Opening, Session, negotiate},
    upstream::Reply,
};
use mcp_protocol::{Id, Method, Notification, Payload, RawObject, RawValue, Request, RpcError};
use mcp_telemetry::{CallEnd, ConnectionStatus, Event, Outcome, Reason};
use std::sync::Arc;
use tokio::time::Instant;

impl Stages {
    /// `initialize`: opens a session with `general` as its general stream and gives it with the
    /// answer, or only an error.
    pub(crate) fn initialize(
        &self,
        arrival: &Arrival,
        request: &Request,
        general: &Arc<EventLog>,
    ) -> (Option<Arc<Session>>, Payload) {
        let scope = self.call_started(arrival, None, request, None);
        let opened = negotiate(request.params.as_deref(), &self.dispatch.identity)
            .map_err(|error| (ConnectionStatus::ProtocolError, error))
            .and_then(|(agreement, result)| {
                let session = self.sessions.open(Opening {
                    principal: arrival.principal.clone(),
                    transport: arrival.transport,
                    agreement,
                    general: Arc::clone(general),
                    begun: Instant::now(),
                });
                let full = RpcError::new(
                    code::OVER_CAPACITY,
                    "This server has as many sessions as it may have. Try again later.",
                );
                session
                    .map(|session| (session, result))
                    .ok_or((ConnectionStatus::OverCapacity, full))
            });
        match opened {
            Ok((session, result)) => {
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

    /// Ends a session and what belongs to it upstream; whether it was there.
    pub(crate) fn end_session(&self, id: &str, reason: Reason) -> bool {
        let ended = self.sessions.end(id, reason);
        if ended {
            self.dispatch.upstreams.session_ended(id);
        }
        ended
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

fn text_param(params: Option<&RawValue>, key: &str) -> Option<String> {
    params.and_then(RawObject::parse).and_then(|params| params.get_str(key))
}

//! Clients that come back over WebSocket: a new socket takes over a session where the last one
//! stopped.

use super::{Arrival, Stages};
use crate::{
    call::{Refusal, Rejection},
    session::{NoWayBack, Session, TakenOver, negotiate},
};
use mcp_protocol::{Method, RawValue, Request, encode_notification};
use mcp_telemetry::{CallEnd, Event, Outcome, Reason, ReconnectOutcome, ReconnectSide};
use std::sync::Arc;

/// Where a client stopped, as it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WayBack {
    /// What it was given to come back with.
    pub(crate) token: String,
    /// The text frames it has received since.
    pub(crate) received: u64,
}

/// A session that goes on.
pub(crate) struct Resumed {
    pub(crate) session: Arc<Session>,
    pub(crate) taken: TakenOver,
    /// The result of its `initialize`, as ever.
    pub(crate) result: Box<RawValue>,
}

impl Stages {
    /// Hands a session to the socket of its client that came back. `None` if it cannot go on
    /// from there, for whatever reason: the client is to have a new one then.
    ///
    /// # Errors
    /// When nobody can tell now, and the client should ask again.
    pub(crate) async fn resume(
        self: &Arc<Self>,
        arrival: &Arrival,
        request: &Request,
        way: &WayBack,
    ) -> Result<Option<Resumed>, Rejection> {
        let count = |outcome| {
            let side = ReconnectSide::Session;
            self.telemetry.emit(&Event::ReconnectAttempted { side, outcome });
        };
        let resumed = self.try_to_resume(arrival, request, way).await;
        match &resumed {
            Ok(Some(_)) => {
                count(ReconnectOutcome::Resumed);
                self.call_started(arrival, None, request, None).finish(CallEnd::of(Outcome::Ok));
            }
            Ok(None) => count(ReconnectOutcome::Refused),
            Err(rejection) => {
                count(ReconnectOutcome::Failed);
                self.count_refused(arrival, request, &rejection.error);
            }
        }
        resumed
    }

    async fn try_to_resume(
        self: &Arc<Self>,
        arrival: &Arrival,
        request: &Request,
        way: &WayBack,
    ) -> Result<Option<Resumed>, Rejection> {
        let whose = (&arrival.principal, arrival.transport);
        let session = match self.session(&way.token, whose).await {
            Ok(session) if session.is_resumable() => session,
            Ok(_) => return Ok(None),
            Err(rejection) if rejection.refusal == Refusal::SessionNotFound => return Ok(None),
            Err(rejection) => return Err(rejection),
        };
        let negotiated = negotiate(request.params.as_deref(), &self.dispatch.identity.load());
        let Ok((agreement, result)) = negotiated else { return Ok(None) };
        if agreement.revision != session.agreement.revision {
            return Ok(None);
        }
        let taken = match session.take_over(way.received) {
            Ok(taken) => taken,
            Err(NoWayBack::Beyond) => return Ok(None),
            Err(NoWayBack::Gone) => {
                // What its client lacks will not come again.
                self.end_session(&session.id, Reason::Superseded);
                return Ok(None);
            }
        };
        session.general.followed.client_returned();
        if taken.is_news {
            // The client counts on from here, also if this process ends at once.
            if !session.write().await {
                session.note_resumption();
            }
        }
        tell_missed(&session);
        Ok(Some(Resumed { session, taken, result }))
    }
}

/// After a restart there may be news that the client has not heard: it looks at each list again.
fn tell_missed(session: &Session) {
    if session.take_missed() {
        for method in
            [Method::ToolsListChanged, Method::PromptsListChanged, Method::ResourcesListChanged]
        {
            session.general.push(encode_notification(method.as_str(), None));
        }
    }
}

//! What a call is bound to: its session, its caller, and the end of one that was taken back.

use super::{Arrival, Origin};
use crate::{
    call::{Caller, EventLog, code},
    session::{Bound, CallOutlet, LogLevel, ModernOutlet, Unbound},
    tools::ToolCaller,
    upstream::answer_lost,
};
use mcp_protocol::{Era, Id, Method, Payload, RpcError};
use mcp_telemetry::{CallEnd, CallScope, Outcome};
use std::sync::Arc;

/// A modern call has no place to leave: its client withdraws it by going away.
pub(super) fn bind(
    origin: &Origin,
    id: &Id,
    log: &Arc<EventLog>,
) -> Result<Option<Bound>, RpcError> {
    let Origin::Session(session) = origin else { return Ok(None) };
    session.bind(id, log).map(Some).map_err(|unbound| match unbound {
        Unbound::IdInUse => RpcError::new(
            mcp_protocol::code::INVALID_REQUEST,
            "A request with this id is still in flight in this session. Use a new id.",
        ),
        Unbound::TooMany => RpcError::new(
            code::OVER_CAPACITY,
            "This session has too many calls in flight. Wait for one to end.",
        ),
        Unbound::Ended => RpcError::new(
            mcp_protocol::code::SESSION_NOT_FOUND,
            "The session has ended. Send `initialize` to open a new one.",
        ),
    })
}

/// The end of a call that was taken back: by its client, who waits for nothing, or because its
/// session ended, which its client has to be told.
pub(super) fn withdrawn(
    scope: CallScope,
    bound: Option<&Bound>,
    method: Method,
) -> Option<Payload> {
    let Some(why) = bound.and_then(Bound::session_ended) else {
        scope.finish(CallEnd::of(Outcome::Cancelled));
        return None;
    };
    scope.finish(CallEnd::of(Outcome::OutcomeUnknown));
    Some(answer_lost(method, &why))
}

pub(super) fn caller(arrival: &Arrival, origin: &Origin, log: &Arc<EventLog>) -> Caller {
    let principal = arrival.principal.clone();
    match origin {
        Origin::Session(session) => Caller {
            principal,
            era: Era::Legacy,
            session: Some(session.reference()),
            modern: None,
            downstream: Arc::new(CallOutlet::new(session, log)),
        },
        Origin::Modern(meta) => {
            let level = meta.log_level.as_deref().and_then(LogLevel::parse);
            Caller {
                principal,
                era: Era::Modern,
                session: None,
                modern: Some(Arc::clone(meta)),
                downstream: Arc::new(ModernOutlet::new(log, level)),
            }
        }
    }
}

/// The caller as our own tools know it: they say nothing on their way, so they need no way back.
pub(super) fn tool_caller(arrival: &Arrival, origin: &Origin) -> ToolCaller {
    let session_id = match origin {
        Origin::Session(session) => Some(Arc::clone(&session.id)),
        Origin::Modern(_) => None,
    };
    let (era, revision) = (origin.era(), origin.revision());
    ToolCaller { principal: arrival.principal.shared_name(), era, revision, session_id }
}

//! Whose message is this? Decided by its body: a claim in `_meta` makes it modern, a handshake
//! or a session makes it legacy, and anything else is refused with a reason.

use super::{
    answer::SESSION_ID,
    headers::{Stated, find, revision},
};
use crate::{
    call::{Refusal, Rejection},
    pipeline::{Arrival, Origin, Stages},
    session::Session,
};
use axum::http::HeaderMap;
use mcp_protocol::{
    Era, Method, ModernMeta, RawObject, Request, Revision, RpcError, code, headers as names,
};
use mcp_telemetry::Transport;
use std::sync::Arc;

/// What a request is the start or a part of.
pub(super) enum Belongs {
    /// A handshake.
    Handshake,
    /// A call of somebody known.
    To(Origin),
}

/// Finds out whose request this is.
pub(super) async fn classify(
    stages: &Arc<Stages>,
    headers: &HeaderMap,
    arrival: &Arrival,
    request: &Request,
) -> Result<Belongs, Rejection> {
    if let Some(meta) =
        ModernMeta::of_params(request.params.as_deref()).map_err(Rejection::protocol)?
    {
        check_modern(stages, headers, arrival, request, &meta).map_err(Rejection::protocol)?;
        stages.presences.seen(&arrival.principal, meta.client_info.as_deref());
        return Ok(Belongs::To(Origin::Modern(Arc::new(meta))));
    }
    if super::says_modern(headers) {
        let sentence = "A request of this revision carries `io.modelcontextprotocol/protocolVersion` and \
                        `io.modelcontextprotocol/clientCapabilities` in `params._meta`.";
        return Err(Rejection::protocol(RpcError::new(code::INVALID_PARAMS, sentence)));
    }
    if request.method == Method::Initialize {
        return Ok(Belongs::Handshake);
    }
    let session = session(stages, headers, arrival).await?;
    Ok(Belongs::To(Origin::Session(session)))
}

/// The header ladder, and the arguments that a tool wants repeated in headers.
fn check_modern(
    stages: &Stages,
    headers: &HeaderMap,
    arrival: &Arrival,
    request: &Request,
    meta: &ModernMeta,
) -> Result<(), RpcError> {
    let lookup = |name: &str| find(headers, name);
    let params = request.params.as_deref();
    names::check_request(&lookup, &request.name, params, meta)?;
    if request.method != Method::ToolsCall {
        return Ok(());
    }
    let Some(params) = params.and_then(RawObject::parse) else { return Ok(()) };
    let tool = params
        .get_str("name")
        .and_then(|name| stages.dispatch.upstream_tool(&arrival.principal, Era::Modern, &name));
    tool.map_or(Ok(()), |tool| names::check_params(&lookup, &tool.headers, params.get("arguments")))
}

/// The session that the headers name. One that is not this principal's does not exist for it.
pub(super) async fn session(
    stages: &Arc<Stages>,
    headers: &HeaderMap,
    arrival: &Arrival,
) -> Result<Arc<Session>, Rejection> {
    let whose = (&arrival.principal, Transport::Http);
    let session = stages.session(session_id(headers)?, whose).await?;
    let agreed = session.agreement.revision;
    match revision(headers) {
        Stated::Absent => {}
        Stated::Known(stated) if stated == agreed => {}
        Stated::Known(_) | Stated::Unknown => return Err(wrong_revision(agreed)),
    }
    session.touch();
    Ok(session)
}

/// The id of the session that the headers name.
pub(super) fn session_id(headers: &HeaderMap) -> Result<&str, Rejection> {
    let required = || {
        Rejection::new(
            Refusal::SessionRequired,
            "Session ID required: send `initialize` first and repeat its `Mcp-Session-Id`, or send the `_meta` of \
             revision 2026-07-28 with each request.",
        )
    };
    Ok(headers.get(SESSION_ID).ok_or_else(required)?.to_str().unwrap_or_default())
}

fn wrong_revision(agreed: Revision) -> Rejection {
    Rejection::new(
        Refusal::InvalidMessage,
        format!("`MCP-Protocol-Version` must be {}, as agreed in `initialize`.", agreed.as_str()),
    )
}

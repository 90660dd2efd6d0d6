//! Who is at the door, on any transport: let in before anything is read, or refused and counted.

use super::{Shared, api};
use crate::{
    call::{Refusal, Rejection},
    pipeline::{Arrival, Stages},
};
use axum::http::{HeaderMap, request::Parts};
use mcp_protocol::{TraceContext, headers::SESSION_ID};
use mcp_telemetry::{ConnectionStatus, Event, ReconnectOutcome, ReconnectSide, Transport};
use std::net::{IpAddr, SocketAddr};

/// Lets a request in or refuses it, before its body is read.
pub(super) async fn arrive(
    shared: &Shared,
    parts: &Parts,
    transport: Transport,
) -> Result<Arrival, Rejection> {
    let stages = &shared.stages;
    stages.admission.load().check_door(&parts.headers)?;
    let client_address = check_address(stages, parts)?;
    let principal = api::principal(stages, &parts.headers).await?;
    let text = |name: &str| {
        parts.headers.get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned)
    };
    Ok(Arrival {
        principal,
        transport,
        ambient: TraceContext { traceparent: text("traceparent"), tracestate: text("tracestate") },
        client_address,
    })
}

/// Who asks, by address, unless that address asks too fast. Wherever a token is looked at, this
/// comes first: it slows down guesses.
pub(super) fn check_address(stages: &Stages, parts: &Parts) -> Result<Option<IpAddr>, Rejection> {
    let admission = stages.admission.load();
    let peer = parts.extensions.get::<SocketAddr>().map(SocketAddr::ip);
    let client = peer.map(|peer| admission.client_address(peer, &parts.headers));
    if let Some(client) = client {
        admission.check_address(client).map_err(|early| stages.too_fast(early))?;
    }
    Ok(client)
}

/// A refusal ends somebody's attempt to connect, or to come back to a session. What is refused
/// inside a session is neither.
pub(super) fn count_refusal(
    shared: &Shared,
    transport: Transport,
    headers: &HeaderMap,
    rejection: &Rejection,
) {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other refusals are of the protocol")]
    let status = match rejection.refusal {
        Refusal::Unauthorized => ConnectionStatus::Unauthorized,
        Refusal::Forbidden => ConnectionStatus::RejectedOrigin,
        Refusal::SessionNotFound => {
            let (side, outcome) = (ReconnectSide::Session, ReconnectOutcome::Refused);
            return shared.stages.telemetry.emit(&Event::ReconnectAttempted { side, outcome });
        }
        _ if headers.contains_key(SESSION_ID) => return,
        Refusal::RateLimited => ConnectionStatus::RateLimited,
        _ => ConnectionStatus::ProtocolError,
    };
    let detail = rejection.error.message.as_str();
    shared.stages.telemetry.emit(&Event::ConnectionRefused { transport, status, detail });
}

//! Who is at the door, on any transport: let in before anything is read, or refused and counted.

use super::{Shared, api};
use crate::{
    admission::Admission,
    call::{Refusal, Rejection},
    pipeline::{Arrival, Stages},
    session::{CameFrom, shortened},
};
use axum::http::{HeaderMap, HeaderName, header::USER_AGENT};
use mcp_protocol::{TraceContext, headers::SESSION_ID};
use mcp_telemetry::{ConnectionStatus, Event, ReconnectOutcome, ReconnectSide, Transport};
use std::net::{IpAddr, SocketAddr};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Lets a request in or refuses it, before its body is read.
pub(super) async fn arrive(
    shared: &Shared,
    admission: &Admission,
    headers: &HeaderMap,
    (peer, transport): (SocketAddr, Transport),
) -> Result<Arrival, Rejection> {
    let stages = &shared.stages;
    admission.check_door(headers)?;
    let client_address = check_address(stages, admission, headers, Some(peer))?;
    let principal = api::principal(stages, admission, headers).await?;
    Ok(Arrival { principal, transport, ambient: trace_context(headers), client_address })
}

/// The W3C trace context in the headers.
fn trace_context(headers: &HeaderMap) -> TraceContext {
    let text = |name: HeaderName| {
        headers.get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned)
    };
    let Some(traceparent) = text(TRACEPARENT) else { return TraceContext::default() };
    TraceContext { traceparent: Some(traceparent), tracestate: text(TRACESTATE) }
}

/// Who asks, by address, unless that address asks too fast. Wherever a token is looked at, this
/// comes first: it slows down guesses.
pub(super) fn check_address(
    stages: &Stages,
    admission: &Admission,
    headers: &HeaderMap,
    peer: Option<SocketAddr>,
) -> Result<Option<IpAddr>, Rejection> {
    let client = peer.map(|peer| admission.client_address(peer.ip(), headers));
    if let Some(client) = client {
        admission.check_address(client).map_err(|early| stages.too_fast(early))?;
    }
    Ok(client)
}

/// Where a client that opens a session comes from.
pub(super) fn came_from(arrival: &Arrival, headers: &HeaderMap) -> CameFrom {
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    CameFrom {
        address: arrival.client_address.map(|address| address.to_string().into()),
        user_agent: agent.map(shortened),
    }
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

//! `/mcp`: Streamable HTTP in both eras on one endpoint. The body of a message says which era
//! it belongs to, never a guess.

mod answer;
mod batch;
mod body;
mod classify;
mod headers;
mod post;
mod run;
mod stream;

pub(super) use answer::rejected;

use super::{Here, Shared, api};
use crate::{
    call::{Refusal, Rejection},
    pipeline::Arrival,
};
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Method, request::Parts},
    response::Response,
};
use mcp_protocol::{Era, TraceContext, headers as names};
use mcp_telemetry::{ConnectionStatus, Event, ReconnectOutcome, ReconnectSide, Transport};
use std::net::SocketAddr;

/// Every request to `/mcp`.
pub(super) async fn mcp(State(shared): Here, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let answered = match arrive(&shared, &parts) {
        Ok(arrival) => match parts.method {
            Method::POST => post::post(&shared, &parts.headers, arrival, body).await,
            Method::GET => stream::get(&shared, &parts.headers, &arrival),
            Method::DELETE => stream::delete(&shared, &parts.headers, &arrival),
            _ => Err(only("POST, GET and DELETE")),
        },
        Err(rejection) => Err(rejection),
    };
    answered.unwrap_or_else(|rejection| {
        count_refusal(&shared, &parts.headers, &rejection);
        rejected(&rejection)
    })
}

/// Lets a request in or refuses it, before its body is read.
fn arrive(shared: &Shared, parts: &Parts) -> Result<Arrival, Rejection> {
    let stages = &shared.stages;
    stages.admission.check_door(&parts.headers)?;
    let principal = api::principal(stages, &parts.headers)?;
    let text = |name: &str| {
        parts.headers.get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned)
    };
    Ok(Arrival {
        principal,
        transport: Transport::Http,
        ambient: TraceContext { traceparent: text("traceparent"), tracestate: text("tracestate") },
        client_address: parts.extensions.get::<SocketAddr>().map(SocketAddr::ip),
    })
}

fn only(methods: &str) -> Rejection {
    Rejection::new(Refusal::MethodNotAllowed, format!("Only {methods} do something here."))
}

/// A refusal ends somebody's attempt to connect, or to come back to a session.
fn count_refusal(shared: &Shared, headers: &HeaderMap, rejection: &Rejection) {
    let transport = Transport::Http;
    let status = match rejection.refusal {
        Refusal::Unauthorized => ConnectionStatus::Unauthorized,
        Refusal::Forbidden => ConnectionStatus::RejectedOrigin,
        Refusal::SessionNotFound => {
            let (side, outcome) = (ReconnectSide::Session, ReconnectOutcome::Refused);
            return shared.stages.telemetry.emit(&Event::ReconnectAttempted { side, outcome });
        }
        _ if headers.contains_key(names::SESSION_ID) => return,
        _ => ConnectionStatus::ProtocolError,
    };
    let detail = rejection.error.message.as_str();
    shared.stages.telemetry.emit(&Event::ConnectionRefused { transport, status, detail });
}

/// Whether the `MCP-Protocol-Version` header names a modern revision.
fn says_modern(headers: &HeaderMap) -> bool {
    matches!(headers::revision(headers), headers::Stated::Known(revision) if revision.era() == Era::Modern)
}

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

use super::{
    Shared,
    arrive::{arrive, count_refusal},
    cors::{allowed, is_preflight, share},
};
use crate::{
    admission::Admission,
    call::{Refusal, Rejection},
    pipeline::Arrival,
};
use axum::{
    http::{HeaderMap, Method, request::Parts},
    response::Response,
};
use hyper::{Request, body::Incoming};
use mcp_protocol::Era;
use mcp_telemetry::Transport;
use std::net::SocketAddr;

/// Every request to `/mcp`.
pub(super) async fn mcp(shared: &Shared, request: Request<Incoming>, peer: SocketAddr) -> Response {
    let (parts, body) = request.into_parts();
    let admission = shared.stages.admission.load_full();
    let page = admission.shared_with(&parts.headers);
    let mut response = if page.is_some() && is_preflight(&parts) {
        preflight(&admission, &parts.headers)
    } else {
        let arrived = arrive(shared, &admission, &parts.headers, (peer, Transport::Http)).await;
        answer(shared, &parts, body, arrived).await
    };
    share(&mut response, page);
    response
}

fn preflight(admission: &Admission, headers: &HeaderMap) -> Response {
    match admission.check_door(headers) {
        Ok(()) => allowed(headers),
        Err(rejection) => rejected(&rejection),
    }
}

async fn answer(
    shared: &Shared,
    parts: &Parts,
    body: Incoming,
    arrived: Result<Arrival, Rejection>,
) -> Response {
    let answered = match arrived {
        Ok(arrival) => match parts.method {
            Method::POST => post::post(shared, &parts.headers, arrival, body).await,
            Method::GET => match shared.stages.check_rate(&arrival) {
                Ok(()) => stream::get(shared, &parts.headers, &arrival).await,
                Err(rejection) => Err(rejection),
            },
            Method::DELETE => match shared.stages.check_rate(&arrival) {
                Ok(()) => stream::delete(shared, &parts.headers, &arrival).await,
                Err(rejection) => Err(rejection),
            },
            _ => Err(only("POST, GET and DELETE")),
        },
        Err(rejection) => Err(rejection),
    };
    answered.unwrap_or_else(|rejection| {
        count_refusal(shared, Transport::Http, &parts.headers, &rejection);
        rejected(&rejection)
    })
}

fn only(methods: &str) -> Rejection {
    Rejection::new(Refusal::MethodNotAllowed, format!("Only {methods} do something here."))
}

/// Whether the `MCP-Protocol-Version` header names a modern revision.
fn says_modern(headers: &HeaderMap) -> bool {
    matches!(headers::revision(headers), headers::Stated::Known(revision) if revision.era() == Era::Modern)
}

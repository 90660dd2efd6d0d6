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
    Here, Shared,
    arrive::{arrive, count_refusal},
    cors::{allowed, is_preflight, share},
};
use crate::call::{Refusal, Rejection};
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Method, request::Parts},
    response::Response,
};
use mcp_protocol::Era;
use mcp_telemetry::Transport;

/// Every request to `/mcp`.
pub(super) async fn mcp(State(shared): Here, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let page = shared.stages.admission.load().shared_with(&parts.headers);
    let mut response = if page.is_some() && is_preflight(&parts) {
        preflight(&shared, &parts.headers)
    } else {
        answer(&shared, &parts, body).await
    };
    share(&mut response, page);
    response
}

fn preflight(shared: &Shared, headers: &HeaderMap) -> Response {
    match shared.stages.admission.load().check_door(headers) {
        Ok(()) => allowed(headers),
        Err(rejection) => rejected(&rejection),
    }
}

async fn answer(shared: &Shared, parts: &Parts, body: Body) -> Response {
    let answered = match arrive(shared, parts, Transport::Http).await {
        Ok(arrival) => match parts.method {
            Method::POST => post::post(shared, &parts.headers, arrival, body).await,
            Method::GET => shared
                .stages
                .check_rate(&arrival)
                .and_then(|()| stream::get(shared, &parts.headers, &arrival)),
            Method::DELETE => shared
                .stages
                .check_rate(&arrival)
                .and_then(|()| stream::delete(shared, &parts.headers, &arrival)),
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

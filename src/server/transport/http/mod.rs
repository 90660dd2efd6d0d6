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
    Here,
    arrive::{arrive, count_refusal},
};
use crate::call::{Refusal, Rejection};
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Method},
    response::Response,
};
use mcp_protocol::Era;
use mcp_telemetry::Transport;

/// Every request to `/mcp`.
pub(super) async fn mcp(State(shared): Here, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let answered = match arrive(&shared, &parts, Transport::Http) {
        Ok(arrival) => match parts.method {
            Method::POST => post::post(&shared, &parts.headers, arrival, body).await,
            Method::GET => stream::get(&shared, &parts.headers, &arrival),
            Method::DELETE => stream::delete(&shared, &parts.headers, &arrival),
            _ => Err(only("POST, GET and DELETE")),
        },
        Err(rejection) => Err(rejection),
    };
    answered.unwrap_or_else(|rejection| {
        count_refusal(&shared, Transport::Http, &parts.headers, &rejection);
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

//! The paths beside MCP: health, readiness, metrics, status. Their errors are JSON too.

pub(super) mod sessions;

use super::{Here, Shared, arrive::check_address, cors::share};
use crate::{
    admission::Admission,
    call::{Principal, Refusal, Rejection},
    config::Transports,
    pipeline::Stages,
};
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use mcp_store::Health;
use mcp_telemetry::{Event, TRAFFIC_EVERY, Telemetry, UpstreamState};
use serde_json::{Value, json};
use std::{net::SocketAddr, time::SystemTime};
use tokio::time::Instant;

/// What the status pages need besides the stages.
#[derive(Debug)]
pub(crate) struct StatusReport {
    pub(crate) server_name: String,
    /// How clients may connect.
    pub(crate) transports: Transports,
    pub(crate) started: Instant,
    /// Where the server listens.
    pub(crate) address: SocketAddr,
    /// Whether it does so over TLS.
    pub(crate) is_secure: bool,
}

fn json_answer(status: StatusCode, body: &Value) -> Response {
    let json = HeaderValue::from_static("application/json");
    let no_store = HeaderValue::from_static("no-store");
    (status, [(header::CONTENT_TYPE, json), (header::CACHE_CONTROL, no_store)], body.to_string())
        .into_response()
}

/// A refusal on a path that does not speak JSON-RPC.
pub(super) fn plain_rejection(rejection: &Rejection) -> Response {
    let body = json!({ "code": rejection.refusal.word(), "message": rejection.error.message });
    let mut response = json_answer(rejection.status, &body);
    if let Some((name, value)) = rejection.header.as_deref() {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

pub(super) async fn health(State(shared): Here) -> Response {
    json_answer(
        StatusCode::OK,
        &json!({
            "status": "ok",
            "serverName": shared.status.server_name,
            "uptime": shared.status.started.elapsed().as_secs(),
        }),
    )
}

pub(super) async fn live() -> Response {
    json_answer(StatusCode::OK, &json!({ "status": "ok" }))
}

/// Ready as soon as the server listens and until it stops; an upstream that is down, or a store
/// that cannot be written to, makes it `degraded`. Off loopback the upstreams' names are hidden.
pub(super) async fn ready(State(shared): Here) -> Response {
    let stages = &shared.stages;
    if stages.stopping.is_cancelled() {
        return json_answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "stopping" }));
    }
    let upstreams = stages.dispatch.upstreams.status();
    let up = upstreams.iter().filter(|upstream| upstream.state == UpstreamState::Connected).count();
    let store = store_state(&stages.sessions.store().health());
    let is_whole = up == upstreams.len() && store == "ok";
    let mut body = json!({
        "status": if is_whole { "ok" } else { "degraded" },
        "components": {
            "server": "ok",
            "store": store,
            "upstreams": { "total": upstreams.len(), "connected": up },
        },
    });
    if shared.status.address.ip().is_loopback() {
        let states = upstreams
            .iter()
            .map(|upstream| (upstream.name.to_string(), json!(upstream.state.as_str())));
        body["components"]["upstreams"]["states"] = Value::Object(states.collect());
    }
    json_answer(StatusCode::OK, &body)
}

/// Open on loopback, else behind the token.
pub(super) async fn metrics(State(shared): Here, parts: Parts) -> Response {
    if !shared.status.address.ip().is_loopback()
        && let Err(rejection) = guarded(&shared, &parts).await
    {
        return plain_rejection(&rejection);
    }
    // A page is much work: a client that asks for many, one behind the other, stands in line with
    // everybody else before each of them.
    tokio::task::yield_now().await;
    ([(header::CONTENT_TYPE, Telemetry::CONTENT_TYPE)], shared.stages.telemetry.encode())
        .into_response()
}

pub(super) async fn status(State(shared): Here, parts: Parts) -> Response {
    match let_in(&shared, &parts).await {
        Ok(_) => json_answer(StatusCode::OK, &shared.status.render(&shared.stages)),
        Err(rejection) => plain_rejection(&rejection),
    }
}

/// The calls of the last five minutes, for who begins to look only now.
pub(super) async fn traffic(State(shared): Here, parts: Parts) -> Response {
    match let_in(&shared, &parts).await {
        Ok(_) => json_answer(
            StatusCode::OK,
            &json!({
                "everySeconds": TRAFFIC_EVERY.as_secs(),
                "points": shared.stages.telemetry.traffic(),
            }),
        ),
        Err(rejection) => plain_rejection(&rejection),
    }
}

pub(super) async fn not_found(State(shared): Here, request: Request<Body>) -> Response {
    let Transports { http, .. } = shared.status.transports;
    let endpoint = if http { "/mcp" } else { "/ws, over WebSocket" };
    let path: String = request.uri().path().chars().take(128).collect();
    plain_rejection(&Rejection::new(
        Refusal::NotFound,
        format!(
            "There is nothing at {path}. MCP clients connect to {endpoint}; see also /health, /metrics, /api/status, /api/sessions."
        ),
    ))
}

pub(super) async fn method_not_allowed() -> Response {
    plain_rejection(&Rejection::new(
        Refusal::MethodNotAllowed,
        "That HTTP method does nothing here. Use GET.",
    ))
}

/// Lets a request in that knows our name, comes from no strange page, and has a good token or is
/// our own page's.
async fn let_in(shared: &Shared, parts: &Parts) -> Result<Principal, Rejection> {
    shared.stages.admission.load().check_door(&parts.headers)?;
    guarded(shared, parts).await
}

/// Lets a request in that has a good token, or the cookie that the page gives for one.
pub(super) async fn guarded(shared: &Shared, parts: &Parts) -> Result<Principal, Rejection> {
    let stages = &shared.stages;
    let admission = stages.admission.load_full();
    check_address(stages, &admission, &parts.headers, parts.extensions.get().copied())?;
    if !Admission::shows_a_token(&parts.headers)
        && let Some(principal) = shared.page.principal(&shared.status, (&admission, &parts.headers))
    {
        return Ok(principal);
    }
    principal(stages, &admission, &parts.headers).await
}

/// The principal of a request, with the failure counted and put into words.
pub(super) async fn principal(
    stages: &Stages,
    admission: &Admission,
    headers: &HeaderMap,
) -> Result<Principal, Rejection> {
    admission.principal(headers).await.map_err(|cause| {
        stages.telemetry.emit(&Event::AuthFailed { cause });
        admission.unauthorized(cause, headers)
    })
}

/// Where tokens for this server are made (RFC 9728); nothing unless an issuer is configured.
pub(super) async fn resource_metadata(State(shared): Here, request: Request<Body>) -> Response {
    let admission = shared.stages.admission.load_full();
    if let Err(rejection) = admission.check_door(request.headers()) {
        return plain_rejection(&rejection);
    }
    match admission.metadata(request.headers()) {
        Some(metadata) => {
            let mut response = json_answer(StatusCode::OK, &metadata);
            share(&mut response, admission.shared_with(request.headers()));
            response
        }
        None => not_found(State(shared), request).await,
    }
}

impl StatusReport {
    /// The body of `/api/status`.
    pub(crate) fn render(&self, stages: &Stages) -> Value {
        let snapshot = stages.telemetry.snapshot();
        let handshakes = stages.telemetry.handshake_metrics();
        json!({
            "serverName": self.server_name,
            "version": env!("CARGO_PKG_VERSION"),
            "uptime": self.started.elapsed().as_secs(),
            "connections": {
                "active": snapshot.connections.active,
                "total": snapshot.connections.total,
                "peak": snapshot.connections.peak,
            },
            "messages": {
                "processed": snapshot.messages.processed,
                "errors": snapshot.messages.errors,
                "sent": snapshot.messages.sent,
            },
            "latency": { "meanMs": snapshot.latency.mean_ms, "p95Ms": snapshot.latency.p95_ms },
            "memoryBytes": snapshot.memory_bytes,
            "handshakes": {
                "total": handshakes.total,
                "succeeded": handshakes.succeeded,
                "failed": handshakes.failed,
                "medianMs": handshakes.median_ms,
                "maxMs": handshakes.max_ms,
            },
            "sessions": sessions::summary(stages),
            "store": store(stages),
            "upstreams": upstreams(stages),
        })
    }
}

const fn store_state(health: &Health) -> &'static str {
    match health {
        Health::Ok => "ok",
        Health::Degraded(_) => "degraded",
    }
}

/// The state of the store, and why if it is not well.
fn store(stages: &Stages) -> Value {
    let store = stages.sessions.store();
    let (health, counts) = (store.health(), store.counts());
    let error = match &health {
        Health::Ok => None,
        Health::Degraded(error) => Some(error.to_string()),
    };
    json!({
        "state": store_state(&health),
        "error": error,
        "durable": store.is_durable(),
        "waiting": counts.waiting,
        "notesDropped": counts.notes_dropped,
        "eventsDropped": counts.events_dropped,
    })
}

fn upstreams(stages: &Stages) -> Vec<Value> {
    let seconds = |time: SystemTime| {
        time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    };
    let row = |upstream: &crate::upstream::UpstreamStatus| {
        json!({
            "name": &*upstream.name,
            "state": upstream.state.as_str(),
            "since": seconds(upstream.since),
            "lastError": upstream.last_error,
            "tools": upstream.tools,
            "eras": upstream.eras.iter().map(|era| era.as_str()).collect::<Vec<_>>(),
        })
    };
    stages.dispatch.upstreams.status().iter().map(row).collect()
}

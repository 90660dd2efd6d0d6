//! The paths of the control API and what they answer.

use super::{guard, toxics};
use crate::{ChaosError, Fault, Proxy, book::Book};
use axum::{
    Router,
    body::Bytes,
    extract::{Path, Request, State as Of},
    http::{Method, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use mcp_telemetry::Telemetry;
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::time::Instant;

/// Where Prometheus scrapes.
const METRICS: &str = "/metrics";
/// Most events in one answer.
const MOST_EVENTS: usize = 1_000;

/// What the paths know.
pub(super) struct State {
    pub(super) book: Arc<Book>,
    pub(super) listen: String,
    pub(super) upstream: String,
    token: Option<String>,
}

impl State {
    pub(super) fn new(proxy: &Proxy, token: Option<String>) -> Self {
        let (listen, upstream) = (proxy.address().to_string(), proxy.upstream().to_owned());
        Self { book: Arc::clone(proxy.book()), listen, upstream, token }
    }
}

type Shared = Of<Arc<State>>;

/// All paths.
pub(super) fn router(state: Arc<State>) -> Router {
    let one = get(fault).put(change).delete(remove);
    Router::new()
        .route("/health", get(health))
        .route(METRICS, get(metrics))
        .route("/events", get(events))
        .route("/faults", get(list).post(add))
        .route("/faults/{name}", one)
        .route("/reset", post(reset))
        .merge(toxics::router())
        .fallback(no_path)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&state), admit))
        .with_state(state)
}

async fn admit(Of(state): Shared, request: Request, next: Next) -> Response {
    // Numbers only, and Prometheus comes by whatever name it was given.
    if request.uri().path() == METRICS {
        return next.run(request).await;
    }
    match guard::admit(request.headers(), state.token.as_deref()) {
        Ok(()) => next.run(request).await,
        Err((status, why)) => refuse(status, why),
    }
}

async fn health(Of(state): Shared) -> Response {
    let State { listen, upstream, book, .. } = &*state;
    let seed = book.seed();
    ok(&json!({"status": "ok", "listen": listen, "upstream": upstream, "seed": seed}))
}

async fn metrics(Of(state): Shared) -> Response {
    let text = state.book.telemetry().encode();
    ([(header::CONTENT_TYPE, Telemetry::CONTENT_TYPE)], text).into_response()
}

/// `?after=N` gives those after number N.
async fn events(Of(state): Shared, uri: Uri) -> Response {
    let query = uri.query().unwrap_or_default();
    let after = match query.strip_prefix("after=").map(str::parse) {
        Some(Ok(after)) => after,
        None if query.is_empty() => 0,
        Some(Err(_)) | None => {
            return refuse(
                StatusCode::BAD_REQUEST,
                "write ?after=N, with N the number of an event",
            );
        }
    };
    ok(&json!({"events": state.book.told(after, MOST_EVENTS)}))
}

async fn list(Of(state): Shared) -> Response {
    ok(&json!({"faults": state.book.list()}))
}

async fn fault(Of(state): Shared, Path(name): Path<String>) -> Response {
    match state.book.list().into_iter().find(|other| other.fault.name == name) {
        Some(found) => ok(&found),
        None => wrong(&ChaosError::Unknown(name)),
    }
}

async fn add(Of(state): Shared, body: Bytes) -> Response {
    let added =
        read(&body).and_then(|fault| state.book.add(fault.clone(), Instant::now()).map(|()| fault));
    answer(StatusCode::CREATED, added)
}

async fn change(Of(state): Shared, Path(name): Path<String>, body: Bytes) -> Response {
    let changed =
        read_named(&body, &name).and_then(|fault| state.book.change(fault.clone()).map(|()| fault));
    answer(StatusCode::OK, changed)
}

async fn remove(Of(state): Shared, Path(name): Path<String>) -> Response {
    answer(StatusCode::OK, state.book.remove(&name))
}

/// Takes all faults out.
async fn reset(Of(state): Shared) -> Response {
    for found in state.book.list() {
        // Somebody else was faster.
        let _gone = state.book.remove(&found.fault.name);
    }
    StatusCode::NO_CONTENT.into_response()
}

fn read(body: &[u8]) -> Result<Fault, ChaosError> {
    serde_json::from_slice(body).map_err(|error| ChaosError::Invalid(error.to_string()))
}

/// A fault whose name is in the path.
fn read_named(body: &[u8], name: &str) -> Result<Fault, ChaosError> {
    let mut keys: serde_json::Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| ChaosError::Invalid(error.to_string()))?;
    keys.insert("name".to_owned(), name.into());
    Fault::read(keys)
}

fn answer(status: StatusCode, result: Result<Fault, ChaosError>) -> Response {
    match result {
        Ok(fault) => (status, ok(&fault)).into_response(),
        Err(error) => wrong(&error),
    }
}

/// JSON.
pub(super) fn ok(value: &impl Serialize) -> Response {
    let text = serde_json::to_string(value).unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// What was wrong with what was asked.
pub(super) fn wrong(error: &ChaosError) -> Response {
    let status = match error {
        ChaosError::Unknown(_) => StatusCode::NOT_FOUND,
        ChaosError::Taken(_) => StatusCode::CONFLICT,
        ChaosError::Invalid(_) | ChaosError::TooMany(_) => StatusCode::BAD_REQUEST,
        ChaosError::Listen { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    };
    refuse(status, &error.to_string())
}

async fn no_path(uri: Uri) -> Response {
    refuse(StatusCode::NOT_FOUND, &format!("there is no path {}", uri.path()))
}

async fn no_method(method: Method, uri: Uri) -> Response {
    let why = format!("{} does not take {method}", uri.path());
    refuse(StatusCode::METHOD_NOT_ALLOWED, &why)
}

fn refuse(status: StatusCode, why: &str) -> Response {
    (status, ok(&json!({"error": why}))).into_response()
}

//! Bytes in, messages to the pipeline, replies out. The only stage that writes to a client.

mod api;
mod arrive;
mod cors;
mod http;
mod patient;
mod ws;

pub(crate) use api::StatusReport;
pub(crate) use patient::{Patient, Seen};

use crate::{admission::METADATA, pipeline::Stages};
use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    response::Response,
    routing::{any, get},
};
use std::sync::Arc;
use tower_http::catch_panic::CatchPanicLayer;

/// What the HTTP handlers share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) stages: Arc<Stages>,
    pub(crate) status: Arc<StatusReport>,
}

/// Every path of the server; that of a transport that is off is none.
pub(crate) fn router(shared: Shared) -> Router {
    let mut router = Router::new();
    if shared.status.transports.http {
        router = router.route("/mcp", any(http::mcp));
    }
    if shared.status.transports.websocket {
        router = router.route("/ws", any(ws::upgrade));
    }
    router
        .route("/health", get(api::health))
        .route("/livez", get(api::live))
        .route("/readyz", get(api::ready))
        .route("/metrics", get(api::metrics))
        .route("/api/status", get(api::status))
        .route(METADATA, get(api::resource_metadata))
        .route(&format!("{METADATA}/mcp"), get(api::resource_metadata))
        .fallback(api::not_found)
        .method_not_allowed_fallback(api::method_not_allowed)
        // The handlers read bodies themselves, against the configured bound.
        .layer(DefaultBodyLimit::disable())
        // Outermost: a panic in a handler costs one answer, not the connection.
        .layer(CatchPanicLayer::custom(PanicAnswer(Arc::clone(&shared.stages))))
        .with_state(shared)
}

/// Answers a request whose handler panicked.
#[derive(Clone)]
struct PanicAnswer(Arc<Stages>);

impl tower_http::catch_panic::ResponseForPanic for PanicAnswer {
    type ResponseBody = axum::body::Body;

    fn response_for_panic(&mut self, panic: Box<dyn std::any::Any + Send>) -> Response {
        let detail = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let detail = detail.unwrap_or("a panic without a message");
        self.0.telemetry.emit(&mcp_telemetry::Event::InternalError { what: "request", detail });
        let rejection = crate::call::Rejection::new(
            crate::call::Refusal::Internal,
            "The server failed while it handled this request. The log says where.",
        );
        http::rejected(&rejection)
    }
}

/// The state of a request handler.
type Here = State<Shared>;

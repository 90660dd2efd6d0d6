//! Bytes in, messages to the pipeline, replies out. The only stage that writes to a client.

mod api;
mod arrive;
mod cors;
mod http;
mod page;
mod patient;
mod ws;

pub(crate) use api::StatusReport;
pub(crate) use page::{LinkMade, Page};
pub(crate) use patient::{Patient, Seen};

use crate::{
    admission::METADATA,
    call::{Refusal, Rejection},
    pipeline::Stages,
};
use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, State},
    response::Response,
    routing::get,
};
use futures_util::FutureExt;
use hyper::{Request, body::Incoming};
use mcp_telemetry::Event;
use std::{any::Any, convert::Infallible, net::SocketAddr, panic::AssertUnwindSafe, sync::Arc};
use tower::ServiceExt;

/// What the HTTP handlers share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) stages: Arc<Stages>,
    pub(crate) status: Arc<StatusReport>,
    pub(crate) page: Arc<Page>,
}

/// Every path of the server. Those that carry MCP stand before the router: nearly every request
/// is for them, and what the router costs is a good part of what a small call costs.
pub(crate) struct Paths {
    shared: Shared,
    others: Router,
}

impl Paths {
    pub(crate) fn new(shared: Shared) -> Arc<Self> {
        Arc::new(Self { others: others(shared.clone()), shared })
    }

    /// Answers a request. A panic on the way costs one answer, not the connection.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<Response, Infallible> {
        let answered = AssertUnwindSafe(self.route(request, peer)).catch_unwind().await;
        Ok(answered.unwrap_or_else(|panic| self.failed(&*panic)))
    }

    /// The path of a transport that is off is none.
    async fn route(&self, mut request: Request<Incoming>, peer: SocketAddr) -> Response {
        let transports = self.shared.status.transports;
        match request.uri().path() {
            "/mcp" if transports.http => http::mcp(&self.shared, request, peer).await,
            // Boxed like all that is rare, so that the future of a call is small.
            "/ws" if transports.websocket => {
                Box::pin(ws::upgrade(&self.shared, request, peer)).await
            }
            _ => {
                request.extensions_mut().insert(peer);
                let answering = self.others.clone().oneshot(request.map(Body::new));
                match Box::pin(answering).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                }
            }
        }
    }

    fn failed(&self, panic: &(dyn Any + Send)) -> Response {
        let detail = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let detail = detail.unwrap_or("a panic without a message");
        self.shared.stages.telemetry.emit(&Event::InternalError { what: "request", detail });
        http::rejected(&Rejection::new(
            Refusal::Internal,
            "The server failed while it handled this request. The log says where.",
        ))
    }
}

/// The paths beside MCP.
fn others(shared: Shared) -> Router {
    Router::new()
        .route("/", get(page::show))
        .route("/health", get(api::health))
        .route("/livez", get(api::live))
        .route("/readyz", get(api::ready))
        .route("/metrics", get(api::metrics))
        .route("/api/status", get(api::status))
        .route("/api/traffic", get(api::traffic))
        .route("/api/config", get(page::config))
        .route("/api/sessions", get(api::sessions::list))
        .route("/api/sessions/{id}", get(api::sessions::show))
        .route("/api/mcp/sessions/health", get(api::sessions::health))
        .route(METADATA, get(api::resource_metadata))
        .route(&format!("{METADATA}/mcp"), get(api::resource_metadata))
        .fallback(api::not_found)
        .method_not_allowed_fallback(api::method_not_allowed)
        // The handlers read bodies themselves, against the configured bound.
        .layer(DefaultBodyLimit::disable())
        .with_state(shared)
}

/// The state of a request handler.
type Here = State<Shared>;

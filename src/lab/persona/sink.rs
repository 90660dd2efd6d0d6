//! What becomes of what a server says unasked: the lab declares no capabilities, so there is nothing
//! to answer but that.

use mcp_client::{BoxFuture, Identity, Sink};
use mcp_protocol::{Notification, Payload, Request, RpcError, code, raw_value};
use serde_json::json;

/// Hears, and does nothing.
pub(super) struct Deaf;

impl Sink for Deaf {
    fn notification(&self, _: Notification) {}

    fn request(&self, request: Request) -> BoxFuture<'static, Payload> {
        let said = format!("{} is not for this client", request.method.as_str());
        Box::pin(async move { Err(RpcError::new(code::METHOD_NOT_FOUND, said)) })
    }

    fn log_line(&self, _: &str) {}
}

/// Who a client of the lab says it is.
pub(super) fn identity(client: &str) -> Identity {
    let info = json!({
        "name": "mcp-orchestrator-lab", "title": client, "version": env!("CARGO_PKG_VERSION"),
    });
    Identity { info: raw_value(&info), capabilities: raw_value(&json!({})) }
}

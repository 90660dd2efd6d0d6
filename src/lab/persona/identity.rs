//! Who a client of the lab says it is. It declares no capabilities, so it needs hear nothing.

use mcp_client::Identity;
use mcp_protocol::raw_value;
use serde_json::json;

pub(super) fn identity(client: &str) -> Identity {
    let info = json!({
        "name": "mcp-orchestrator-lab", "title": client, "version": env!("CARGO_PKG_VERSION"),
    });
    Identity { info: raw_value(&info), capabilities: raw_value(&json!({})) }
}

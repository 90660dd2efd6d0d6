//! Calls to upstreams that die, hang, forget us, or lose the answer: none hangs, none runs twice,
//! and the upstream is there again soon after it is back.

mod away;
mod cuts;
mod forgotten;
mod hung;
mod own;
mod refused;
mod repeated;

pub use cuts::cut_calls;

use crate::support::{Modern, Server, Setup, Wire, until};
use serde_json::Value;

/// A server that stands for the upstream: the fixture, behind sessions and HTTP.
async fn far(log: &std::path::Path) -> Server {
    let log = serde_json::json!({"FIXTURE_LOG": log});
    let far = Setup::new().fixture("fix", log).set("names.prefix", false);
    let far = far.set("builtins.enabled", false).start().await;
    far.upstreams(&["fix"], "connected").await;
    far
}

/// A setup with that server as its upstream `far`, over the wire and in that era.
fn over(wire: &Wire, far: &Server, era: &str) -> Setup {
    Setup::new()
        .set("upstreams.far.url", wire.url())
        .set("upstreams.far.era", era)
        .set("upstreams.far.headers.Authorization", format!("Bearer {}", far.token()))
}

/// Waits until the tool is listed: an upstream is connected before its lists are read.
async fn listed(server: &Server, tool: &str) {
    let client = Modern::new(server);
    until(&format!("{tool} is listed"), || async {
        client.tools().await.iter().any(|listed| listed == tool)
    })
    .await;
}

/// What `_meta` of a result says of the call: its code, and whether it ran.
fn told(result: &Value) -> (&str, &str) {
    let of = |key: &str| result["_meta"][format!("mcp-orchestrator/{key}")].as_str().unwrap_or("");
    (of("code"), of("ran"))
}

//! A modern agent before `connect`, whatever era the server speaks.

use crate::{
    support::{Bridge, Server, Setup, modern_meta, text},
    upstreams::everything_over_http,
};
use serde_json::{Value, json};

/// Params with what a modern request says of itself.
fn modern(mut params: Value) -> Value {
    params["_meta"] = modern_meta("agent", &json!({}));
    params
}

async fn server() -> Server {
    let server = Setup::new().fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    server
}

async fn call(bridge: &mut Bridge, tool: &str, arguments: Value) -> Value {
    let params = modern(json!({"name": tool, "arguments": arguments}));
    let answer = bridge.request("tools/call", params).await;
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    answer["result"].clone()
}

#[tokio::test]
async fn a_modern_agent_is_answered_in_its_own_words() {
    let (server, home) = (server().await, tempfile::tempdir().unwrap());
    let mut bridge = Bridge::before(&server, home.path());
    let found = bridge.request("server/discover", modern(json!({}))).await["result"].clone();
    assert_eq!(found["supportedVersions"], json!(["2026-07-28"]), "{found}");
    let info = &found["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!(info["name"], "devs-orchestrator", "{found}");
    let list = bridge.request("tools/list", modern(json!({}))).await["result"].clone();
    assert_eq!((&list["resultType"], &list["ttlMs"]), (&json!("complete"), &json!(0)), "{list}");
    assert_eq!(text(&call(&mut bridge, "echo", json!({"message": "modern"})).await), "modern");
    // A question goes through as the modern era has it: as a result.
    let mut params =
        modern(json!({"name": "fix__test_input_required_result_elicitation", "arguments": {}}));
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({"elicitation": {"form": {}}});
    let asked = bridge.request("tools/call", params).await;
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");

    let mut params = modern(json!({}));
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("1900-01-01");
    let refused = bridge.request("tools/list", params).await;
    assert_eq!(refused["error"]["code"], -32022, "{refused}");
    assert_eq!(refused["error"]["data"]["supported"], json!(["2026-07-28"]));
    assert_eq!(bridge.finish().await, Some(0));
    server.signal("TERM");
}

#[tokio::test]
async fn what_a_modern_agent_listens_to_outlives_the_server() {
    let (mut server, home) = (server().await, tempfile::tempdir().unwrap());
    let mut bridge = Bridge::before(&server, home.path());
    bridge.request("tools/list", modern(json!({}))).await;
    let wanted = json!({"toolsListChanged": true});
    let listen =
        bridge.send("subscriptions/listen", modern(json!({"notifications": wanted}))).await;
    bridge.hears("notifications/subscriptions/acknowledged").await;
    server.start_again("KILL").await;
    server.upstreams(&["fix"], "connected").await;
    bridge.request("tools/list", modern(json!({}))).await;
    let before = bridge.notifications("notifications/tools/list_changed").len();
    call(&mut bridge, "fix__test_trigger_tool_change", json!({})).await;
    crate::support::until("the change is told", || async {
        bridge.notifications("notifications/tools/list_changed").len() > before
    })
    .await;
    for params in bridge.notifications("notifications/tools/list_changed") {
        assert_eq!(params["_meta"]["io.modelcontextprotocol/subscriptionId"], listen, "{params}");
    }
    assert!(bridge.messages().iter().all(|message| message["id"] != listen));
    assert_eq!(bridge.finish().await, Some(0));
    server.signal("TERM");
}

#[tokio::test]
async fn a_legacy_server_serves_a_modern_agent() {
    let ((_peer, url), home) = (everything_over_http().await, tempfile::tempdir().unwrap());
    let mut bridge = Bridge::start(&url, home.path(), &[]);
    let found = bridge.request("server/discover", modern(json!({}))).await["result"].clone();
    assert!(found["_meta"]["io.modelcontextprotocol/serverInfo"]["name"].is_string(), "{found}");
    let list = bridge.request("tools/list", modern(json!({}))).await["result"].clone();
    assert_eq!(list["resultType"], "complete", "{list}");
    let sum = call(&mut bridge, "get-sum", json!({"a": 19, "b": 23})).await;
    assert!(text(&sum).contains("42"), "{sum}");
    assert_eq!(bridge.finish().await, Some(0));
}

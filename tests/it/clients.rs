//! Real clients: the official SDKs connect, list and call, in each era they speak, and what they
//! sent is what was counted.

use crate::support::{Server, Setup, http, run_plan, text};
use rmcp::{
    ClientLifecycleMode, ClientServiceExt,
    model::{CallToolRequestParams, ProtocolVersion},
    transport::{
        StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::{Value, json};

async fn server() -> Server {
    Setup::new().fixture("fix", json!({})).start().await
}

/// A plan that touches built-ins, an upstream's tools, resources and prompts.
fn plan(era: &str) -> Value {
    json!({
        "era": era,
        "calls": [
            {"name": "echo", "arguments": {"message": "from a real client"}},
            {"name": "fix__test_simple_text", "arguments": {}},
        ],
        "resources": ["test://static-text"],
        "prompts": [{"name": "fix__test_prompt_with_arguments", "arguments": {"arg1": "a", "arg2": "b"}}],
    })
}

async fn connects_lists_and_calls(script: &str, asked: &str, era: &str, revision: &str) {
    let server = server().await;
    let report = run_plan(&server, script, plan(asked)).await;
    assert_eq!(report["era"], era, "{report}");
    assert_eq!(report["revision"], revision, "{report}");
    let tools = report["tools"].as_array().unwrap();
    for name in
        ["echo", "health_check", "session_info", "orchestrator_status", "fix__test_simple_text"]
    {
        assert!(tools.contains(&name.into()), "no {name} in {report}");
    }
    assert_eq!(text(&report["results"][0]), "from a real client");
    assert_eq!(text(&report["results"][1]), "This is a simple text response for testing.");
    assert_eq!(report["resources"][0]["contents"][0]["uri"], "test://static-text");
    let prompt = report["prompts"][0]["messages"][0]["content"]["text"].as_str().unwrap();
    assert!(prompt.contains("arg1='a'") && prompt.contains("arg2='b'"), "{prompt}");
    assert_eq!(report["sent"]["tools/call"], 2);
    server.finish().await;
}

#[tokio::test]
async fn the_typescript_sdk_connects_lists_and_calls() {
    connects_lists_and_calls("sdk.mjs", "legacy", "legacy", "2025-11-25").await;
}

#[tokio::test]
async fn the_typescript_client_connects_in_the_legacy_era() {
    connects_lists_and_calls("client.mjs", "legacy", "legacy", "2025-11-25").await;
}

#[tokio::test]
async fn the_typescript_client_connects_in_the_modern_era() {
    connects_lists_and_calls("client.mjs", "modern", "modern", "2026-07-28").await;
}

#[tokio::test]
async fn the_typescript_client_left_to_choose_takes_the_modern_era() {
    connects_lists_and_calls("client.mjs", "auto", "modern", "2026-07-28").await;
}

#[tokio::test]
async fn the_python_sdk_connects_in_the_legacy_era() {
    connects_lists_and_calls("client.py", "legacy", "legacy", "2025-11-25").await;
}

#[tokio::test]
async fn the_python_sdk_connects_in_the_modern_era() {
    connects_lists_and_calls("client.py", "modern", "modern", "2026-07-28").await;
}

#[tokio::test]
async fn the_python_sdk_left_to_choose_takes_the_modern_era() {
    connects_lists_and_calls("client.py", "auto", "modern", "2026-07-28").await;
}

/// Connects with the Rust SDK, lists, calls, leaves; gives the revision it spoke.
async fn rust_sdk(server: &Server, lifecycle: ClientLifecycleMode) -> String {
    let config =
        StreamableHttpClientTransportConfig::with_uri(server.url()).auth_header(server.token());
    let transport = StreamableHttpClientTransport::with_client(http(), config);
    let client = ().serve_with_lifecycle(transport, lifecycle).await.unwrap();
    let info = serde_json::to_value(client.peer_info()).unwrap();
    let tools = client.list_all_tools().await.unwrap();
    assert!(tools.iter().any(|tool| tool.name == "fix__test_simple_text"));
    let arguments = json!({"message": "from rust"}).as_object().cloned().unwrap();
    for params in [
        CallToolRequestParams::new("echo").with_arguments(arguments),
        CallToolRequestParams::new("fix__test_simple_text"),
    ] {
        let answer = serde_json::to_value(client.call_tool(params).await.unwrap()).unwrap();
        assert!(!text(&answer).is_empty());
    }
    server.sent("tools/list");
    server.sent_times("tools/call", 2);
    client.cancel().await.unwrap();
    info["protocolVersion"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_rust_sdk_connects_in_the_legacy_era() {
    let server = server().await;
    server.sent("initialize");
    assert_eq!(rust_sdk(&server, ClientLifecycleMode::Initialize).await, "2025-11-25");
    server.finish().await;
}

#[tokio::test]
async fn the_rust_sdk_connects_in_the_modern_era() {
    let server = server().await;
    server.sent("server/discover");
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    assert_eq!(
        rust_sdk(&server, ClientLifecycleMode::Discover { preferred_versions }).await,
        "2026-07-28"
    );
    server.finish().await;
}

#[tokio::test]
async fn ten_connects_with_a_bearer_token_never_fail() {
    let server = server().await;
    let calls = json!([{"name": "echo", "arguments": {"message": "again"}}]);
    let report = run_plan(&server, "sdk.mjs", json!({"times": 10, "calls": calls})).await;
    assert_eq!(report["connected"], 10, "{report}");
    assert_eq!(report["errors"], json!([]));
    let scrape = server.scrape().await;
    assert_eq!(
        scrape.sum("mcp_connections_total", &[("transport", "http"), ("status", "accepted")]),
        10.0
    );
    assert_eq!(scrape.sum("mcp_handshakes_total", &[("outcome", "ok")]), 10.0);
    server.finish().await;
}

#[tokio::test]
async fn a_wrong_token_is_refused_ten_times_of_ten() {
    let server = server().await;
    let report = run_plan(&server, "sdk.mjs", json!({"times": 10, "token": "wrong"})).await;
    assert_eq!(report["connected"], 0, "{report}");
    let codes: Vec<i64> =
        report["errors"].as_array().unwrap().iter().filter_map(|e| e["code"].as_i64()).collect();
    assert_eq!(codes, [401; 10], "{report}");
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("mcp_connections_total", &[("status", "unauthorized")]), 10.0);
    assert_eq!(scrape.sum("mcp_auth_failures_total", &[("cause", "wrong")]), 10.0);
    assert_eq!(scrape.sum("mcp_connections_total", &[("status", "accepted")]), 0.0);
    assert_eq!(scrape.sum("mcp_requests_total", &[]), 0.0);
    server.refused("initialize", 10);
    server.finish().await;
}

//! Malformed messages of the modern era: the ladder of protocol.md 3.2, 3.5 and 4.

use super::{Row, check, plain, request, server};
use crate::support::{Modern, Server, modern_meta};
use reqwest::{
    Method,
    header::{HeaderMap, HeaderValue},
};
use serde_json::{Value, json};

/// The headers of a modern request.
fn headers(server: &Server, method: &str, name: Option<&str>) -> HeaderMap {
    let mut headers = plain(server);
    headers.insert("mcp-protocol-version", HeaderValue::from_static("2026-07-28"));
    headers.insert("mcp-method", HeaderValue::from_str(method).unwrap());
    if let Some(name) = name {
        headers.insert("mcp-name", HeaderValue::from_str(name).unwrap());
    }
    headers
}

/// A modern request with id 7 whose `_meta` went through `change`.
fn with_meta(method: &str, mut params: Value, change: impl FnOnce(&mut Value)) -> Value {
    params["_meta"] = modern_meta("raw-modern", &json!({}));
    change(&mut params["_meta"]);
    request(method, params)
}

fn right(method: &str, params: Value) -> Value {
    with_meta(method, params, |_| {})
}

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

#[tokio::test]
async fn every_request_says_what_it_is_in_meta() {
    let server = server().await;
    let row = |what, body: Value| Row::post(what, headers(&server, "tools/list", None), body);
    let list = |change: fn(&mut Value)| with_meta("tools/list", json!({}), change);
    let rows = vec![
        row("no _meta at all", request("tools/list", json!({}))).gives(400, -32602, 7),
        row("_meta that is no object", request("tools/list", json!({"_meta": 5})))
            .gives(400, -32602, 7),
        row("no version", list(|meta| drop(meta.as_object_mut().unwrap().remove(VERSION))))
            .gives(400, -32602, 7),
        row("a version that is no text", list(|meta| meta[VERSION] = json!(5)))
            .gives(400, -32602, 7),
        row(
            "no capabilities",
            list(|meta| drop(meta.as_object_mut().unwrap().remove(CAPABILITIES))),
        )
        .gives(400, -32602, 7),
        row("capabilities that are no object", list(|meta| meta[CAPABILITIES] = json!("all")))
            .gives(400, -32602, 7),
    ];
    check(server, rows).await;
}

#[tokio::test]
async fn headers_say_the_same_as_the_body() {
    let server = server().await;
    let call = || {
        let body = right("tools/call", json!({"name": "echo", "arguments": {"message": "x"}}));
        Row::post("a call", headers(&server, "tools/call", Some("echo")), body)
            .gives(400, -32020, 7)
    };
    let read = || {
        let body = right("resources/read", json!({"uri": "test://static-text"}));
        Row::post("a read", headers(&server, "resources/read", Some("test://static-text")), body)
            .gives(400, -32020, 7)
    };
    let named = |what, row: Row| Row { what, ..row };
    let rows = vec![
        named("no version header", call().without("mcp-protocol-version")),
        named("another version header", call().with("mcp-protocol-version", "2025-11-25")),
        named("no method header", call().without("mcp-method")),
        named("another method header", call().with("mcp-method", "tools/list")),
        named("a method header in other case", call().with("mcp-method", "Tools/Call")),
        named("no name header", call().without("mcp-name")),
        named("another name header", call().with("mcp-name", "other")),
        named("no URI header", read().without("mcp-name")),
        named("another URI header", read().with("mcp-name", "test://other")),
        named("broken base64", call().with("mcp-name", "=?base64?%%%?=")),
        named("base64 of another name", call().with("mcp-name", "=?base64?b3RoZXI=?=")),
        named("two method headers", call().twice("mcp-method", "tools/call")),
        named("two name headers", call().twice("mcp-name", "other")),
        named("two version headers", call().twice("mcp-protocol-version", "2025-11-25")),
    ];
    check(server, rows).await;
}

#[tokio::test]
async fn a_name_header_may_be_in_base64_and_padded_with_blanks() {
    let server = server().await;
    let client = Modern::new(&server);
    for (name, header) in [("echo", "=?base64?ZWNobw==?="), ("echo", "  echo ")] {
        let params = json!({"name": name, "arguments": {"message": "x"}});
        let change = |request: reqwest::RequestBuilder| {
            let mut headers = HeaderMap::new();
            headers.insert("mcp-name", HeaderValue::from_str(header).unwrap());
            request.headers(headers)
        };
        let answer = client.start_with("tools/call", params, change).await.answer().await;
        assert_eq!(answer["result"]["content"][0]["text"], "x", "{header}: {answer}");
    }
    server.finish().await;
}

#[tokio::test]
async fn an_unknown_version_is_told_which_ones_there_are() {
    let server = server().await;
    let body = with_meta("tools/list", json!({}), |meta| meta[VERSION] = json!("1900-01-01"));
    let row = Row::post("an old version", headers(&server, "tools/list", None), body)
        .with("mcp-protocol-version", "1900-01-01")
        .gives(400, -32022, 7);
    let error = row.send(&server).await.json()["error"].clone();
    assert_eq!(error["data"]["requested"], "1900-01-01");
    assert_eq!(error["data"]["supported"], json!(["2026-07-28"]));
    let discovered = Modern::new(&server).ask("server/discover", json!({})).await;
    assert_eq!(discovered["result"]["supportedVersions"], error["data"]["supported"]);
    check(server, vec![row]).await;
}

#[tokio::test]
async fn unknown_and_removed_methods_are_not_found() {
    let server = server().await;
    let methods = [
        "no/such",
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
    ];
    let rows = methods.map(|method| {
        Row::post(method, headers(&server, method, None), right(method, json!({})))
            .gives(404, -32601, 7)
    });
    check(server, rows.into()).await;
}

#[tokio::test]
async fn wrong_params_are_answered_in_band() {
    let server = server().await;
    let row = |what, method, name: &str, params| {
        Row::post(what, headers(&server, method, Some(name)), right(method, params))
            .gives(200, -32602, 7)
    };
    let rows = vec![
        row("an unknown tool", "tools/call", "nobody", json!({"name": "nobody"})),
        row("an unknown prompt", "prompts/get", "nobody", json!({"name": "nobody"})),
        row("an unknown resource", "resources/read", "nowhere://x", json!({"uri": "nowhere://x"})),
    ];
    check(server, rows).await;
}

#[tokio::test]
async fn a_capability_that_was_not_declared_is_named() {
    let server = server().await;
    server.upstreams(&["fix"], "connected").await;
    let name = "fix__test_missing_capability";
    let row = Row::post(
        "a tool that needs sampling",
        headers(&server, "tools/call", Some(name)),
        right("tools/call", json!({"name": name, "arguments": {}})),
    )
    .gives(400, -32021, 7);
    let error = row.send(&server).await.json()["error"].clone();
    assert_eq!(error["data"]["requiredCapabilities"], json!({"sampling": {}}), "{error}");
    check(server, vec![row]).await;
}

#[tokio::test]
async fn the_modern_era_has_no_batches_responses_sessions_or_streams() {
    let server = server().await;
    let bare = || headers(&server, "tools/list", None);
    let response = json!({"jsonrpc": "2.0", "id": 7, "result": {}});
    let rows = vec![
        Row::post("a batch", bare(), json!([right("tools/list", json!({}))])).gives(
            400,
            -32600,
            (),
        ),
        Row::post("a response", bare(), response).gives(400, -32600, 7),
        Row::post("GET", bare(), "").verb(Method::GET).with("accept", "text/event-stream").gives(
            405,
            1405,
            (),
        ),
        Row::post("DELETE", bare(), "").verb(Method::DELETE).gives(405, 1405, ()),
    ];
    check(server, rows).await;
}

#[tokio::test]
async fn a_session_id_means_nothing_to_a_modern_request() {
    let server = server().await;
    let client = Modern::new(&server);
    let change = |request: reqwest::RequestBuilder| request.header("mcp-session-id", "whatever");
    let answer = client.start_with("tools/list", json!({}), change).await.answer().await;
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    assert!(
        answer["result"]["ttlMs"].is_u64() && answer["result"]["cacheScope"].is_string(),
        "{answer}"
    );
    server.finish().await;
}

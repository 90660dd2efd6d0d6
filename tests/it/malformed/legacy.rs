//! Malformed messages of the legacy era (protocol.md 2.2, 2.3 and 4).

use super::{Row, check, plain, request, server};
use crate::support::{Legacy, Server};
use reqwest::{
    Method,
    header::{HeaderMap, HeaderValue},
};
use serde_json::{Value, json};

async fn session_headers(server: &Server, revision: &str) -> HeaderMap {
    let session = Legacy::with(server, revision, json!({})).await.session;
    let mut headers = plain(server);
    headers.insert("mcp-session-id", HeaderValue::from_str(&session).unwrap());
    headers.insert("mcp-protocol-version", HeaderValue::from_str(revision).unwrap());
    headers
}

/// Ends the session that a test's rows used, as a client would.
async fn end(server: &Server, headers: HeaderMap) {
    let gone = Row::post("the end", headers, "").verb(Method::DELETE).send(server).await;
    assert!(gone.status < 300, "{gone:?}");
}

#[tokio::test]
async fn what_is_no_json_rpc_is_an_invalid_request() {
    let server = server().await;
    let headers = session_headers(&server, "2025-11-25").await;
    let row = |what, body: &str| Row::post(what, headers.clone(), body);
    let rows =
        vec![
            row("no JSON", "{\"jsonrpc\":").gives(400, -32700, ()),
            row("an empty body", "").gives(400, -32700, ()),
            row("a control character", "\u{1}").gives(400, -32700, ()),
            row("a number", "5").gives(400, -32600, ()),
            row("a text", "\"ping\"").gives(400, -32600, ()),
            row("an object of another kind", "{\"a\":1}").gives(400, -32600, ()),
            row("another version", r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#)
                .gives(400, -32600, 7),
            row("no version", r#"{"id":7,"method":"ping"}"#).gives(400, -32600, 7),
            row("a method that is no text", r#"{"jsonrpc":"2.0","id":7,"method":5}"#)
                .gives(400, -32600, 7),
            row("an id that is an object", r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#).gives(
                400,
                -32600,
                (),
            ),
            row("an id that is null", r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#).gives(
                400,
                -32600,
                (),
            ),
            row("an id that is true", r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#).gives(
                400,
                -32600,
                (),
            ),
            row(
                "result and error",
                r#"{"jsonrpc":"2.0","id":7,"result":{},"error":{"code":1,"message":"x"}}"#,
            )
            .gives(400, -32600, 7),
            row("an empty batch", "[]").gives(400, -32600, ()),
            row("a batch where there are none", r#"[{"jsonrpc":"2.0","id":7,"method":"ping"}]"#)
                .gives(400, -32600, ()),
        ];
    end_after(server, headers, rows).await;
}

async fn end_after(server: Server, headers: HeaderMap, rows: Vec<Row>) {
    let mut faults = Vec::new();
    for row in &rows {
        faults.extend(row.fault(&server).await);
    }
    assert!(faults.is_empty(), "{} of {} rows:\n{}", faults.len(), rows.len(), faults.join("\n"));
    let still =
        Row::post("still there", headers.clone(), request("ping", json!({}))).send(&server).await;
    assert_eq!(still.status, 200, "the session of the malformed input lives on: {still:?}");
    end(&server, headers).await;
    check(server, Vec::new()).await;
}

#[tokio::test]
async fn a_session_is_needed_and_must_be_known() {
    let server = server().await;
    let none = || Row::post("no session", plain(&server), request("ping", json!({})));
    let unknown = || none().with("mcp-session-id", "not-a-session");
    let read = |row: Row| row.verb(Method::GET).with("accept", "text/event-stream");
    let rows = vec![
        none().gives(400, -32600, 7),
        unknown().gives(404, -32001, 7),
        Row::post(
            "a notification, no session",
            plain(&server),
            r#"{"jsonrpc":"2.0","method":"notifications/x"}"#,
        )
        .gives(400, -32600, ()),
        read(Row::post("GET, no session", plain(&server), "")).gives(400, -32600, ()),
        read(Row::post("GET, unknown session", plain(&server), "").with("mcp-session-id", "no"))
            .gives(404, -32001, ()),
        Row::post("DELETE, no session", plain(&server), "").verb(Method::DELETE).gives(
            400,
            -32600,
            (),
        ),
        Row::post("DELETE, unknown session", plain(&server), "")
            .verb(Method::DELETE)
            .with("mcp-session-id", "no")
            .gives(404, -32001, ()),
    ];
    check(server, rows).await;
}

#[tokio::test]
async fn an_ended_session_is_unknown() {
    let server = server().await;
    let headers = session_headers(&server, "2025-11-25").await;
    end(&server, headers.clone()).await;
    let rows =
        vec![Row::post("after DELETE", headers, request("ping", json!({}))).gives(404, -32001, 7)];
    check(server, rows).await;
}

#[tokio::test]
async fn the_version_header_is_one_that_the_session_speaks() {
    let server = server().await;
    let headers = session_headers(&server, "2025-11-25").await;
    let ping = |what, version: &str| {
        Row::post(what, headers.clone(), request("ping", json!({})))
            .with("mcp-protocol-version", version)
    };
    let rows = vec![
        ping("an unknown version", "1999-01-01").gives(400, -32600, 7),
        ping("no version at all", "yes").gives(400, -32600, 7),
        ping("another than was agreed", "2025-03-26").gives(400, -32600, 7),
    ];
    end_after(server, headers, rows).await;
}

#[tokio::test]
async fn what_the_method_does_not_take_is_answered_in_band() {
    let server = server().await;
    let headers = session_headers(&server, "2025-11-25").await;
    let row = |what, method, params| Row::post(what, headers.clone(), request(method, params));
    let rows = vec![
        row("an unknown method", "no/such", json!({})).gives(200, -32601, 7),
        row("a method of the modern era", "server/discover", json!({})).gives(200, -32601, 7),
        row("no tool name", "tools/call", json!({})).gives(200, -32602, 7),
        row("a tool name that is no text", "tools/call", json!({"name": 5})).gives(200, -32602, 7),
        row("an unknown tool", "tools/call", json!({"name": "nobody"})).gives(200, -32602, 7),
        row("an unknown prompt", "prompts/get", json!({"name": "nobody"})).gives(200, -32602, 7),
        row("an unknown resource", "resources/read", json!({"uri": "nowhere://x"}))
            .gives(200, -32002, 7),
        row("no URI", "resources/read", json!({})).gives(200, -32602, 7),
        row("a cursor that was never given", "tools/list", json!({"cursor": "never"}))
            .gives(200, -32602, 7),
        row("a level that is none", "logging/setLevel", json!({"level": "loud"}))
            .gives(200, -32602, 7),
    ];
    end_after(server, headers, rows).await;
}

#[tokio::test]
async fn every_handshake_revision_is_answered_with_itself_and_others_with_the_latest() {
    let server = server().await;
    for (asked, answered) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1.0", "2025-11-25"),
    ] {
        let client = Legacy::with(&server, asked, json!({})).await;
        assert_eq!(client.welcome["protocolVersion"], answered, "asked for {asked}");
        client.close().await;
    }
    server.finish().await;
}

#[tokio::test]
async fn a_batch_is_taken_where_the_revision_has_batches() {
    let server = server().await;
    let client = Legacy::with(&server, "2025-03-26", json!({})).await;
    let batch = json!([
        {"jsonrpc": "2.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "method": "notifications/unheard-of"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "echo", "arguments": {"message": "b"}}},
        {"jsonrpc": "2.0", "id": 3, "method": "no/such"},
        {"a": 1},
    ]);
    let mut answers =
        crate::support::Messages::of(client.post().json(&batch).send().await.unwrap());
    assert_eq!(answers.status(), 200);
    let mut found: Vec<Value> = Vec::new();
    while let Some(message) = answers.next().await {
        match message.as_array() {
            Some(messages) => found.extend(messages.clone()),
            None => found.push(message),
        }
    }
    let by_id = |id: Value| {
        found.iter().find(|message| message["id"] == id).unwrap_or_else(|| panic!("{found:?}"))
    };
    assert!(by_id(json!(1)).get("result").is_some());
    assert_eq!(by_id(json!(2))["result"]["content"][0]["text"], "b");
    assert_eq!(by_id(json!(3))["error"]["code"], -32601);
    assert_eq!(by_id(Value::Null)["error"]["code"], -32600);
    assert_eq!(found.len(), 4, "{found:?}");
    for method in ["ping", "tools/call", "no/such"] {
        server.sent(method);
    }
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn a_batch_holds_no_initialize() {
    let server = server().await;
    let body = json!([request(
        "initialize",
        json!({"protocolVersion": "2025-03-26", "capabilities": {},
        "clientInfo": {"name": "x", "version": "1"}})
    )]);
    let rows =
        vec![Row::post("initialize in a batch", plain(&server), body).gives(400, -32600, ())];
    check(server, rows).await;
}

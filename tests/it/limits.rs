//! Bounds on clients: each has its clear answer, and costs nobody else anything.

use crate::support::{
    Legacy, Modern, Reply, Server, Setup, connect, head, http, narrow, request, rest, until, within,
};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use std::pin::Pin;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_client_that_dribbles_its_headers_or_its_body_is_let_go_and_others_are_served() {
    let server = Setup::new().set("limits.receive_timeout", 0.5).start().await;
    let mut slow_head = connect(&server).await;
    slow_head.write_all(b"POST /mcp HTTP/1.1\r\nHost: loc").await.unwrap();
    let mut slow_body = connect(&server).await;
    let start = head(&server, "Content-Length: 100\r\n") + "{";
    slow_body.write_all(start.as_bytes()).await.unwrap();
    let client = Modern::new(&server);
    client.call("echo", json!({"message": "meanwhile"})).await;
    let told = rest(&mut slow_body).await;
    assert!(told.starts_with("HTTP/1.1 408") && told.contains("body_too_slow"), "{told}");
    assert!(!rest(&mut slow_head).await.contains("200 OK"));
    server.finish().await;
}

#[tokio::test]
async fn a_flood_of_headers_is_refused() {
    let server = Setup::new().set("limits.header_bytes", 8192).start().await;
    let large =
        http().get(format!("{}/health", server.base())).header("x-large", "y".repeat(20_000));
    assert_eq!(large.send().await.unwrap().status(), 431);
    let mut many = http().get(format!("{}/health", server.base()));
    for at in 0..200 {
        many = many.header(format!("x-{at}"), "y");
    }
    assert_eq!(many.send().await.unwrap().status(), 431);
    server.finish().await;
}

#[tokio::test]
async fn beyond_the_bound_on_sockets_a_client_is_told_to_come_back() {
    let server = Setup::new().set("limits.connections", 12).start().await;
    let mut held = Vec::new();
    let refused = loop {
        let mut next = connect(&server).await;
        next.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut start = [0; 12];
        within(30, "an answer", next.read_exact(&mut start)).await.unwrap();
        if start != *b"HTTP/1.1 200" {
            break format!("{}{}", String::from_utf8_lossy(&start), rest(&mut next).await);
        }
        held.push(next);
        assert!(held.len() < 12, "the bound is twelve");
    };
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after"), "{refused}");
    drop(held);
    until("there is room again", || async {
        let answer = http().get(format!("{}/health", server.base())).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    let labels = [("transport", "http"), ("status", "over_capacity")];
    let scrape = server.scrape().await;
    assert!(scrape.sum("mcp_connections_total", &labels) >= 1.0);
    assert!(scrape.sum("mcp_limit_refusals_total", &[("limit", "connections")]) >= 1.0);
    server.finish().await;
}

#[tokio::test]
async fn beyond_the_bound_on_calls_a_call_is_refused_and_later_ones_are_served() {
    let server = Setup::new().fixture("fix", json!({})).set("limits.calls", 2).start().await;
    server.upstreams(&["fix"], "connected").await;
    let client = Legacy::open(&server).await;
    let sleep = || json!({"name": "fix__sleep", "arguments": {"ms": 60_000}});
    let held =
        [client.start("tools/call", sleep()).await, client.start("tools/call", sleep()).await];
    assert!(held.iter().all(crate::support::Messages::is_stream), "both of them run");
    let refused: Value = client.ask("tools/list", json!({})).await;
    assert_eq!(refused["error"]["code"], 1503, "{refused}");
    for (at, stream) in held.into_iter().enumerate() {
        drop(stream);
        client.notify("notifications/cancelled", json!({"requestId": at + 1})).await;
    }
    until("a call is served again", || async {
        client.ask("tools/list", json!({})).await["result"].is_object()
    })
    .await;
    client.close().await;
    server.finish().await;
}

/// A limit, what it is set to, how a client goes beyond it, and what that client is told.
struct Row {
    limit: &'static str,
    value: f64,
    told: &'static [&'static str],
    beyond: for<'a> fn(&'a Server) -> Beyond<'a>,
}

type Beyond<'a> = Pin<Box<dyn Future<Output = String> + 'a>>;

/// The status, the headers that say when to come back, and the body.
async fn answer(response: reqwest::Response) -> String {
    let reply = Reply::of(response).await;
    format!("{} retry-after: {} {}", reply.status, reply.header("retry-after"), reply.text)
}

async fn post(server: &Server, body: Value) -> String {
    answer(server.post(&http()).json(&body).send().await.unwrap()).await
}

async fn initialize(server: &Server) -> String {
    let info = json!({"name": "x", "version": "1"});
    let params = json!({"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": info});
    post(server, json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})).await
}

/// Calls a tool that sleeps, and another while it does.
async fn second_call(server: &Server) -> String {
    let client = Legacy::open(server).await;
    let sleep = json!({"name": "fix__sleep", "arguments": {"ms": 60_000}});
    let _held = client.start("tools/call", sleep).await;
    let body = json!({"jsonrpc": "2.0", "id": "beyond", "method": "ping"});
    answer(client.post().json(&body).send().await.unwrap()).await
}

const ROWS: &[Row] = &[
    Row {
        limit: "body_bytes",
        value: 1_000.0,
        told: &["413", "limits.body_bytes", "1000"],
        beyond: |server| Box::pin(post(server, json!({"x": "x".repeat(2_000)}))),
    },
    Row {
        limit: "header_bytes",
        value: 8_192.0,
        told: &["431"],
        beyond: |server| {
            Box::pin(async move {
                let large = server.post(&http()).header("x-large", "y".repeat(20_000));
                answer(large.send().await.unwrap()).await
            })
        },
    },
    Row {
        limit: "json_depth",
        value: 4.0,
        told: &["400", "json_too_deep", "limits.json_depth", r#""id":"deep""#],
        beyond: |server| {
            let params = json!({"a": [[[1]], "wide enough to be looked at"]});
            Box::pin(post(
                server,
                json!({"jsonrpc": "2.0", "id": "deep", "method": "ping", "params": params}),
            ))
        },
    },
    Row {
        limit: "receive_timeout",
        value: 1.5,
        told: &["408", "limits.receive_timeout"],
        beyond: |server| {
            Box::pin(async move {
                let mut slow = connect(server).await;
                let start = head(server, "Content-Length: 100\r\n") + "{";
                slow.write_all(start.as_bytes()).await.unwrap();
                rest(&mut slow).await
            })
        },
    },
    Row {
        limit: "write_timeout",
        value: 0.3,
        // A client that reads nothing can be told nothing.
        told: &[],
        beyond: |server| {
            Box::pin(async move {
                let mut deaf = narrow(server).await;
                let arguments = json!({"message": "x".repeat(100_000)});
                let params = json!({"name": "echo", "arguments": arguments});
                let call = request(server, "tools/call", params);
                while deaf.write_all(call.as_bytes()).await.is_ok() {}
                String::new()
            })
        },
    },
    Row {
        limit: "sessions",
        value: 1.0,
        told: &["503 retry-after: 5", "sessions"],
        beyond: |server| {
            Box::pin(async move {
                // A handshake that was not completed would make room.
                let _whole = Legacy::open(server).await;
                initialize(server).await
            })
        },
    },
    Row {
        limit: "streams",
        value: 1.0,
        told: &["503 retry-after: 5", "1503", "streams"],
        beyond: |server| {
            Box::pin(async move {
                let (one, other) = (Legacy::open(server).await, Legacy::open(server).await);
                let _open = one.stream().await;
                let asked = server.get(&http(), "/mcp").header("accept", "text/event-stream");
                let told = asked.header("mcp-session-id", &other.session).send().await.unwrap();
                let told = answer(told).await;
                let listen = json!({"notifications": {"toolsListChanged": true}});
                let refused = Modern::new(server).ask("subscriptions/listen", listen).await;
                assert_eq!(refused["error"]["code"], 1503, "{refused}");
                told
            })
        },
    },
    Row {
        limit: "calls",
        value: 1.0,
        told: &["1503", "calls in flight", "beyond"],
        beyond: |server| Box::pin(second_call(server)),
    },
    Row {
        limit: "calls_per_session",
        value: 1.0,
        told: &["1503", "too many calls in flight", "beyond"],
        beyond: |server| Box::pin(second_call(server)),
    },
    Row {
        limit: "batch",
        value: 1.0,
        told: &["400", "limits.batch"],
        beyond: |server| {
            Box::pin(async move {
                let client = Legacy::with(server, "2025-03-26", json!({})).await;
                let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
                answer(client.post().json(&json!([ping, ping])).send().await.unwrap()).await
            })
        },
    },
    Row {
        limit: "questions",
        value: 0.0,
        told: &["too many open questions"],
        beyond: |server| {
            Box::pin(async move {
                let capabilities = json!({"elicitation": {}});
                let client = Legacy::with(server, "2025-11-25", capabilities).await;
                let arguments = json!({"question": "Who are you?"});
                let call = json!({"name": "fix__ask_name", "arguments": arguments});
                client.ask("tools/call", call).await.to_string()
            })
        },
    },
];

async fn check(row: &Row) {
    let name = format!("limits.{}", row.limit);
    let setup = match row.value.fract() {
        0.0 => Setup::new().set(&name, row.value as i64),
        _ => Setup::new().set(&name, row.value),
    };
    // What needs a call that waits needs a tool that does.
    let server = if matches!(row.limit, "calls" | "calls_per_session" | "questions") {
        let server = setup.fixture("fix", json!({})).start().await;
        server.upstreams(&["fix"], "connected").await;
        server
    } else {
        setup.start().await
    };
    let told = (row.beyond)(&server).await;
    for word in row.told {
        assert!(told.contains(word), "{name}: no `{word}` in {told}");
    }
    until(&format!("{name} is counted"), || async {
        let limit = [("limit", row.limit)];
        server.scrape().await.sum("mcp_limit_refusals_total", &limit) >= 1.0
    })
    .await;
    let counted = server.scrape().await.by("mcp_limit_refusals_total", "limit");
    let others = counted.iter().filter(|(limit, count)| *limit != row.limit && **count > 0.0);
    assert_eq!(others.count(), 0, "{name}: {counted:?}");
    assert!(server.log().contains("limit_reached"), "{name}: nothing in the log");
}

#[tokio::test]
async fn every_limit_can_be_set_has_a_clear_error_and_is_counted() {
    stream::iter(ROWS.iter().map(check)).buffer_unordered(4).collect::<()>().await;
}

#[tokio::test]
async fn there_is_a_row_for_every_limit_that_is_counted() {
    let server = Setup::new().start().await;
    let counted = server.scrape().await.by("mcp_limit_refusals_total", "limit");
    let mut rows: Vec<&str> = ROWS.iter().map(|row| row.limit).collect();
    // That one has a test of its own above: waiting for a server takes sockets, too.
    rows.push("connections");
    rows.sort_unstable();
    assert_eq!(counted.into_keys().collect::<Vec<_>>(), rows);
    server.finish().await;
}

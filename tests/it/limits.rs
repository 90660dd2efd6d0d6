//! Bounds on clients: each has its clear answer, and costs nobody else anything.

use crate::support::{Legacy, Modern, Setup, http, until, within};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn socket(base: &str) -> TcpStream {
    TcpStream::connect(base.strip_prefix("http://").unwrap()).await.unwrap()
}

/// All that comes until the server closes.
async fn rest(mut socket: TcpStream) -> String {
    let mut text = Vec::new();
    // A reset after the answer is an end too.
    let _ended = within(30, "the end of a socket", socket.read_to_end(&mut text)).await;
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn a_client_that_dribbles_its_headers_or_its_body_is_let_go_and_others_are_served() {
    let server = Setup::new().set("limits.receive_timeout", 0.5).start().await;
    let mut slow_head = socket(server.base()).await;
    slow_head.write_all(b"POST /mcp HTTP/1.1\r\nHost: loc").await.unwrap();
    let mut slow_body = socket(server.base()).await;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: 100\r\n\r\n{{",
        server.token()
    );
    slow_body.write_all(head.as_bytes()).await.unwrap();
    let client = Modern::new(&server);
    client.call("echo", json!({"message": "meanwhile"})).await;
    let told = rest(slow_body).await;
    assert!(told.starts_with("HTTP/1.1 408") && told.contains("body_too_slow"), "{told}");
    assert!(!rest(slow_head).await.contains("200 OK"));
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
        let mut next = socket(server.base()).await;
        next.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut start = [0; 12];
        within(30, "an answer", next.read_exact(&mut start)).await.unwrap();
        if start != *b"HTTP/1.1 200" {
            break format!("{}{}", String::from_utf8_lossy(&start), rest(next).await);
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
    assert!(server.scrape().await.sum("mcp_connections_total", &labels) >= 1.0);
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

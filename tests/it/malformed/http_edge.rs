//! What is refused before any message is read: tokens, origins, hosts, paths, media types, sizes.

use super::{Row, check, plain, request, server};
use crate::support::{Reply, Server, http, within};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

fn initialize() -> Value {
    let info = json!({"name": "x", "version": "1"});
    request(
        "initialize",
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}),
    )
}

#[tokio::test]
async fn a_missing_malformed_or_wrong_token_is_challenged() {
    let server = server().await;
    let row = |what| Row::post(what, plain(&server), initialize()).gives(401, 1401, 7);
    let rows = [
        row("no token").without("authorization"),
        row("another scheme").with("authorization", "Basic dXNlcjpwYXNz"),
        row("an empty token").with("authorization", "Bearer "),
        row("another token").with("authorization", "Bearer token-of-somebody-else"),
        row("a longer token").with("authorization", &format!("Bearer {}x", server.token())),
    ];
    for row in &rows {
        let reply = row.send(&server).await;
        assert_eq!(reply.status, 401, "{}: {reply:?}", row.what);
        assert!(reply.header("www-authenticate").starts_with("Bearer"), "{}: {reply:?}", row.what);
        assert!(reply.json()["error"]["message"].is_string(), "{}: {reply:?}", row.what);
        assert!(!reply.text.contains("token-of"), "a token in {reply:?}");
    }
    let scrape = server.scrape().await;
    let causes = scrape.by("mcp_auth_failures_total", "cause");
    assert_eq!(
        (causes["missing"], causes["malformed"], causes["wrong"]),
        (1.0, 2.0, 2.0),
        "{causes:?}"
    );
    check(server, Vec::new()).await;
}

#[tokio::test]
async fn every_api_path_asks_for_the_token_and_probes_do_not() {
    let server = server().await;
    for (path, status) in [
        ("/health", 200),
        ("/livez", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/api/status", 401),
        ("/mcp", 401),
    ] {
        let response = http().get(format!("{}{path}", server.base())).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
    }
    let health = server.json("/health").await;
    assert_eq!(health["status"], "ok");
    assert_eq!(health["serverName"], "devs-orchestrator");
    assert!(health["uptime"].is_number());
    assert_eq!(health.as_object().unwrap().len(), 3, "and nothing else: {health}");
    server.finish().await;
}

#[tokio::test]
async fn a_foreign_origin_or_host_is_refused() {
    let server = server().await;
    let row = |what| Row::post(what, plain(&server), initialize()).gives(403, 1403, ());
    let rows = [
        row("a foreign origin").with("origin", "https://evil.example"),
        row("a foreign host").with("host", "evil.example"),
        row("a foreign host with our port").with("host", "evil.example:3001"),
        row("the null origin").with("origin", "null"),
        row("an origin that only begins like ours").with("origin", "http://localhost.evil.example"),
    ];
    for row in &rows {
        let reply = row.send(&server).await;
        assert_eq!(reply.status, 403, "{}: {reply:?}", row.what);
        assert!(reply.json()["error"]["message"].is_string(), "{}", row.what);
    }
    let own = Row::post("our own origin", plain(&server), request("ping", json!({})));
    let reply = own.with("origin", "http://localhost:3001").send(&server).await;
    assert_eq!(reply.status, 400, "it got as far as the session: {reply:?}");
    assert!(
        server.scrape().await.sum("mcp_connections_total", &[("status", "rejected_origin")]) >= 1.0
    );
    check(server, Vec::new()).await;
}

#[tokio::test]
async fn probes_and_scrapes_may_come_by_another_host_name() {
    let server = server().await;
    for path in ["/health", "/livez", "/readyz", "/metrics"] {
        let request = http().get(format!("{}{path}", server.base())).header("host", "pod.example");
        assert_eq!(request.send().await.unwrap().status(), 200, "{path}");
    }
    server.finish().await;
}

async fn expect(server: &Server, verb: Method, path: &str, status: u16) -> Reply {
    let request =
        http().request(verb, format!("{}{path}", server.base())).bearer_auth(server.token());
    let reply = Reply::of(request.send().await.unwrap()).await;
    assert_eq!(reply.status, status, "{path}: {reply:?}");
    assert!(!reply.json().is_null(), "{path}");
    reply
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_so_in_json() {
    let server = server().await;
    expect(&server, Method::GET, "/nowhere", 404).await;
    expect(&server, Method::GET, "/api/nowhere", 404).await;
    let refused = expect(&server, Method::PUT, "/mcp", 405).await;
    for verb in ["POST", "GET", "DELETE"] {
        assert!(refused.header("allow").contains(verb), "{refused:?}");
    }
    expect(&server, Method::POST, "/health", 405).await;
    server.finish().await;
}

#[tokio::test]
async fn media_types_and_sizes_are_checked() {
    let server = server().await;
    let ping = || request("ping", json!({}));
    let row = |what| Row::post(what, plain(&server), ping());
    let rows = vec![
        row("an answer nobody can give").with("accept", "text/html").gives(406, 1406, ()),
        row("no event streams wanted").with("accept", "application/json").gives(406, 1406, ()),
        row("a body of another kind").with("content-type", "text/plain").gives(415, 1415, ()),
        row("a body of no kind").without("content-type").gives(415, 1415, ()),
        Row::post("a body too large", plain(&server), "x".repeat(100_001)).gives(413, 1413, ()),
        row("GET without an event stream")
            .verb(Method::GET)
            .with("accept", "application/json")
            .gives(406, 1406, ()),
    ];
    check(server, rows).await;
}

#[tokio::test]
async fn what_is_no_http_ends_its_own_socket_only() {
    let server = server().await;
    let address = server.base().trim_start_matches("http://").to_owned();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n",
        server.token()
    );
    let head = format!(
        "{head}content-type: application/json\r\naccept: application/json, text/event-stream\r\n"
    );
    for (bytes, close) in [
        ("\u{0}\u{1}garbage\r\n\r\n".to_owned(), false),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), false),
        (format!("{head}content-length: nonsense\r\n\r\n"), false),
        (format!("{head}content-length: 500\r\n\r\n{{\"half\":"), true),
        (format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n"), true),
    ] {
        let mut socket = TcpStream::connect(&address).await.unwrap();
        socket.write_all(bytes.as_bytes()).await.unwrap();
        if close {
            socket.shutdown().await.unwrap();
        }
        let mut answer = Vec::new();
        let read = within(10, "the socket ends", socket.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            read.is_err() || answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{bytes:?}: {answer}"
        );
    }
    check(server, Vec::new()).await;
}

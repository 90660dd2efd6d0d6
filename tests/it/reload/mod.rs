//! A new configuration for a server that runs: taken over without dropping anybody, or refused
//! with the reason.

mod auth;
mod load;
mod refused;
mod upstreams;
mod watched;

use crate::support::{Legacy, Modern, Server, Setup, http, until};
use serde_json::{Value, json};

const RELOADS: &str = "mcp_config_reloads_total";

/// How many reloads had that outcome so far.
async fn reloads(server: &Server, outcome: &str) -> f64 {
    server.scrape().await.sum(RELOADS, &[("outcome", outcome)])
}

/// Tells the server to read its files again, and waits until it has with that outcome.
async fn hang_up(server: &Server, outcome: &str) {
    let before = reloads(server, outcome).await;
    server.signal("HUP");
    until("the configuration was read again", || async { reloads(server, outcome).await > before })
        .await;
}

/// Gives the server other files and has it take them over.
async fn reload(server: &Server, setup: &Setup) {
    setup.write(server.dir());
    hang_up(server, "ok").await;
}

/// How many log lines hold that text.
fn lines(server: &Server, text: &str) -> usize {
    server.log().lines().filter(|line| line.contains(text)).count()
}

/// What `initialize` is answered with: its HTTP status and body.
async fn initialize(server: &Server, token: &str) -> (u16, Value) {
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "raw", "version": "1"}});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    let request = http().post(server.url()).bearer_auth(token).json(&body);
    let request = request.header("accept", "application/json, text/event-stream");
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn the_log_level_changes_and_changes_back() {
    let setup = |level: &str| Setup::new().set("log.level", level);
    let server = setup("info").start().await;
    let client = Modern::new(&server);
    let call = || client.call("echo", json!({"message": "x"}));
    call().await;
    assert_eq!(lines(&server, "call_finished"), 0, "{}", server.log());
    reload(&server, &setup("debug")).await;
    call().await;
    until("calls are logged", || async { lines(&server, "call_finished") == 1 }).await;
    assert!(server.log().contains("log level changed"), "{}", server.log());
    reload(&server, &setup("info")).await;
    call().await;
    // What a line says before the scrape, it says before the answer to it.
    assert_eq!(lines(&server, "call_finished"), 1, "{}", server.log());
    server.finish().await;
}

#[tokio::test]
async fn limits_apply_to_what_comes_after() {
    let setup = |sessions: i64, body: i64| {
        Setup::new().set("limits.sessions", sessions).set("limits.body_bytes", body)
    };
    let server = setup(1, 1_000_000).start().await;
    let first = Legacy::open(&server).await;
    let refused = initialize(&server, server.token()).await;
    server.sent("initialize");
    assert!(refused.1["error"]["message"].to_string().contains("sessions"), "{refused:?}");
    reload(&server, &setup(2, 500)).await;
    let second = Legacy::open(&server).await;
    assert!(first.tools().await.contains(&"echo".to_owned()), "the first goes on");
    let large = first.post().body("x".repeat(501)).send().await.unwrap();
    assert_eq!(large.status(), 413);
    reload(&server, &setup(1, 1_000_000)).await;
    assert!(!second.tools().await.is_empty(), "who is there stays");
    first.close().await;
    second.close().await;
    server.finish().await;
}

#[tokio::test]
async fn what_waits_for_the_next_start_is_named_and_the_rest_is_in_force() {
    let server = Setup::new().start().await;
    let started = "mcp_config_reload_success_timestamp_seconds";
    let first = server.scrape().await.sum(started, &[]);
    assert!(first > 1e9, "set at the start");
    let other = Setup::new()
        .set("server_name", "other")
        .set("transports.websocket", false)
        .set("log.format", "pretty")
        .set("instructions", "Read this.");
    reload(&server, &other).await;
    for key in ["server_name", "transports.websocket", "log.format"] {
        let text = format!("`{key}` has changed, and takes effect at the next start");
        until("it is named", || async { server.log().contains(&text) }).await;
    }
    assert_eq!(server.json("/health").await["serverName"], "devs-orchestrator");
    let client = Legacy::open(&server).await;
    assert_eq!(client.welcome["instructions"], "Read this.");
    assert!(server.scrape().await.sum(started, &[]) >= first);
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn names_and_built_ins_change_and_clients_hear_of_it() {
    let setup = || Setup::new().fixture("fix", json!({}));
    let server = setup().start().await;
    server.upstreams(&["fix"], "connected").await;
    let client = Legacy::open(&server).await;
    let mut stream = client.stream().await;
    let before = client.call("fix__process_id", json!({})).await;
    let bare = setup().set("names.prefix", false).set("builtins.enabled", false);
    reload(&server, &bare).await;
    stream.method("notifications/tools/list_changed").await;
    let tools = client.tools().await;
    assert!(tools.contains(&"process_id".to_owned()), "{tools:?}");
    assert!(!tools.iter().any(|tool| tool == "echo" || tool.starts_with("fix__")), "{tools:?}");
    assert_eq!(client.call("process_id", json!({})).await, before, "the same process");
    reload(&server, &setup()).await;
    assert_eq!(client.call("fix__process_id", json!({})).await, before, "the same process");
    client.call("echo", json!({"message": "back"})).await;
    drop(stream);
    client.close().await;
    server.finish().await;
}

//! Reloads under load.

use super::{lines, reload, reloads};
use crate::{
    support::{Legacy, Modern, Server, Setup, alive, text},
    websocket::Socket,
};
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const TURNS: i64 = 12;

/// The configuration of a turn: one upstream stays as it is, one comes, moves and goes, and so do
/// a token, limits and the log level.
fn setup(turn: i64) -> Setup {
    let mut setup = Setup::new();
    if turn % 4 == 1 {
        setup = setup.fixture("other", json!({}));
    }
    setup = setup.fixture("stays", json!({}));
    if turn % 4 > 1 {
        setup = setup.fixture("other", json!({"FIXTURE_NAME": format!("turn {turn}")}));
    }
    if turn % 2 == 1 {
        let token: toml::Value =
            toml::Table::from_iter([("name", "ci"), ("token", "second")].map(entry)).into();
        setup = setup.set("auth.tokens", vec![token]);
    }
    let level = if turn % 3 == 0 { "info" } else { "debug" };
    setup
        .set("limits.session_idle", 60 + turn)
        .set("limits.calls", 1_000 + turn)
        .set("limits.rate.per_address", 100_000 + turn / 4)
        .set("log.level", level)
}

fn entry((key, value): (&str, &str)) -> (String, toml::Value) {
    (key.to_owned(), value.into())
}

/// What the callers share.
#[derive(Default)]
struct Load {
    is_over: AtomicBool,
    calls: AtomicU64,
}

impl Load {
    fn goes_on(&self) -> bool {
        self.calls.fetch_add(1, Ordering::Relaxed);
        !self.is_over.load(Ordering::Relaxed)
    }
}

async fn legacy(server: &Server, load: &Load, pid: &str) {
    let client = Legacy::open(server).await;
    while load.goes_on() {
        assert_eq!(text(&client.call("echo", json!({"message": "l"})).await), "l");
        assert_eq!(text(&client.call("stays__process_id", json!({})).await), pid);
        let tools = client.tools().await;
        assert!(tools.contains(&"stays__process_id".to_owned()), "{tools:?}");
    }
    client.close().await;
}

async fn modern(server: &Server, load: &Load, pid: &str) {
    let client = Modern::new(server);
    while load.goes_on() {
        assert_eq!(text(&client.call("echo", json!({"message": "m"})).await), "m");
        assert_eq!(text(&client.call("stays__process_id", json!({})).await), pid);
        let tools = client.tools().await;
        assert!(tools.contains(&"stays__process_id".to_owned()), "{tools:?}");
    }
}

async fn websocket(server: &Server, load: &Load, [legacy, modern]: [&str; 2]) {
    let mut socket = Socket::legacy(server, json!({})).await;
    while load.goes_on() {
        let params = json!({"name": "stays__process_id", "arguments": {}});
        let answer = socket.ask("tools/call", params.clone()).await;
        assert_eq!(text(&answer["result"]), legacy, "{answer}");
        let id = socket.send_modern("tools/call", params).await;
        let answer = socket.answer(id).await;
        assert_eq!(text(&answer["result"]), modern, "{answer}");
    }
    socket.close().await;
}

/// Calls that are under way while their server reloads several times.
async fn long(server: &Server, load: &Load) {
    let client = Legacy::open(server).await;
    while load.goes_on() {
        let slept = client.call("stays__sleep", json!({"ms": 700})).await;
        assert_eq!(text(&slept), "slept 700 ms", "{slept}");
    }
    client.close().await;
}

#[tokio::test]
async fn no_call_fails_and_no_session_is_dropped_while_much_changes() {
    let server = setup(0).start().await;
    server.upstreams(&["stays"], "connected").await;
    let client = Legacy::open(&server).await;
    let mut stream = client.stream().await;
    // It speaks both eras, and has a process for each.
    let pid = text(&client.call("stays__process_id", json!({})).await).to_owned();
    let process = Modern::new(&server).call("stays__process_id", json!({})).await;
    let modern_pid = text(&process).to_owned();
    let load = Load::default();
    let turns = async {
        for turn in 1..=TURNS {
            let before = load.calls.load(Ordering::Relaxed);
            reload(&server, &setup(turn)).await;
            while load.calls.load(Ordering::Relaxed) < before + 8 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
        load.is_over.store(true, Ordering::Relaxed);
    };
    tokio::join!(
        turns,
        legacy(&server, &load, &pid),
        legacy(&server, &load, &pid),
        modern(&server, &load, &modern_pid),
        websocket(&server, &load, [&pid, &modern_pid]),
        long(&server, &load),
    );
    stream.method("notifications/tools/list_changed").await;
    assert_eq!(text(&client.call("stays__process_id", json!({})).await), pid);
    assert!(alive(pid.parse().unwrap()) && alive(modern_pid.parse().unwrap()));
    let scrape = server.scrape().await;
    assert_eq!(reloads(&server, "ok").await, TURNS as f64);
    assert_eq!(lines(&server, "configuration reloaded"), TURNS as usize, "{}", server.log());
    assert_eq!(scrape.sum("mcp_upstream_restarts_total", &[("upstream", "stays")]), 0.0);
    let attempts = scrape.sum("mcp_upstream_attempts_total", &[("upstream", "stays")]);
    let ok = [("upstream", "stays"), ("outcome", "ok")];
    assert_eq!(attempts, scrape.sum("mcp_upstream_attempts_total", &ok));
    let failed = ["timeout", "unavailable", "outcome_unknown", "server_error", "cancelled"];
    for status in failed {
        assert_eq!(scrape.sum("mcp_requests_total", &[("status", status)]), 0.0, "{status}");
    }
    drop(stream);
    client.close().await;
    server.finish().await;
}

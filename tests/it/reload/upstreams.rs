//! Upstreams that come, go and move while clients are there.

use super::reload;
use crate::support::{Legacy, Modern, Server, Setup, alive, text, until, within};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

async fn pid(client: &Legacy<'_>, upstream: &str) -> u32 {
    let answer = client.call(&format!("{upstream}__process_id"), json!({})).await;
    text(&answer).parse().unwrap_or_else(|_| panic!("no pid: {answer}"))
}

async fn has(client: &Legacy<'_>, tool: &str) -> bool {
    client.tools().await.iter().any(|name| name == tool)
}

async fn state(server: &Server, upstream: &str, state: &str) -> f64 {
    let labels = [("upstream", upstream), ("state", state)];
    server.scrape().await.sum("mcp_upstream_state", &labels)
}

#[tokio::test]
async fn tools_come_and_go_and_who_listens_hears_of_it() {
    let only = |name: &str| Setup::new().fixture(name, json!({}));
    let server = only("one").start().await;
    server.upstreams(&["one"], "connected").await;
    let (legacy, modern) = (Legacy::open(&server).await, Modern::new(&server));
    let one = pid(&legacy, "one").await;
    let mut stream = legacy.stream().await;
    let wanted = json!({"notifications": {"toolsListChanged": true}});
    let mut listening = modern.start("subscriptions/listen", wanted).await;
    listening.method("notifications/subscriptions/acknowledged").await;

    reload(&server, &only("one").fixture("two", json!({}))).await;
    stream.method("notifications/tools/list_changed").await;
    listening.method("notifications/tools/list_changed").await;
    assert!(has(&legacy, "two__process_id").await && has(&legacy, "one__process_id").await);
    assert_eq!(pid(&legacy, "one").await, one);

    reload(&server, &only("two")).await;
    stream.method("notifications/tools/list_changed").await;
    listening.method("notifications/tools/list_changed").await;
    assert!(!has(&legacy, "one__process_id").await);
    let gone = legacy.ask("tools/call", json!({"name": "one__process_id"})).await;
    assert_eq!(gone["error"]["code"], -32602, "{gone}");
    until("its process has ended", || async { !alive(one) }).await;
    assert_eq!(state(&server, "one", "stopped").await, 1.0);
    let available = [("upstream", "one")];
    assert_eq!(server.scrape().await.sum("mcp_tool_available", &available), 0.0);
    let status = server.json("/api/status").await;
    assert_eq!(status["upstreams"].as_array().map(Vec::len), Some(1), "{status}");

    reload(&server, &only("one").fixture("two", json!({}))).await;
    server.upstreams(&["one", "two"], "connected").await;
    until("it is back", || has(&legacy, "one__process_id")).await;
    assert_ne!(pid(&legacy, "one").await, one);
    drop((stream, listening));
    legacy.close().await;
    server.finish().await;
}

/// A call of `sleep` at the upstream `goes`, and how it is answered after that upstream is gone.
async fn asleep(server: &Server, setup: &Setup, ms: u64) -> (Value, u32) {
    server.upstreams(&["goes"], "connected").await;
    let client = Legacy::open(server).await;
    let process = pid(&client, "goes").await;
    let params = json!({"name": "goes__sleep", "arguments": {"ms": ms}});
    let mut sleeping = client.start("tools/call", params).await;
    reload(server, setup).await;
    assert!(!has(&client, "goes__sleep").await);
    let answer = within(20, "an answer", sleeping.answer()).await;
    client.close().await;
    (answer, process)
}

#[tokio::test]
async fn a_call_in_flight_is_finished_by_an_upstream_that_goes() {
    let server = Setup::new().fixture("goes", json!({})).start().await;
    let (answer, process) = asleep(&server, &Setup::new(), 1_500).await;
    assert_eq!(text(&answer["result"]), "slept 1500 ms", "{answer}");
    until("its process has ended", || async { !alive(process) }).await;
    server.finish().await;
}

#[tokio::test]
async fn an_upstream_that_goes_has_a_bounded_time() {
    let server = Setup::new().fixture("goes", json!({})).start().await;
    let begun = Instant::now();
    let (answer, process) = asleep(&server, &Setup::new().set("drain", 0.5), 600_000).await;
    assert_eq!(answer["result"]["_meta"]["mcp-orchestrator/ran"], "unknown", "{answer}");
    until("its process has ended", || async { !alive(process) }).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    server.finish().await;
}

#[tokio::test]
async fn the_tools_of_an_upstream_that_moves_stay_listed_and_calls_wait_for_it() {
    let at = |delay: &str| {
        Setup::new().fixture("moves", json!({"FIXTURE_DELAY_MS": delay})).fixture("b", json!({}))
    };
    let server = at("0").start().await;
    server.upstreams(&["moves", "b"], "connected").await;
    let client = Legacy::open(&server).await;
    let (before, other) = (pid(&client, "moves").await, pid(&client, "b").await);
    // Long enough to be asked meanwhile on a busy machine, too.
    reload(&server, &at("4000")).await;
    assert!(has(&client, "moves__process_id").await, "while it is connecting");
    assert_eq!(state(&server, "moves", "connected").await, 0.0);
    let after = pid(&client, "moves").await;
    assert_ne!(after, before);
    server.upstreams(&["moves"], "connected").await;
    until("the old process has ended", || async { !alive(before) }).await;
    assert_eq!(state(&server, "moves", "connected").await, 1.0, "its end is not its successor's");
    assert_eq!(pid(&client, "b").await, other);
    assert!(server.log().contains("upstreams_changed"), "{}", server.log());
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn the_timeout_of_an_upstream_changes_while_it_stays_connected() {
    let fixture = |timeout: f64| {
        let entry: toml::Table = toml::toml! { command = "fixture" };
        let mut entry = entry;
        entry["command"] = crate::support::fixture_path().to_str().unwrap().into();
        entry.insert("tool_timeout".to_owned(), timeout.into());
        Setup::new().set("upstreams.fix", entry)
    };
    let server = fixture(60.0).start().await;
    server.upstreams(&["fix"], "connected").await;
    let client = Legacy::open(&server).await;
    let before = pid(&client, "fix").await;
    reload(&server, &fixture(0.3)).await;
    let slow = client.call("fix__sleep", json!({"ms": 60_000})).await;
    assert_eq!(slow["_meta"]["mcp-orchestrator/code"], "outcome_unknown", "{slow}");
    assert_eq!(pid(&client, "fix").await, before);
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn bare_names_go_by_the_order_of_the_new_configuration() {
    let setup = |names: &[&str]| {
        let setup = Setup::new().set("names.prefix", false);
        names.iter().fold(setup, |setup, name| setup.fixture(name, json!({})))
    };
    let server = setup(&["b"]).start().await;
    server.upstreams(&["b"], "connected").await;
    let client = Legacy::open(&server).await;
    let call = |tool: &'static str| client.call(tool, json!({}));
    let b = call("process_id").await;
    reload(&server, &setup(&["a", "b"])).await;
    until("the first has the bare name", || has(&client, "b__process_id")).await;
    assert_eq!(call("b__process_id").await, b);
    assert_ne!(call("process_id").await, b);
    reload(&server, &setup(&["b", "a"])).await;
    assert_eq!(call("process_id").await, b);
    reload(&server, &setup(&["b"])).await;
    assert!(!has(&client, "a__process_id").await);
    assert_eq!(call("process_id").await, b);
    client.close().await;
    server.finish().await;
}

//! Start and stop: answering from the first moment, draining, leaving nothing behind.

use crate::support::{
    Legacy, Modern, Setup, alive, descendants, fixture_path, http, text, until, within,
};
use serde_json::json;
use std::time::Duration;
use tokio::{net::TcpStream, time::Instant};

#[tokio::test]
async fn a_call_in_flight_is_finished_after_sigterm_and_then_the_port_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("sleeps");
    let mut server = Setup::new().fixture("fix", json!({"FIXTURE_LOG": log})).start().await;
    server.upstreams(&["fix"], "connected").await;
    let address = server.base().trim_start_matches("http://").to_owned();
    let children = descendants(server.pid());
    assert!(!children.is_empty(), "the fixture runs");
    {
        let client = Legacy::open(&server).await;
        let params = json!({"name": "fix__sleep", "arguments": {"ms": 2_000, "key": "x"}});
        let mut stream = client.start("tools/call", params).await;
        server.signal("TERM");
        assert_eq!(text(&stream.answer().await["result"]), "slept 2000 ms");
    }
    assert_eq!(server.exit_code().await, Some(0), "{}", server.log());
    assert!(TcpStream::connect(&address).await.is_err(), "the port is closed");
    until("no child is left", || async { !children.iter().any(|pid| alive(*pid)) }).await;
}

#[tokio::test]
async fn draining_is_bounded() {
    let mut server = Setup::new().fixture("fix", json!({})).set("drain", 1.0).start().await;
    server.upstreams(&["fix"], "connected").await;
    let children = descendants(server.pid());
    let begun = Instant::now();
    {
        let client = Legacy::open(&server).await;
        let params = json!({"name": "fix__sleep", "arguments": {"ms": 600_000}});
        let _stream = client.start("tools/call", params).await;
        server.signal("INT");
    }
    assert_eq!(server.exit_code().await, Some(0), "{}", server.log());
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    until("no child is left", || async { !children.iter().any(|pid| alive(*pid)) }).await;
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let mut server = Setup::new().fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    let children = descendants(server.pid());
    let begun;
    {
        let client = Legacy::open(&server).await;
        let params = json!({"name": "fix__sleep", "arguments": {"ms": 600_000}});
        let _stream = client.start("tools/call", params).await;
        begun = Instant::now();
        server.signal("TERM");
        until("it has begun to stop", || async { server.log().contains("stopping") }).await;
        server.signal("TERM");
    }
    server.exit_code().await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    until("no child is left", || async { !children.iter().any(|pid| alive(*pid)) }).await;
}

#[tokio::test]
async fn a_child_that_ends_for_nothing_is_ended_all_the_same() {
    let mut server = Setup::new().fixture("fix", json!({"FIXTURE_STUBBORN": "1"})).start().await;
    server.upstreams(&["fix"], "connected").await;
    let children = descendants(server.pid());
    server.signal("TERM");
    assert_eq!(server.exit_code().await, Some(0), "{}", server.log());
    until("no child is left", || async { !children.iter().any(|pid| alive(*pid)) }).await;
}

#[tokio::test]
async fn the_server_answers_while_an_upstream_is_broken_and_says_so() {
    let server = Setup::new()
        .fixture("fix", json!({}))
        .upstream("missing", json!({"command": "/nowhere/such-a-program"}))
        .upstream("unreachable", json!({"type": "http", "url": "http://127.0.0.1:1/mcp"}))
        .upstream("mute", json!({"command": "sleep", "args": ["1000"]}))
        .set("first_list_wait", 2.0)
        .start()
        .await;
    let begun = Instant::now();
    assert_eq!(server.json("/health").await["status"], "ok");
    assert!(begun.elapsed() < Duration::from_secs(1));
    let client = Legacy::open(&server).await;
    let listed = within(8, "a list while an upstream is mute", client.tools()).await;
    assert!(
        listed.contains(&"fix__sleep".to_owned()) && listed.contains(&"echo".to_owned()),
        "{listed:?}"
    );
    client.call("fix__test_simple_text", json!({})).await;
    let ready = http().get(format!("{}/readyz", server.base())).send().await.unwrap();
    assert_eq!(ready.status(), 200, "a down upstream never makes us un-ready");
    let ready = ready.text().await.unwrap();
    assert!(ready.contains("degraded") && ready.contains("unreachable"), "{ready}");
    let status = server.json("/api/status").await;
    let upstreams = status["upstreams"].as_array().unwrap();
    let state = |name: &str| upstreams.iter().find(|u| u["name"] == name).unwrap()["state"].clone();
    assert_eq!(state("fix"), "connected", "{status}");
    assert_ne!(state("missing"), "connected", "{status}");
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn a_list_at_the_very_first_start_waits_for_upstreams_not_known_yet() {
    let server = Setup::new().fixture("slow", json!({"FIXTURE_DELAY_MS": "1500"})).start().await;
    let (legacy, modern) = (Legacy::open(&server).await, Modern::new(&server));
    let (first, second) = tokio::join!(legacy.tools(), modern.tools());
    assert!(first.contains(&"slow__sleep".to_owned()), "{first:?}");
    assert!(second.contains(&"slow__sleep".to_owned()), "{second:?}");
    legacy.close().await;
    server.finish().await;
}

#[tokio::test]
async fn an_upstream_that_comes_later_than_the_wait_is_announced() {
    let server = Setup::new()
        .fixture("slow", json!({"FIXTURE_DELAY_MS": "4000"}))
        .set("first_list_wait", 0.5)
        .start()
        .await;
    let legacy = Legacy::open(&server).await;
    let mut stream = legacy.stream().await;
    let early = legacy.tools().await;
    assert!(!early.contains(&"slow__sleep".to_owned()), "{early:?}");
    stream.method("notifications/tools/list_changed").await;
    assert!(legacy.tools().await.contains(&"slow__sleep".to_owned()));
    drop(stream);
    legacy.close().await;
    server.finish().await;
}

#[tokio::test]
async fn a_child_that_crashes_is_started_again() {
    let server = Setup::new().fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    let client = Modern::new(&server);
    let before = text(&client.call("fix__process_id", json!({})).await).to_owned();
    let ended = client.ask("tools/call", json!({"name": "fix__crash", "arguments": {}})).await;
    assert_eq!(ended["result"]["isError"], true, "{ended}");
    assert_eq!(ended["result"]["_meta"]["mcp-orchestrator/ran"], "unknown", "{ended}");
    until("a new child answers", || async {
        let answer =
            client.ask("tools/call", json!({"name": "fix__process_id", "arguments": {}})).await;
        answer["result"]["isError"] != true && text(&answer["result"]) != before
    })
    .await;
    let scrape = server.scrape().await;
    assert!(scrape.sum("mcp_upstream_restarts_total", &[("upstream", "fix")]) >= 1.0);
    assert_eq!(scrape.sum("mcp_requests_total", &[("status", "outcome_unknown")]), 1.0);
    server.finish().await;
}

#[tokio::test]
async fn the_stderr_of_a_child_is_in_our_log_with_the_upstreams_name() {
    let server = Setup::new().fixture("talker", json!({})).start().await;
    server.upstreams(&["talker"], "connected").await;
    Modern::new(&server).call("talker__stderr_line", json!({"text": "said on stderr"})).await;
    until("the line is in the log", || async {
        server.log().lines().any(|line| line.contains("said on stderr") && line.contains("talker"))
    })
    .await;
    assert!(fixture_path().exists());
    server.finish().await;
}

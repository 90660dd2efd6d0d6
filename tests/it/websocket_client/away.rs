//! A server that is away for a while: calls on their way wait for their answers, and the session
//! goes on.

use super::{
    call, client, config, returned, server, stands, target, tool,
    wire::{Cut, Wire},
};
use crate::support::{assert_sums, text, until};
use mcp_client::{ClientConfig, Eras, Pulse, Ran, Return, State, Terms};
use mcp_protocol::Era;
use serde_json::json;
use std::time::Duration;
use tokio::task::JoinSet;

const RESTORED: &str = "mcp_sessions_restored_total";

#[tokio::test]
async fn what_a_call_says_while_its_client_is_away_is_delivered_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&dir.path().join("ran")).await;
    let wire = Wire::whole(server.base());
    let (client, ear) = client(config(target(&server, &wire.url())));
    stands(&client, State::Connected).await;
    let mut events = client.events();
    let mut slow = tool("fix__count_progress", &json!({"steps": 10, "delay_ms": 30}));
    slow.progress = true;
    let caller = client.clone();
    let mut calls = JoinSet::from_iter([async move { caller.call(slow, Terms::default()).await }]);
    until("it has begun", || async { !ear.progress().is_empty() }).await;
    wire.down().await;
    until("it has ended", || async {
        let labels = [("method", "tools/call")];
        server.scrape().await.sum("mcp_requests_total", &labels) == 1.0
    })
    .await;
    stands(&client, State::Reconnecting).await;
    wire.up();
    let answer = calls.join_next().await.expect("one").expect("no panic");
    answer.expect("an answer").expect("a result");
    assert_eq!(ear.progress(), (1..=10).map(f64::from).collect::<Vec<_>>());
    assert_eq!(returned(&mut events).await, Return::Resumed);
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("mcp_connections_total", &[("transport", "websocket")]), 1.0);
    let stats = client.stats();
    assert_eq!((stats.resent, stats.refused_unsafe), (0, 0), "{stats:?}");
    client.close().await;
}

#[tokio::test]
async fn after_a_restart_the_next_call_goes_on_in_the_same_session() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = server(&dir.path().join("ran")).await;
    let wire = Wire::whole(server.base());
    let (client, _) = client(config(target(&server, &wire.url())));
    let mut events = client.events();
    for round in 0..3 {
        call(&client, "echo", json!({"message": "before"})).await.expect("an answer");
        server.start_again("TERM").await;
        let result = call(&client, "echo", json!({"message": format!("{round}")})).await;
        assert_eq!(text(&result.expect("an answer")), format!("{round}"));
        assert_eq!(returned(&mut events).await, Return::Resumed);
        let scrape = server.scrape().await;
        assert_eq!(scrape.sum(RESTORED, &[("outcome", "restored")]), 1.0);
        assert_eq!(scrape.sum("mcp_connections_total", &[("transport", "websocket")]), 0.0);
        assert_sums(&scrape);
    }
    client.close().await;
}

#[tokio::test]
async fn what_a_crash_cut_is_told_as_unknown_and_is_not_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("ran");
    let mut server = server(&log).await;
    let wire = Wire::whole(server.base());
    let (client, _) = client(config(target(&server, &wire.url())));
    stands(&client, State::Connected).await;
    let caller = client.clone();
    let slow = json!({"key": "key-1", "ms": 60_000});
    let mut calls = JoinSet::from_iter([async move { call(&caller, "fix__record", slow).await }]);
    until("it runs", || async { std::fs::read_to_string(&log).is_ok_and(|ran| !ran.is_empty()) })
        .await;
    server.start_again("KILL").await;
    server.upstreams(&["fix"], "connected").await;
    let ended = calls.join_next().await.expect("one").expect("no panic");
    match ended {
        // The store had it, and says what became of it.
        Ok(result) => {
            assert_eq!(result["_meta"]["mcp-orchestrator/code"], "outcome_unknown", "{result}");
        }
        Err(error) => assert_eq!(error.ran(), Ran::Unknown, "{error}"),
    }
    let result = call(&client, "fix__record", json!({"key": "key-2"})).await.expect("an answer");
    assert_eq!(text(&result), "key-2");
    let ran = std::fs::read_to_string(&log).expect("it ran");
    assert_eq!(ran.lines().collect::<Vec<_>>(), ["ran key-1", "ran key-2"]);
    client.close().await;
}

#[tokio::test]
async fn a_socket_that_only_looks_open_is_found_and_its_session_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&dir.path().join("ran")).await;
    let wire = Wire::whole(server.base());
    let (every, within) = (Duration::from_millis(100), Duration::from_millis(500));
    let health = Some(Pulse { every, within, misses: 2 });
    let (client, _) = client(ClientConfig { health, ..config(target(&server, &wire.url())) });
    stands(&client, State::Connected).await;
    let mut events = client.events();
    wire.silent();
    let caller = client.clone();
    let mut calls =
        JoinSet::from_iter([
            async move { call(&caller, "fix__record", json!({"key": "key-1"})).await },
        ]);
    stands(&client, State::Reconnecting).await;
    wire.up();
    let result = calls.join_next().await.expect("one").expect("no panic").expect("an answer");
    assert_eq!(text(&result), "key-1");
    assert_eq!(returned(&mut events).await, Return::Resumed);
    assert!(client.stats().lost_pings >= 2);
    client.close().await;
}

#[tokio::test]
async fn a_modern_call_does_not_outlive_its_socket_and_the_next_has_another() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&dir.path().join("ran")).await;
    let wire =
        Wire::before(
            server.base(),
            |text| {
                if text.contains("key-cut") { Cut::After } else { Cut::None }
            },
        );
    let eras = Eras::Only(Era::Modern);
    let (client, _) = client(ClientConfig { eras, ..config(target(&server, &wire.url())) });
    let lost = call(&client, "fix__record", json!({"key": "key-cut", "ms": 60_000})).await;
    assert_eq!(lost.expect_err("its socket is gone").ran(), Ran::Unknown);
    let result = call(&client, "fix__record", json!({"key": "key-1"})).await.expect("an answer");
    assert_eq!(text(&result), "key-1");
    assert_eq!((wire.cuts(Cut::After), client.stats().refused_unsafe), (1, 1));
    client.close().await;
}

//! A client that goes: its modern call is cancelled, upstream too; its legacy call runs on.

use crate::support::{Legacy, Modern, Server, Setup, text, until};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

/// A server whose fixture writes down how its `sleep` calls end, and the file.
async fn server() -> (Server, PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("sleeps");
    let server = Setup::new().fixture("fix", json!({"FIXTURE_LOG": log})).start().await;
    server.upstreams(&["fix"], "connected").await;
    (server, log, folder)
}

fn sleep(ms: u64, key: &str) -> Value {
    json!({"name": "fix__sleep", "arguments": {"ms": ms, "key": key}})
}

async fn written(log: &PathBuf, line: &str) {
    until(&format!("`{line}` in the fixture's log"), || async {
        fs::read_to_string(log).unwrap_or_default().lines().any(|found| found == line)
    })
    .await;
}

#[tokio::test]
async fn a_modern_call_whose_client_goes_is_cancelled_upstream_too() {
    let (server, log, _folder) = server().await;
    let client = Modern::new(&server);
    for key in ["goes early", "goes late"] {
        let call = client.start("tools/call", sleep(60_000, key));
        if key == "goes early" {
            // Gone before anything was answered, so that not even the status has come.
            let started = format!("start {key}");
            tokio::select! {
                biased;
                () = written(&log, &started) => {}
                _ = call => panic!("a call of a minute is answered at once"),
            }
        } else {
            let stream = call.await;
            assert!(stream.is_stream(), "a call that takes long goes over to events");
            drop(stream);
        }
        written(&log, &format!("cancelled {key}")).await;
    }
    until("both are counted as cancelled", || async {
        let scrape = server.scrape().await;
        scrape.sum("mcp_requests_total", &[("method", "tools/call"), ("status", "cancelled")])
            == 2.0
            && scrape.sum("mcp_upstream_attempts_total", &[("outcome", "cancelled")]) == 2.0
    })
    .await;
    server.finish().await;
}

#[tokio::test]
async fn a_legacy_call_whose_client_goes_runs_to_its_end() {
    let (server, log, _folder) = server().await;
    let client = Legacy::open(&server).await;
    let stream = client.start("tools/call", sleep(1_500, "legacy")).await;
    written(&log, "start legacy").await;
    drop(stream);
    written(&log, "done legacy").await;
    until("it is counted as ok", || async {
        let scrape = server.scrape().await;
        scrape.sum("mcp_requests_total", &[("method", "tools/call"), ("status", "ok")]) == 1.0
    })
    .await;
    assert_eq!(server.scrape().await.sum("mcp_requests_total", &[("status", "cancelled")]), 0.0);
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn a_legacy_call_is_cancelled_when_its_client_says_so() {
    let (server, log, _folder) = server().await;
    let client = Legacy::open(&server).await;
    let mut stream = client.start("tools/call", sleep(60_000, "told")).await;
    written(&log, "start told").await;
    client.notify("notifications/cancelled", json!({"requestId": 1, "reason": "enough"})).await;
    written(&log, "cancelled told").await;
    while let Some(message) = stream.next().await {
        assert!(message.get("result").is_none(), "a cancelled call has no result: {message}");
    }
    let scrape = server.scrape().await;
    assert_eq!(
        scrape.sum("mcp_requests_total", &[("method", "tools/call"), ("status", "cancelled")]),
        1.0
    );
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn cancelling_one_call_leaves_the_others_alone() {
    let (server, log, _folder) = server().await;
    let client = Legacy::open(&server).await;
    let mut first = client.start("tools/call", sleep(60_000, "first")).await;
    let mut second = client.start("tools/call", sleep(1_000, "second")).await;
    client.notify("notifications/cancelled", json!({"requestId": 1})).await;
    client.notify("notifications/cancelled", json!({"requestId": 999})).await;
    assert_eq!(text(&second.answer().await["result"]), "slept 1000 ms");
    written(&log, "cancelled first").await;
    assert!(first.next().await.is_none(), "a cancelled call's stream ends without an answer");
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn an_answer_at_once_is_json_and_a_late_one_is_an_event_stream() {
    let (server, _log, _folder) = server().await;
    let client = Legacy::open(&server).await;
    // On a busy machine one that takes no time may be late all the same; not one after the other.
    let mut was_at_once = false;
    for _ in 0..20 {
        let mut quick = client.start("tools/call", sleep(0, "quick")).await;
        was_at_once |= !quick.is_stream();
        assert_eq!(text(&quick.answer().await["result"]), "slept 0 ms");
        if was_at_once {
            break;
        }
    }
    assert!(was_at_once);
    let mut late = client.start("tools/call", sleep(700, "late")).await;
    assert!(late.is_stream());
    late.answer().await;
    assert!(!late.ids.is_empty(), "2025-11-25 is given event ids");
    let older = Legacy::with(&server, "2025-06-18", json!({})).await;
    let mut late = older.start("tools/call", sleep(700, "older")).await;
    assert_eq!(text(&late.answer().await["result"]), "slept 700 ms");
    client.close().await;
    older.close().await;
    server.finish().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_its_stream_blocks_nobody() {
    let (server, _log, _folder) = server().await;
    let client = Legacy::open(&server).await;
    let deaf = client.stream().await;
    let logs = json!({"name": "fix__count_progress", "arguments": {"steps": 20_000, "delay_ms": 0},
        "_meta": {"progressToken": "p"}});
    let unread = client.start("tools/call", logs).await;
    let big = json!({"name": "fix__big", "arguments": {"bytes": 8_000_000}});
    let also_unread = client.start("tools/call", big).await;
    for _ in 0..20 {
        assert!(client.ask("ping", json!({})).await.get("result").is_some(), "the same session");
        client.call("fix__test_simple_text", json!({})).await;
    }
    let other = Legacy::open(&server).await;
    other.call("fix__test_simple_text", json!({})).await;
    Modern::new(&server).call("fix__test_simple_text", json!({})).await;
    drop((deaf, unread, also_unread));
    client.close().await;
    other.close().await;
    server.finish().await;
}

//! Sessions and streams of the legacy era: how long they live, what they are told.

use crate::{
    support::{Legacy, Modern, Setup, http, text, until, within},
    upstream_calls::listed,
};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_session_without_activity_is_put_away_and_one_in_use_is_not() {
    let server =
        Setup::new().fixture("fix", json!({})).set("limits.session_idle", 1.0).start().await;
    server.upstreams(&["fix"], "connected").await;
    let idle = Legacy::open(&server).await;
    let streaming = Legacy::open(&server).await;
    let stream = streaming.stream().await;
    let calling = Legacy::open(&server).await;
    let sleep = json!({"name": "fix__sleep", "arguments": {"ms": 3_000}});
    let mut call = calling.start("tools/call", sleep).await;
    let timeouts = [("transport", "http"), ("reason", "timeout_no_activity")];
    until("the idle session ended", || async {
        server.scrape().await.sum("mcp_disconnections_total", &timeouts) == 1.0
    })
    .await;
    assert_eq!(text(&call.answer().await["result"]), "slept 3000 ms");
    assert!(streaming.ask("ping", json!({})).await.get("result").is_some());
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("mcp_session_duration_seconds_count", &timeouts), 1.0);
    // Its client finds it again by using it.
    assert!(idle.ask("ping", json!({})).await.get("result").is_some());
    let revived = [("outcome", "revived")];
    assert_eq!(server.scrape().await.sum("mcp_sessions_restored_total", &revived), 1.0);
    drop((stream, call));
    // The others end by the same clock once nothing is open any more.
    server.finish().await;
}

#[tokio::test]
async fn a_session_too_many_is_refused_and_counted() {
    let server = Setup::new().set("limits.sessions", 2).start().await;
    let (first, second) = (Legacy::open(&server).await, Legacy::open(&server).await);
    let info = json!({"name": "x", "version": "1"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info});
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": "initialize", "params": params});
    let refused = server.post(&http()).json(&body).send().await.unwrap();
    assert_eq!(refused.status(), 503);
    let refused: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(refused["id"], 7, "{refused}");
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("mcp_connections_total", &[("status", "over_capacity")]), 1.0);
    first.close().await;
    Legacy::open(&server).await.close().await;
    second.close().await;
    crate::support::assert_sums(&server.scrape().await);
}

#[tokio::test]
async fn a_second_stream_of_a_session_takes_over_from_the_first() {
    let server = Setup::new().fixture("fix", json!({})).start().await;
    // Or a stream might have word of the first list.
    listed(&server, "fix__add_tool").await;
    let client = Legacy::open(&server).await;
    let mut first = client.stream().await;
    let mut second = client.stream().await;
    assert!(first.next().await.is_none(), "the first one ends");
    client.call("fix__add_tool", json!({"name": "new"})).await;
    second.method("notifications/tools/list_changed").await;
    drop((first, second));
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn only_clients_that_can_take_it_get_an_event_without_data() {
    let server = Setup::new().fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    for (revision, primed) in [("2025-11-25", true), ("2025-06-18", false), ("2025-03-26", false)] {
        let client = Legacy::with(&server, revision, json!({})).await;
        let sleep = json!({"name": "fix__sleep", "arguments": {"ms": 400}});
        let mut late = client.start("tools/call", sleep).await;
        assert!(late.is_stream());
        assert_eq!(text(&late.answer().await["result"]), "slept 400 ms");
        assert_eq!(late.empty > 0, primed, "{revision}: {} events without data", late.empty);
        client.close().await;
    }
    server.finish().await;
}

#[tokio::test]
async fn a_quiet_stream_is_kept_alive_by_comments() {
    let server = Setup::new().start().await;
    let client = Legacy::open(&server).await;
    let request = server.get(&http(), "/mcp").header("accept", "text/event-stream");
    let mut stream = request.header("mcp-session-id", &client.session).send().await.unwrap();
    let comment = async {
        while let Some(chunk) = stream.chunk().await.unwrap() {
            if String::from_utf8_lossy(&chunk).lines().any(|line| line.starts_with(':')) {
                return true;
            }
        }
        false
    };
    assert!(within(18, "a comment within 15 s", comment).await);
    drop(stream);
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn a_modern_client_is_present_while_it_asks_and_gone_when_it_does_not() {
    let server = Setup::new().start().await;
    let (one, other) =
        (Modern::with(&server, "one", json!({})), Modern::with(&server, "other", json!({})));
    for _ in 0..3 {
        one.tools().await;
        other.tools().await;
    }
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("mcp_connections_total", &[("status", "accepted")]), 2.0);
    assert_eq!(scrape.sum("mcp_active_sessions", &[]), 0.0, "the modern era has no sessions");
    until("both are gone", || async {
        let ended = [("reason", "timeout_no_activity")];
        server.scrape().await.sum("mcp_disconnections_total", &ended) == 2.0
    })
    .await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(server.scrape().await.sum("mcp_session_duration_seconds_count", &[]), 0.0);
    server.finish().await;
}

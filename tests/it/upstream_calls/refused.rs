//! Upstreams that answer, and refuse: sessions that they give and do not know, trouble that does
//! not end, calls that they did not run because of how they were sent.

use super::{far, forgotten::forget, listed, over, told};
use crate::support::{Cut, Legacy, Modern, Wire, text, until};
use futures_util::future::join_all;
use reqwest::RequestBuilder;
use serde_json::json;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use tokio::time::Instant;

const NOT_FOUND: Cut = Cut::Answer("404 Not Found", r#""error":{"code":-32001,"message":"no"}"#);
const TROUBLE: Cut = Cut::Answer("503 Service Unavailable", "");
const OTHER_HEADERS: Cut =
    Cut::Answer("400 Bad Request", r#""error":{"code":-32020,"message":"Header mismatch"}"#);
const OTHER_REVISION: Cut = Cut::Answer(
    "400 Bad Request",
    r#""error":{"code":-32022,"message":"no","data":{"supported":["2026-07-28"],"requested":"2026-07-28"}}"#,
);

/// How often something was seen.
type Count = Arc<AtomicUsize>;

fn seen(count: &Count) -> usize {
    count.load(Ordering::SeqCst)
}

fn is_own_handshake(request: &str) -> bool {
    request.contains("\"initialize\"") && request.contains("\"sampling\"")
}

#[tokio::test]
async fn an_upstream_that_knows_no_session_it_gives_is_asked_a_few_times() {
    let dir = tempfile::tempdir().unwrap();
    let far = far(&dir.path().join("ran")).await;
    let (sessions, calls) = (Count::default(), Count::default());
    let (opened, called) = (Arc::clone(&sessions), Arc::clone(&calls));
    let wire = Wire::before(far.base(), move |request| {
        opened.fetch_add(usize::from(is_own_handshake(request)), Ordering::SeqCst);
        if !request.contains("never-known") {
            return Cut::None;
        }
        called.fetch_add(1, Ordering::SeqCst);
        NOT_FOUND
    });
    let server = over(&wire, &far, "legacy").start().await;
    listed(&server, "far__record").await;
    let client = Legacy::with(&server, "2025-11-25", json!({"sampling": {}})).await;
    let result = client.call("far__record", json!({"key": "never-known"})).await;
    assert_eq!(told(&result), ("unavailable", "no"), "{result}");
    // The first loss costs nothing, and then there are three more at most.
    let (opened, called) = (seen(&sessions), seen(&calls));
    assert_eq!((opened, called), (5, 5));
    let result = client.call("far__record", json!({"key": "known"})).await;
    assert_eq!(text(&result), "known", "{result}");
    assert!(seen(&sessions) <= opened + 1 && seen(&calls) == called, "nobody goes on");
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn a_session_that_is_lost_and_does_not_open_at_once_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let far = far(&dir.path().join("ran")).await;
    let (opened, lost) = (Count::default(), AtomicBool::new(false));
    let sessions = Arc::clone(&opened);
    let wire = Wire::before(far.base(), move |request| {
        if is_own_handshake(request) && sessions.fetch_add(1, Ordering::SeqCst) == 1 {
            return TROUBLE;
        }
        let is_lost = request.contains("lost-once") && !lost.swap(true, Ordering::SeqCst);
        if is_lost { NOT_FOUND } else { Cut::None }
    });
    let server = over(&wire, &far, "legacy").start().await;
    listed(&server, "far__record").await;
    let client = Legacy::with(&server, "2025-11-25", json!({"sampling": {}})).await;
    let result = client.call("far__record", json!({"key": "lost-once"})).await;
    assert_eq!(text(&result), "lost-once", "{result}");
    assert_eq!(seen(&opened), 3, "the first, one that was refused, and the second");
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn the_log_level_is_set_again_in_a_new_session() {
    let dir = tempfile::tempdir().unwrap();
    let far = far(&dir.path().join("ran")).await;
    let levels = Count::default();
    let set = Arc::clone(&levels);
    let wire = Wire::before(far.base(), move |request| {
        let is_level = request.contains("logging/setLevel") && request.contains("\"debug\"");
        set.fetch_add(usize::from(is_level), Ordering::SeqCst);
        Cut::None
    });
    let server = over(&wire, &far, "legacy").start().await;
    listed(&server, "far__record").await;
    let client = Legacy::open(&server).await;
    client.ask("logging/setLevel", json!({"level": "debug"})).await;
    until("the level is set", || async { seen(&levels) >= 1 }).await;
    let before = seen(&levels);
    assert!(forget(&far).await >= 1);
    let result = client.call("far__record", json!({"key": "after"})).await;
    assert_eq!(text(&result), "after", "{result}");
    until("the level is set again", || async { seen(&levels) > before }).await;
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn an_upstream_in_trouble_does_not_get_every_call_several_times() {
    const CALLS: usize = 40;
    let dir = tempfile::tempdir().unwrap();
    let far = far(&dir.path().join("ran")).await;
    let (sent, trouble) = (Count::default(), Arc::new(AtomicBool::new(true)));
    let (count, in_trouble) = (Arc::clone(&sent), Arc::clone(&trouble));
    let wire = Wire::before(far.base(), move |request| {
        if !request.contains("meta_echo") || !request.contains("tools/call") {
            return Cut::None;
        }
        count.fetch_add(1, Ordering::SeqCst);
        if in_trouble.load(Ordering::SeqCst) { TROUBLE } else { Cut::None }
    });
    let server = over(&wire, &far, "modern").start().await;
    listed(&server, "far__meta_echo").await;
    let client = Modern::new(&server);
    let began = Instant::now();
    let results =
        join_all((0..CALLS).map(async |_| client.call("far__meta_echo", json!({})).await));
    for result in results.await {
        assert_eq!(told(&result), ("outcome_unknown", "unknown"), "{result}");
    }
    let most = CALLS + 10 + CALLS / 5 + 1 + usize::try_from(began.elapsed().as_secs()).unwrap();
    let sent = seen(&sent);
    assert!(sent > CALLS && sent <= most, "{CALLS} calls were sent {sent} times, at most {most}");
    println!("{CALLS} calls were sent {sent} times; {most} would have been allowed");
    trouble.store(false, Ordering::SeqCst);
    let result = client.call("far__meta_echo", json!({})).await;
    assert_eq!(result["x-fixture"]["kept"], true, "{result}");
    server.finish().await;
}

#[tokio::test]
async fn a_call_whose_revision_is_refused_and_offered_is_sent_once_more() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("ran");
    let far = far(&log).await;
    let sent = Count::default();
    let count = Arc::clone(&sent);
    let wire = Wire::before(far.base(), move |request| {
        let (once, always) = (request.contains("\"once\""), request.contains("\"always\""));
        if !once && !always {
            return Cut::None;
        }
        let is_first = count.fetch_add(1, Ordering::SeqCst) == 0;
        if always || is_first { OTHER_REVISION } else { Cut::None }
    });
    let server = over(&wire, &far, "modern").start().await;
    listed(&server, "far__record").await;
    let client = Modern::new(&server);
    let result = client.call("far__record", json!({"key": "once"})).await;
    assert_eq!((text(&result), seen(&sent)), ("once", 2), "{result}");
    let params = json!({"name": "far__record", "arguments": {"key": "always"}});
    let refused = client.ask("tools/call", params).await;
    assert_eq!(refused["error"]["code"], -32603, "{refused}");
    assert_eq!(seen(&sent), 4, "once more, and then it is the answer");
    assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 1);
    server.finish().await;
}

#[tokio::test]
async fn a_call_whose_headers_are_refused_is_sent_with_those_that_the_tool_wants_now() {
    // As it was listed before: nothing is repeated in a header.
    const LISTED: Cut = Cut::Answer(
        "200 OK",
        r#""result":{"resultType":"complete","tools":[{"name":"test_header_arguments","inputSchema":{"type":"object"}}]}"#,
    );
    let dir = tempfile::tempdir().unwrap();
    let far = far(&dir.path().join("ran")).await;
    let (sent, is_old) = (Count::default(), Arc::new(AtomicBool::new(true)));
    let (count, old) = (Arc::clone(&sent), Arc::clone(&is_old));
    let wire = Wire::before(far.base(), move |request| {
        if request.contains("\"tools/list\"") && old.load(Ordering::SeqCst) {
            return LISTED;
        }
        if !request.contains("\"tools/call\"") {
            return Cut::None;
        }
        count.fetch_add(1, Ordering::SeqCst);
        let is_right = request.to_ascii_lowercase().contains("mcp-param-region: north");
        if is_right { Cut::None } else { OTHER_HEADERS }
    });
    let server = over(&wire, &far, "modern").start().await;
    listed(&server, "far__test_header_arguments").await;
    let client = Modern::new(&server);
    let params = json!({"name": "far__test_header_arguments", "arguments": {"region": "north"}});
    // The list says what it said: there is nothing to mend.
    let refused = client.ask("tools/call", params.clone()).await;
    assert_eq!((&refused["error"]["code"], seen(&sent)), (&json!(-32603), 1), "{refused}");
    is_old.store(false, Ordering::SeqCst);
    let repeats = |request: RequestBuilder| request.header("mcp-param-region", "north");
    let result = client.start_with("tools/call", params, repeats).await.answer().await;
    assert!(result["result"]["content"][0]["text"].as_str().unwrap().contains("north"), "{result}");
    assert!(seen(&sent) <= 3, "{}", seen(&sent));
    server.finish().await;
}

//! `connect` before a server that has only just started, or says something that gets lost.

use crate::support::{Bridge, Cut, Legacy, Server, Setup, Wire, text, until};
use serde_json::json;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

const UNKNOWN_TOOL: Cut =
    Cut::Answer("200 OK", r#""error":{"code":-32602,"message":"Unknown tool: echo"}"#);
const NO_TOOLS: Cut = Cut::Answer("200 OK", r#""result":{"tools":[]}"#);

async fn server() -> Server {
    let server = Setup::new().fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    server
}

fn over(wire: &Wire, server: &Server, home: &std::path::Path) -> Bridge {
    Bridge::start(&wire.url(), home, &["--token", server.token()])
}

async fn stop(mut server: Server) {
    server.signal("TERM");
    assert_eq!(server.exit_code().await, Some(0), "{}", server.log());
}

#[tokio::test]
async fn a_call_that_comes_before_its_tool_is_sent_again_once_the_tool_is_there() {
    let (server, home) = (server().await, tempfile::tempdir().unwrap());
    // The server has not found its tools yet when it is called, nor at the first look.
    let (calls, looks) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
    let called = Arc::clone(&calls);
    let wire = Wire::before(server.base(), move |request| {
        let count = called.load(Ordering::SeqCst);
        if request.contains("\"tools/call\"") && called.fetch_add(1, Ordering::SeqCst) == 0 {
            return UNKNOWN_TOOL;
        }
        let is_look = count == 1 && request.contains("\"tools/list\"");
        if is_look && looks.fetch_add(1, Ordering::SeqCst) == 0 { NO_TOOLS } else { Cut::None }
    });
    let mut bridge = over(&wire, &server, home.path());
    bridge.initialize(json!({})).await;
    let tools = bridge.tools().await;
    assert!(tools.contains(&"echo".to_owned()), "{tools:?}");
    let answer = bridge.call("echo", json!({"message": "found"})).await;
    assert_eq!(text(&answer), "found", "{answer}");
    assert_eq!(calls.load(Ordering::SeqCst), 2, "once too early, and once more");
    assert_eq!(bridge.tools().await, tools, "none was taken off the list");
    assert_eq!(bridge.finish().await, Some(0));
    stop(server).await;
}

#[tokio::test]
async fn a_change_that_nobody_could_hear_of_is_told_after_the_return() {
    let (server, home) = (server().await, tempfile::tempdir().unwrap());
    let wire = Wire::before(server.base(), |_| Cut::None);
    let mut bridge = over(&wire, &server, home.path());
    bridge.initialize(json!({})).await;
    let before = bridge.tools().await;
    wire.down().await;
    bridge.says("the server is away").await;
    let other = Legacy::open(&server).await;
    other.call("fix__test_trigger_tool_change", json!({})).await;
    until("the change is listed", || async { other.tools().await.len() > before.len() }).await;
    other.close().await;
    wire.up();
    bridge.hears("notifications/tools/list_changed").await;
    assert_eq!(bridge.tools().await.len(), before.len() + 1);
    assert_eq!(bridge.finish().await, Some(0));
    stop(server).await;
}

#[tokio::test]
async fn what_is_set_while_the_server_is_away_is_set_when_it_is_back_and_the_last_word_counts() {
    let (server, home) = (server().await, tempfile::tempdir().unwrap());
    let (debug, error) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (first, last) = (Arc::clone(&debug), Arc::clone(&error));
    let wire = Wire::before(server.base(), move |request| {
        let is_level = request.contains("logging/setLevel");
        first.fetch_add(usize::from(is_level && request.contains("\"debug\"")), Ordering::SeqCst);
        last.fetch_add(usize::from(is_level && request.contains("\"error\"")), Ordering::SeqCst);
        Cut::None
    });
    let mut bridge = over(&wire, &server, home.path());
    bridge.initialize(json!({})).await;
    bridge.tools().await;
    wire.down().await;
    bridge.says("the server is away").await;
    for level in ["debug", "info", "debug", "error"] {
        let set = bridge.request("logging/setLevel", json!({"level": level})).await;
        assert_eq!(set["result"], json!({}), "{set}");
    }
    wire.up();
    until("the last word is there", || async { error.load(Ordering::SeqCst) == 1 }).await;
    assert!(debug.load(Ordering::SeqCst) <= 1, "at most the one that was on its way");
    assert_eq!(bridge.finish().await, Some(0));
    stop(server).await;
}

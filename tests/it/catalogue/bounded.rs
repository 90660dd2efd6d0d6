//! What ends a list: `limits.max_stale`, access that is taken away, and another target.

use super::{Switch, all_fresh, everything, kill_children, until_tools};
use crate::support::{Legacy, Setup, fixture_path, until};
use serde_json::json;
use std::path::Path;

fn has(tools: &[String], name: &str) -> bool {
    tools.iter().any(|tool| tool == name)
}

fn setup(switch: &Switch) -> Setup {
    let fixture = switch.wrap("fix", &fixture_path(), &[], &json!({}));
    Setup::new().upstream("fix", fixture).set("limits.max_stale", 1.0)
}

#[tokio::test]
async fn entries_go_when_they_were_stale_for_too_long_and_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let switch = Switch::in_dir(dir.path());
    let mut server = setup(&switch).start().await;
    server.upstreams(&["fix"], "connected").await;
    let client = Legacy::open(&server).await;
    let known = all_fresh(&server, &client).await;
    let mut stream = client.stream().await;
    switch.off();
    kill_children(&server);
    // An announcement of the start may still have been on its way when the stream was opened.
    while has(&client.tools().await, "fix__sleep") {
        stream.method("notifications/tools/list_changed").await;
    }
    let log = server.log();
    assert!(log.contains("catalogue_withdrawn") && log.contains("limits.max_stale"), "{log}");
    let available = server.scrape().await.sum("mcp_tool_available", &[("upstream", "fix")]);
    assert_eq!(available, 0.0);
    drop(stream);
    let session = client.session.clone();

    // What has gone is not there again because we are.
    server.start_again("TERM").await;
    let client = Legacy::knowing(&server, &session);
    assert!(!has(&client.tools().await, "fix__sleep"));
    switch.on();
    until_tools(&client, "they are back", |tools| has(tools, "fix__sleep")).await;
    assert_eq!(all_fresh(&server, &client).await, known);
    client.close().await;
    server.finish().await;
}

/// A server that gives an agent of another one its tools.
fn upstream(token: &str) -> Setup {
    let tokens = toml::toml! {
        [[t]]
        name = "agent"
        token = "to be replaced"
    };
    let mut tokens = tokens["t"].clone();
    tokens[0]["token"] = token.into();
    Setup::new().set("auth.tokens", tokens)
}

#[tokio::test]
async fn access_that_is_taken_away_takes_the_tools_away_at_once() {
    let (good, other) = ("token-of-the-agent-0123456789", "token-of-nobody-0123456789abc");
    let inner = upstream(good).start().await;
    let headers = json!({"authorization": format!("Bearer {good}")});
    let entry = json!({"type": "http", "url": inner.url(), "headers": headers});
    let server = Setup::new().upstream("inner", entry).start().await;
    server.upstreams(&["inner"], "connected").await;
    let client = Legacy::open(&server).await;
    until_tools(&client, "they are listed", |tools| has(tools, "inner__echo")).await;
    let given = async |token: &str| {
        upstream(token).write(inner.dir());
        inner.signal("HUP");
    };
    given(other).await;
    until("they are gone", || async {
        // A call finds out at once that the session is no more.
        client
            .ask("tools/call", json!({"name": "inner__echo", "arguments": {"message": "x"}}))
            .await;
        !has(&client.tools().await, "inner__echo")
    })
    .await;
    assert!(server.log().contains("refused our credentials"), "{}", server.log());
    given(good).await;
    until_tools(&client, "they are back", |tools| has(tools, "inner__echo")).await;
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn another_target_of_the_same_name_does_not_serve_the_tools_of_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let start = async |setup: Setup| setup.data_dir(&dir.path().join("data")).start().await;
    let at = |command: &Path| json!({"command": command, "args": []});
    std::fs::create_dir(dir.path().join("data")).unwrap();
    let server = start(Setup::new().upstream("fix", at(&fixture_path()))).await;
    let client = Legacy::open(&server).await;
    until_tools(&client, "they are listed", |tools| has(tools, "fix__sleep")).await;
    all_fresh(&server, &client).await;
    client.close().await;
    server.finish().await;

    let nowhere = dir.path().join("no-such-program");
    let server = start(Setup::new().upstream("fix", at(&nowhere))).await;
    let client = Legacy::open(&server).await;
    let (lists, marks) = everything(&server, &client).await;
    assert!(!lists[0].contains("fix__") && marks.is_empty(), "{}", lists[0]);
    client.close().await;
    server.finish().await;

    let server = start(Setup::new().upstream("fix", at(&fixture_path()))).await;
    let client = Legacy::open(&server).await;
    until_tools(&client, "they are listed", |tools| has(tools, "fix__sleep")).await;
    client.close().await;
    server.finish().await;
}

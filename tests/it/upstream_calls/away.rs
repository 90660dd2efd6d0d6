//! Real upstreams that are killed, kept down and brought back: their tools stay listed, calls wait
//! or are told in time what is missing, and soon after the return the next one succeeds.

use super::{listed, told};
use crate::{
    support::{
        Cut, Modern, Server, Setup, Wire, descendants, fixture_path, kill_all, node, text, tool,
        within,
    },
    upstreams::{EVERYTHING, everything_over_http},
};
use serde_json::{Value, json};
use std::{path::Path, time::Duration};
use tokio::time::Instant;

/// Kept down for so long; a call waits less.
const DOWN: Duration = Duration::from_secs(4);
const PARK: Duration = Duration::from_secs(2);
/// What a slow machine may add.
const SLOW: Duration = Duration::from_secs(5);

/// A program that only starts as long as that file is not there.
fn gated(gate: &Path, program: &Path, arguments: &[&Path]) -> Value {
    let script = format!("test ! -e '{}' && exec \"$0\" \"$@\"", gate.display());
    let mut all = vec![json!("-c"), json!(script), json!(program)];
    all.extend(arguments.iter().map(|argument| json!(argument)));
    json!({"command": "sh", "args": all})
}

/// What a client sees while `name` is down; it was taken down already. A call that was sent before
/// the server saw that may have run, and is told so: it is not of these.
async fn seen_while_down(server: &Server, name: &str, listed: &[String]) {
    server.upstreams(&[name], "failed").await;
    let client = Modern::new(server);
    let began = Instant::now();
    let echo = format!("{name}__echo");
    while began.elapsed() < DOWN {
        let asked = Instant::now();
        let result = client.call(&echo, json!({"message": "x"})).await;
        let waited = asked.elapsed();
        assert_eq!(told(&result), ("unavailable", "no"), "{result}");
        assert!(waited >= PARK - Duration::from_millis(100), "it gave up after {waited:?}");
        assert!(waited < PARK + SLOW, "it was told only after {waited:?}");
        assert!(result["_meta"]["mcp-orchestrator/retry_after_ms"].as_u64() > Some(0), "{result}");
        let says = text(&result);
        assert!(says.contains(name) && says.contains("did not run"), "{says}");
        assert!(says.contains("try again"), "{says}");
        assert_eq!(client.tools().await, listed, "the list stays");
    }
}

/// How long after its return a call succeeds that was sent at once.
async fn succeeds_again(server: &Server, name: &str) -> Duration {
    let (client, back) = (Modern::new(server), Instant::now());
    let echo = format!("{name}__echo");
    within(60, "a call succeeds again", async {
        loop {
            let result = client.call(&echo, json!({"message": "again"})).await;
            if told(&result).0.is_empty() {
                assert_eq!(text(&result), "Echo: again");
                break;
            }
        }
    })
    .await;
    back.elapsed()
}

#[tokio::test]
async fn a_real_server_over_stdio_that_is_kept_down_is_missed_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let gate = dir.path().join("down");
    let arguments = [&*tool(EVERYTHING), Path::new("stdio")];
    let server = Setup::new()
        .upstream("everything", gated(&gate, &node(), &arguments))
        .set("limits.park", PARK.as_secs_f64())
        .start()
        .await;
    listed(&server, "everything__echo").await;
    let listed = Modern::new(&server).tools().await;
    std::fs::write(&gate, "").unwrap();
    kill_all(&descendants(server.pid()));
    seen_while_down(&server, "everything", &listed).await;
    std::fs::remove_file(&gate).unwrap();
    let took = succeeds_again(&server, "everything").await;
    assert!(took < SLOW, "it took {took:?}");
    println!("stdio: a call succeeds {took:?} after it may start again");
    server.finish().await;
}

#[tokio::test]
async fn a_real_server_over_http_that_is_kept_down_is_missed_and_comes_back() {
    let (_peer, url) = everything_over_http().await;
    let wire = Wire::before(url.trim_end_matches("/mcp"), |_| Cut::None);
    let server = Setup::new()
        .upstream("remote", json!({"type": "http", "url": wire.url()}))
        .set("limits.park", PARK.as_secs_f64())
        .start()
        .await;
    listed(&server, "remote__echo").await;
    let listed = Modern::new(&server).tools().await;
    wire.down().await;
    seen_while_down(&server, "remote", &listed).await;
    wire.up();
    let took = succeeds_again(&server, "remote").await;
    assert!(took < SLOW, "it took {took:?}");
    println!("http: a call succeeds {took:?} after it listens again");
    server.finish().await;
}

#[tokio::test]
async fn a_call_that_comes_meanwhile_waits_and_succeeds() {
    let dir = tempfile::tempdir().unwrap();
    let gate = dir.path().join("down");
    let server = Setup::new().upstream("fix", gated(&gate, &fixture_path(), &[])).start().await;
    listed(&server, "fix__process_id").await;
    std::fs::write(&gate, "").unwrap();
    kill_all(&descendants(server.pid()));
    server.upstreams(&["fix"], "failed").await;
    let client = Modern::new(&server);
    let back = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        std::fs::remove_file(&gate).unwrap();
        Instant::now()
    };
    let call = async {
        let result = client.call("fix__process_id", json!({})).await;
        assert!(text(&result).parse::<u32>().is_ok(), "{result}");
        Instant::now()
    };
    let (back, answered) = tokio::join!(back, call);
    let took = answered.duration_since(back);
    println!("a parked call is answered {took:?} after the upstream may start again");
    let scrape = server.scrape().await;
    let cause = [("upstream", "fix"), ("cause", "exited")];
    // One or two: it speaks both eras, in a process each.
    assert!(scrape.sum("mcp_upstream_recovery_duration_seconds_count", &cause) >= 1.0);
    assert!(scrape.sum("mcp_upstream_recovery_duration_seconds_sum", &cause) > 0.5);
    assert_eq!(scrape.sum("mcp_calls_outcome_unknown_total", &[]), 0.0);
    server.finish().await;
}

#[tokio::test]
async fn who_asks_for_a_tool_of_a_server_that_never_came_is_told_of_that() {
    let server = Setup::new().upstream("gone", json!({"command": "no-such-program"})).start().await;
    server.upstreams(&["gone"], "failed").await;
    let client = Modern::new(&server);
    for (method, what) in [("tools/call", "tool"), ("prompts/get", "prompt")] {
        let refused = client.ask(method, json!({"name": "gone__x"})).await;
        assert_eq!(refused["error"]["code"], -32602, "{refused}");
        let why = "The MCP server `gone`, which may have it, is not available (cannot start \
                   `no-such-program`: there is no such program).";
        assert_eq!(refused["error"]["message"], format!("Unknown {what}: gone__x. {why}"));
        let refused = client.ask(method, json!({"name": "gone_x"})).await;
        assert_eq!(refused["error"]["message"], format!("Unknown {what}: gone_x"));
    }
    server.finish().await;
}

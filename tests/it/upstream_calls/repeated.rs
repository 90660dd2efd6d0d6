//! What may be sent again after its answer was lost, and what not; and calls that take long.

use super::{far, listed, over, told};
use crate::support::{Cut, Legacy, Modern, Server, Setup, Wire, text};
use serde_json::json;
use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

/// Cuts the first request that says this, after the upstream has it.
fn first_with(word: &'static str) -> impl Fn(&str) -> Cut + Send + Sync {
    let done = AtomicBool::new(false);
    move |request| {
        let cut = request.contains(word) && !done.swap(true, Ordering::SeqCst);
        if cut { Cut::After } else { Cut::None }
    }
}

/// A server whose first request that says `word` loses its answer.
async fn losing(
    word: &'static str,
    log: &Path,
    change: impl FnOnce(Setup) -> Setup,
) -> (Server, Server, Wire) {
    let far = far(log).await;
    let wire = Wire::before(far.base(), first_with(word));
    let server = change(over(&wire, &far, "modern")).start().await;
    listed(&server, "far__record").await;
    (server, far, wire)
}

async fn decided(server: &Server, decision: &str) -> f64 {
    server.scrape().await.sum("mcp_replays_total", &[("decision", decision)])
}

#[tokio::test]
async fn a_tool_that_is_declared_harmless_is_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("ran");
    let (server, _far, _wire) = losing("meta_echo", &log, |setup| setup).await;
    let result = Modern::new(&server).call("far__meta_echo", json!({})).await;
    assert_eq!(result["x-fixture"]["kept"], true, "{result}");
    assert_eq!(decided(&server, "resent").await, 1.0);
    server.finish().await;
}

#[tokio::test]
async fn hints_need_not_be_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("ran");
    let distrust = |setup: Setup| setup.set("upstreams.far.trust_hints", false);
    let (server, _far, _wire) = losing("meta_echo", &log, distrust).await;
    let result = Modern::new(&server).call("far__meta_echo", json!({})).await;
    assert_eq!(told(&result), ("outcome_unknown", "unknown"), "{result}");
    assert_eq!(decided(&server, "refused_unsafe").await, 1.0);
    server.finish().await;
}

#[tokio::test]
async fn a_tool_that_the_config_names_is_sent_again_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("ran");
    let names = |names: &[&str]| {
        let names = names.iter().map(|name| toml::Value::from(*name)).collect::<Vec<_>>();
        move |setup: Setup| setup.set("upstreams.far.safe_to_repeat", names)
    };
    let (server, _far, _wire) = losing("record", &log, names(&["record"])).await;
    let result = Modern::new(&server).call("far__record", json!({"key": "mine"})).await;
    assert_eq!(text(&result), "mine");
    server.finish().await;
    let (server, _far, _wire) = losing("record", &log, names(&["other"])).await;
    let result = Modern::new(&server).call("far__record", json!({"key": "mine"})).await;
    assert_eq!(told(&result), ("outcome_unknown", "unknown"), "{result}");
    server.finish().await;
}

#[tokio::test]
async fn a_method_that_reads_is_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _far, _wire) = losing("prompts/get", &dir.path().join("ran"), |setup| setup).await;
    let prompt = json!({"name": "far__test_simple_prompt"});
    let answer = Modern::new(&server).ask("prompts/get", prompt).await;
    assert!(answer["result"]["messages"].is_array(), "{answer}");
    assert_eq!(decided(&server, "resent").await, 1.0);
    server.finish().await;
}

#[tokio::test]
async fn progress_gives_a_call_its_time_anew_up_to_the_ceiling() {
    let slow = |steps: u32| {
        json!({"name": "fix__count_progress", "arguments": {"steps": steps, "delay_ms": 500},
            "_meta": {"progressToken": "mine"}})
    };
    let server = Setup::new()
        .fixture("fix", json!({}))
        .set("limits.tool_timeout", 2.0)
        .set("limits.tool_ceiling", 5.0)
        .start()
        .await;
    listed(&server, "fix__count_progress").await;
    let client = Legacy::open(&server).await;
    let counted = client.ask("tools/call", slow(7)).await["result"].clone();
    assert_eq!(text(&counted), "counted to 7", "longer than its timeout");
    let cut_short = client.ask("tools/call", slow(60)).await["result"].clone();
    assert_eq!(told(&cut_short), ("outcome_unknown", "unknown"), "{cut_short}");
    client.close().await;
    server.finish().await;
}

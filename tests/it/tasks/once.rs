//! At most once, whatever breaks: the answer of an upstream, or we ourselves.

use super::{begin, client, get, logged, reaches, start, with_long_running};
use crate::{
    support::{Cut, Server, Wire, until},
    upstream_calls::{far, listed, over},
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};

const MANY: usize = 60;

#[tokio::test]
async fn a_call_whose_answer_is_lost_is_not_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let far = far(&log).await;
    let done = AtomicBool::new(false);
    let wire = Wire::before(far.base(), move |request| {
        let cut = request.contains("mine") && !done.swap(true, Ordering::SeqCst);
        if cut { Cut::After } else { Cut::None }
    });
    let names = vec![toml::Value::from("record")];
    let setup = over(&wire, &far, "modern").set("upstreams.far.long_running", names);
    let server = setup.start().await;
    listed(&server, "far__record").await;
    let client = client(&server);
    let id = begin(&client, "far__record", json!({"key": "mine"})).await;
    let told = reaches(&client, &id, "completed").await;
    let meta = &told["result"]["_meta"];
    assert_eq!(meta["mcp-orchestrator/code"], "outcome_unknown", "{told}");
    // What is repeated by a client is a task of its own.
    let again = begin(&client, "far__record", json!({"key": "again"})).await;
    assert_ne!(again, id);
    reaches(&client, &again, "completed").await;
    assert_eq!(logged(&log, "ran again"), 1);
    // The upstream had the lost one whole, and may have taken the cut for a cancel.
    assert!(logged(&log, "ran mine") <= 1);
    assert_eq!(wire.cuts(), (0, 1), "it was cut once, after a byte of it had come");
    server.finish().await;
}

/// Begins many tasks at once: every second one ends soon, the others last.
async fn many(server: &Server) -> Vec<String> {
    let client = client(server);
    let calls = (0..MANY).map(|number| {
        let ms = if number % 2 == 0 { 0 } else { 600_000 };
        begin(&client, "fix__record", json!({"key": format!("k{number}"), "ms": ms}))
    });
    join_all(calls).await
}

async fn statuses(server: &Server, tasks: &[String]) -> Vec<Value> {
    let client = client(server);
    join_all(tasks.iter().map(|id| get(&client, id))).await
}

#[tokio::test]
async fn of_many_tasks_none_is_lost_and_none_runs_twice_over_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let mut server = start(with_long_running(&log, &["record"])).await;
    let tasks = many(&server).await;
    let half = |told: &[Value]| {
        told.iter().filter(|told| told["status"] == "completed").count() == MANY / 2
    };
    until("half of them have ended", || async { half(&statuses(&server, &tasks).await) }).await;
    server.start_again("KILL").await;
    let told = statuses(&server, &tasks).await;
    for (number, told) in told.iter().enumerate() {
        let ran = logged(&log, &format!("ran k{number}"));
        if told["status"] == "completed" {
            assert_eq!(ran, 1, "{told}");
        } else {
            assert_eq!(told["error"]["data"]["code"], "outcome_unknown", "{told}");
            assert!(ran <= 1, "{told}");
        }
    }
    // The last of those that ended may not have been written yet, but was made all the same.
    let kept = told.iter().filter(|told| told["status"] == "completed").count();
    assert!(kept > MANY / 4 && kept <= MANY / 2, "{kept} of {MANY} are known to have ended");
    listed(&server, "fix__record").await;
    server.finish().await;
}

//! A restart loses no task, makes no call twice, and tells the truth of those that ran.

use super::{begin, client, get, logged, reaches, start, with_long_running};
use crate::support::{text, until};
use serde_json::json;

async fn tasks_outlive(signal: &str) {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let mut server = start(with_long_running(&log, &["record"]).set("drain", 0.1)).await;
    let (done, running) = {
        let client = client(&server);
        let done = begin(&client, "fix__record", json!({"key": "done"})).await;
        reaches(&client, &done, "completed").await;
        let slow = json!({"key": "slow", "ms": 600_000});
        let running = begin(&client, "fix__record", slow).await;
        until("it runs", || async { logged(&log, "ran slow") == 1 }).await;
        assert_eq!(get(&client, &running).await["status"], "working");
        (done, running)
    };
    server.start_again(signal).await;
    let client = client(&server);
    let told = get(&client, &done).await;
    assert_eq!((&told["status"], text(&told["result"])), (&json!("completed"), "done"), "{signal}");
    let told = get(&client, &running).await;
    assert_eq!(told["status"], "failed", "{signal}: {told}");
    let unknown = json!({"code": "outcome_unknown", "ran": "unknown"});
    assert_eq!(told["error"]["data"], unknown, "{signal}: {told}");
    crate::upstream_calls::listed(&server, "fix__record").await;
    assert_eq!((logged(&log, "ran slow"), logged(&log, "ran done")), (1, 1), "{signal}");
    server.finish().await;
}

#[tokio::test]
async fn tasks_outlive_a_stop() {
    tasks_outlive("TERM").await;
}

#[tokio::test]
async fn tasks_outlive_a_kill() {
    tasks_outlive("KILL").await;
}

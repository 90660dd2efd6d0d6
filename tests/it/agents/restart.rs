//! A restart loses no task and runs none twice.

use super::{agents, give, result, told, with_agents};
use crate::support::Legacy;
use serde_json::json;

async fn tasks_outlive(signal: &str) {
    let mut server = with_agents().set("drain", 0.1).start().await;
    let (session, done, running, repeatable, waiting, before) = {
        let client = Legacy::open(&server).await;
        told(&client, "agent_spawn", json!({"count": 2})).await;
        let before = agents(&client, "idle", 2).await;
        let done = give(&client, "done before", 0).await;
        assert_eq!(result(&client, &done).await["state"], "completed");
        let running = give(&client, "runs", 600_000).await;
        let wait = json!({"task": "may be repeated", "tool": "wait", "arguments": {"ms": 2_000}});
        let repeatable = told(&client, "task_orchestrate", wait).await;
        let repeatable = repeatable["taskId"].as_str().unwrap().to_owned();
        agents(&client, "busy", 2).await;
        let mut waiting = Vec::new();
        for n in 0..5 {
            waiting.push(give(&client, &format!("waits {n}"), 1).await);
        }
        (client.session, done, running, repeatable, waiting, before)
    };
    server.start_again(signal).await;
    let client = Legacy::knowing(&server, &session);
    assert_eq!(result(&client, &done).await["state"], "completed", "{signal}: a result is kept");
    let lost = result(&client, &running).await;
    assert_eq!(lost["error"]["code"], "outcome_unknown", "{signal}: {lost}");
    for id in waiting.iter().chain([&repeatable]) {
        let end = result(&client, id).await;
        assert_eq!(end["state"], "completed", "{signal}: {end}");
    }
    let detail = told(&client, "task_status", json!({"taskId": repeatable})).await;
    assert_eq!(detail["attempts"], 2, "{signal}: {detail}");
    let ids = |list: &[serde_json::Value]| {
        list.iter().map(|agent| agent["id"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&agents(&client, "idle", 2).await), ids(&before), "{signal}");
    client.close().await;
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

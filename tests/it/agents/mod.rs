//! Agents and tasks: what is offered when, who sees what, and that each task ends once.

mod caps;
mod config;
mod many;
mod restart;

use crate::support::{Legacy, Server, Setup, until_within};
use serde_json::{Value, json};

/// A server whose clients may start agents.
fn with_agents() -> Setup {
    Setup::new().arg("--agents")
}

/// What a tool of ours answers, also when it is a failure.
async fn told(client: &Legacy<'_>, tool: &str, arguments: Value) -> Value {
    client.call(tool, arguments).await["structuredContent"].clone()
}

/// Gives a task of that many milliseconds; its id.
async fn give(client: &Legacy<'_>, task: &str, ms: u64) -> String {
    let given = told(client, "task_orchestrate", perform(task, ms)).await;
    given["taskId"].as_str().unwrap_or_else(|| panic!("{given}")).to_owned()
}

fn perform(task: &str, ms: u64) -> Value {
    json!({"task": task, "arguments": {"ms": ms}})
}

/// Waits for the end of a task; what came of it.
async fn result(client: &Legacy<'_>, id: &str) -> Value {
    told(client, "task_results", json!({"taskId": id, "wait": 30})).await
}

/// Waits until so many agents are in that state; all of them.
async fn agents(client: &Legacy<'_>, state: &str, count: usize) -> Vec<Value> {
    let list = async || told(client, "agent_list", json!({})).await["agents"].clone();
    let in_state = |list: &Value| {
        let all = list.as_array().expect("a list");
        all.iter().filter(|agent| agent["state"] == state).count()
    };
    until_within(40, &format!("{count} agents are {state}"), || async {
        in_state(&list().await) == count
    })
    .await;
    list().await.as_array().expect("a list").clone()
}

/// Processes below the server that wait to be reaped.
fn zombies(server: &Server) -> Vec<u32> {
    let children = crate::support::descendants(server.pid());
    let is_zombie = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))
    };
    children.into_iter().filter(is_zombie).collect()
}

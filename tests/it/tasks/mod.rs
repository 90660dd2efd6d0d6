//! The tasks extension: a call that is answered with a task survives the cut of its connection, is
//! its principal's alone, and tells the truth of its end.

mod agents;
mod kept;
mod listening;
mod once;
mod questions;
mod relayed;
mod restart;

use crate::support::{Modern, Server, Setup, fixture_path, until_within};
use serde_json::{Value, json};
use std::path::Path;

const TASKS: &str = "io.modelcontextprotocol/tasks";

/// A server with the fixture, whose tools of these names become tasks.
fn with_long_running(log: &Path, tools: &[&str]) -> Setup {
    let tools: Vec<toml::Value> = tools.iter().map(|tool| (*tool).into()).collect();
    Setup::new()
        .set("upstreams.fix.command", fixture_path().to_str().expect("UTF-8"))
        .set("upstreams.fix.env.FIXTURE_LOG", log.to_str().expect("UTF-8"))
        .set("upstreams.fix.long_running", tools)
}

async fn start(setup: Setup) -> Server {
    let server = setup.start().await;
    crate::upstream_calls::listed(&server, "fix__sleep").await;
    server
}

/// What a client declares that takes tasks, and answers questions.
fn takes_tasks() -> Value {
    json!({ "elicitation": {}, "sampling": {}, "roots": {}, "extensions": { TASKS: {} } })
}

fn client(server: &Server) -> Modern<'_> {
    Modern::with(server, "takes-tasks", takes_tasks())
}

/// Calls a tool, which must be answered with a task; its id.
async fn begin(client: &Modern<'_>, tool: &str, arguments: Value) -> String {
    let created = client.call(tool, arguments).await;
    assert_eq!(created["resultType"], "task", "{created}");
    assert!(created["ttlMs"].as_u64().is_some_and(|ttl| ttl > 0), "{created}");
    for member in ["result", "error", "inputRequests", "requestState"] {
        assert!(created.get(member).is_none(), "{created}");
    }
    created["taskId"].as_str().unwrap_or_else(|| panic!("{created}")).to_owned()
}

/// Asks how a task is; fails the test if there is none.
async fn get(client: &Modern<'_>, id: &str) -> Value {
    let answer = client.ask("tasks/get", json!({ "taskId": id })).await;
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    assert_eq!(answer["result"]["taskId"], id, "{answer}");
    answer["result"].clone()
}

/// Waits until a task has that status; all that is told of it then.
async fn reaches(client: &Modern<'_>, id: &str, status: &str) -> Value {
    until_within(30, &format!("the task is {status}"), || async {
        let told = get(client, id).await;
        let is_over = ["completed", "failed", "cancelled"].iter().any(|end| told["status"] == *end);
        assert!(!is_over || told["status"] == status, "{told}");
        told["status"] == status
    })
    .await;
    get(client, id).await
}

/// Sends a request about a task that is only acknowledged.
async fn acknowledged(client: &Modern<'_>, method: &str, params: Value) {
    let answer = client.ask(method, params).await;
    let result = answer["result"].as_object().unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(result["resultType"], "complete", "{answer}");
    assert!(result.keys().all(|key| key == "resultType" || key == "_meta"), "{answer}");
}

/// Asks all three things about a task; the codes of the errors.
async fn codes(client: &Modern<'_>, id: &str) -> Vec<Value> {
    let mut codes = Vec::new();
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let params = json!({ "taskId": id, "inputResponses": {} });
        codes.push(client.ask(method, params).await["error"]["code"].clone());
    }
    codes
}

/// How often a line stands in the fixture's log.
fn logged(log: &Path, line: &str) -> usize {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().filter(|logged| *logged == line).count()
}

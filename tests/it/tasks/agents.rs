//! `task_orchestrate` for clients that take tasks: the task of the agent is theirs.

use super::{acknowledged, begin, client, codes, get, reaches};
use crate::support::{Setup, text};
use serde_json::json;

#[tokio::test]
async fn a_task_given_to_an_agent_is_told_of_by_the_extension() {
    let server = Setup::new().arg("--agents").start().await;
    let client = client(&server);
    let task = json!({"task": "count", "arguments": {"ms": 300}});
    let id = begin(&client, "task_orchestrate", task).await;
    let told = get(&client, &id).await;
    assert_eq!(
        (&told["status"], &told["statusMessage"]),
        (&json!("working"), &json!("It waits for an agent."))
    );
    client.call("agent_spawn", json!({})).await;
    let told = reaches(&client, &id, "completed").await;
    assert!(!text(&told["result"]).is_empty(), "{told}");
    // The tools know it by the same id.
    let results = client.call("task_results", json!({"taskId": id})).await;
    assert_eq!(results["structuredContent"]["state"], "completed", "{results}");
    let slow = json!({"task": "slow", "arguments": {"ms": 600_000}});
    let id = begin(&client, "task_orchestrate", slow).await;
    acknowledged(&client, "tasks/cancel", json!({"taskId": id})).await;
    reaches(&client, &id, "cancelled").await;
    acknowledged(&client, "tasks/update", json!({"taskId": id, "inputResponses": {}})).await;
    let unknown = json!({"task": "unknown tool", "tool": "none"});
    let id = begin(&client, "task_orchestrate", unknown).await;
    let told = reaches(&client, &id, "failed").await;
    assert_eq!(told["error"]["data"], json!({"code": "unknown_tool", "ran": "no"}), "{told}");
    // What is refused is no task.
    let refused = client.call("task_orchestrate", json!({"task": "x", "agents": "none"})).await;
    assert_eq!((&refused["resultType"], &refused["isError"]), (&json!("complete"), &json!(true)));
    server.finish().await;
}

#[tokio::test]
async fn not_even_the_operator_has_anothers_task() {
    let setup = Setup::new().arg("--agents").two_principals();
    let mut server = setup.start().await;
    let main = server.token().to_owned();
    server = server.with_token("token-of-alice-0123456789");
    let id = begin(&client(&server), "task_orchestrate", json!({"task": "hers"})).await;
    for other in ["token-of-bob-0123456789", &main] {
        server = server.with_token(other);
        assert_eq!(codes(&client(&server), &id).await, [-32602, -32602, -32602]);
    }
    server.finish().await;
}

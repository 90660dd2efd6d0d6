//! Questions inside a task: an upstream that asks in rounds makes it wait for its client.

use super::{acknowledged, begin, client, get, reaches, start, with_long_running};
use crate::support::{Server, text};
use serde_json::{Value, json};

async fn server() -> (Server, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let tools = ["test_input_required_result_*"];
    (start(with_long_running(&dir.path().join("log"), &tools)).await, dir)
}

fn only_key(told: &Value) -> String {
    let asked = told["inputRequests"].as_object().unwrap_or_else(|| panic!("{told}"));
    assert_eq!(asked.len(), 1, "{told}");
    asked.keys().next().unwrap().clone()
}

fn says(member: &str, value: &str) -> Value {
    json!({"action": "accept", "content": {member: value}})
}

#[tokio::test]
async fn each_round_asks_under_keys_of_its_own_and_survives_a_kill() {
    let (mut server, _dir) = server().await;
    let (id, first) = {
        let client = client(&server);
        let tool = "fix__test_input_required_result_multi_round";
        let id = begin(&client, tool, json!({})).await;
        let told = reaches(&client, &id, "input_required").await;
        let first = only_key(&told);
        assert_eq!(told["inputRequests"][&first]["method"], "elicitation/create", "{told}");
        let params = json!({"taskId": id, "inputResponses": {&first: says("name", "Anna")}});
        acknowledged(&client, "tasks/update", params).await;
        (id, first)
    };
    let second = {
        let client = client(&server);
        crate::support::until("the second round asks", || async {
            let told = get(&client, &id).await;
            told["status"] == "input_required" && only_key(&told) != first
        })
        .await;
        only_key(&get(&client, &id).await)
    };
    server.start_again("KILL").await;
    crate::upstream_calls::listed(&server, "fix__sleep").await;
    {
        let client = client(&server);
        assert_eq!(only_key(&get(&client, &id).await), second, "it waits on");
        // What was answered, and what nobody asked, is passed over.
        let params = json!({"taskId": id, "inputResponses": {&first: {}, "other": {}}});
        acknowledged(&client, "tasks/update", params).await;
        assert_eq!(get(&client, &id).await["status"], "input_required");
        let params = json!({"taskId": id, "inputResponses": {&second: says("color", "blue")}});
        acknowledged(&client, "tasks/update", params).await;
        let told = reaches(&client, &id, "completed").await;
        assert_eq!(text(&told["result"]), "Anna likes blue.", "{told}");
    }
    server.finish().await;
}

#[tokio::test]
async fn answers_may_come_one_by_one() {
    let (server, _dir) = server().await;
    let client = client(&server);
    let tool = "fix__test_input_required_result_multiple_inputs";
    let id = begin(&client, tool, json!({})).await;
    let told = reaches(&client, &id, "input_required").await;
    let mut left: Vec<String> =
        told["inputRequests"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(left.len(), 3, "{told}");
    while let Some(key) = left.pop() {
        let params = json!({"taskId": id, "inputResponses": {&key: {"given": key}}});
        acknowledged(&client, "tasks/update", params).await;
        if !left.is_empty() {
            let asked = get(&client, &id).await["inputRequests"].clone();
            let keys: Vec<String> = asked.as_object().unwrap().keys().cloned().collect();
            assert_eq!(keys, left, "{asked}");
        }
    }
    let told = reaches(&client, &id, "completed").await;
    assert_eq!(text(&told["result"]).matches("given").count(), 3, "{told}");
    let wrong = json!({"taskId": id, "inputResponses": 7});
    assert_eq!(client.ask("tasks/update", wrong).await["error"]["code"], -32602);
    server.finish().await;
}

#[tokio::test]
async fn one_that_waits_can_be_given_up() {
    let (server, _dir) = server().await;
    let client = client(&server);
    let tool = "fix__test_input_required_result_elicitation";
    let id = begin(&client, tool, json!({})).await;
    let key = only_key(&reaches(&client, &id, "input_required").await);
    acknowledged(&client, "tasks/cancel", json!({"taskId": id})).await;
    assert_eq!(get(&client, &id).await["status"], "cancelled");
    let params = json!({"taskId": id, "inputResponses": {&key: says("name", "late")}});
    acknowledged(&client, "tasks/update", params).await;
    assert_eq!(get(&client, &id).await["status"], "cancelled", "an end is for good");
    server.finish().await;
}

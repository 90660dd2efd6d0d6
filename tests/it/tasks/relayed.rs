//! Tasks that an upstream makes itself: clients know them by ids of ours.

use super::{acknowledged, begin, client, codes, get, logged, reaches, start, with_long_running};
use crate::{
    support::{Cut, Modern, Wire, text, until},
    upstream_calls::{far, listed, over},
};
use serde_json::{Value, json};

#[tokio::test]
async fn every_request_finds_the_upstream_and_nobody_else_the_task() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let setup = with_long_running(&log, &[]).two_principals();
    let mut server = start(setup).await.with_token("token-of-alice-0123456789");
    let id = {
        let alice = client(&server);
        let slow = json!({"seconds": 600, "label": "slow"});
        let id = begin(&alice, "fix__slow_compute", slow).await;
        assert!(!id.contains("fixture"), "the upstream's own id is not told: {id}");
        assert_eq!(get(&alice, &id).await["status"], "working");
        id
    };
    server = server.with_token("token-of-bob-0123456789");
    {
        let bob = client(&server);
        assert_eq!(codes(&bob, &id).await, [-32602, -32602, -32602]);
        assert_eq!(codes(&bob, "fixture-1").await, [-32602, -32602, -32602]);
    }
    server = server.with_token("token-of-alice-0123456789");
    {
        let alice = client(&server);
        assert_eq!(get(&alice, &id).await["status"], "working");
        acknowledged(&alice, "tasks/cancel", json!({"taskId": id})).await;
        reaches(&alice, &id, "cancelled").await;
        until("the work ends", || async { logged(&log, "cancelled slow") == 1 }).await;
        let confirmed = begin(&alice, "fix__confirm_delete", json!({})).await;
        let told = reaches(&alice, &confirmed, "input_required").await;
        assert!(told["inputRequests"]["confirm"].is_object(), "{told}");
        let answer = json!({"action": "accept", "content": {"confirm": true}});
        let params = json!({"taskId": confirmed, "inputResponses": {"confirm": answer}});
        acknowledged(&alice, "tasks/update", params).await;
        let told = reaches(&alice, &confirmed, "completed").await;
        assert_eq!(text(&told["result"]), "confirmed: true", "{told}");
        let failed = begin(&alice, "fix__protocol_error_job", json!({})).await;
        assert_eq!(reaches(&alice, &failed, "failed").await["error"]["code"], -32603);
    }
    server.finish().await;
}

#[tokio::test]
async fn who_listens_hears_what_an_upstream_tells_of_its_task() {
    let dir = tempfile::tempdir().unwrap();
    let setup = with_long_running(&dir.path().join("log"), &[]).two_principals();
    let mut server = start(setup).await.with_token("token-of-alice-0123456789");
    let wants = |id: &str| json!({"notifications": {"taskIds": [id]}});
    let id = begin(&client(&server), "fix__confirm_delete", json!({})).await;
    server = server.with_token("token-of-bob-0123456789");
    {
        let mut stream = client(&server).start("subscriptions/listen", wants(&id)).await;
        let taken = stream.method("notifications/subscriptions/acknowledged").await;
        assert_eq!(taken["params"]["notifications"], json!({}), "it is not his");
    }
    server = server.with_token("token-of-alice-0123456789");
    {
        let alice = client(&server);
        let mut stream = alice.start("subscriptions/listen", wants(&id)).await;
        let taken = stream.method("notifications/subscriptions/acknowledged").await;
        assert_eq!(taken["params"]["notifications"], json!({"taskIds": [id]}));
        let key = "io.modelcontextprotocol/subscriptionId";
        let ours = &taken["params"]["_meta"][key];
        let first = stream.method("notifications/tasks").await;
        assert_eq!(first["params"]["taskId"], id, "how it is, first of all: {first}");
        assert_eq!(&first["params"]["_meta"], &json!({key: ours}), "{first}");
        assert!(first["params"].get("resultType").is_none(), "{first}");
        reaches(&alice, &id, "input_required").await;
        let answer = json!({"action": "accept", "content": {"confirm": true}});
        let params = json!({"taskId": id, "inputResponses": {"confirm": answer}});
        acknowledged(&alice, "tasks/update", params).await;
        let is_over = |told: &Value| told["params"]["status"] == "completed";
        let told = stream.find("its end", is_over).await;
        assert_eq!((&told["params"]["taskId"], &told["params"]["_meta"][key]), (&json!(id), ours));
        assert_eq!(text(&told["params"]["result"]), "confirmed: true", "{told}");
    }
    server.finish().await;
}

#[tokio::test]
async fn one_principal_listens_for_tasks_of_an_upstream_a_bounded_number_of_times() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(with_long_running(&dir.path().join("log"), &[])).await;
    let alice = client(&server);
    let id = begin(&alice, "fix__slow_compute", json!({"seconds": 600, "label": "slow"})).await;
    let wants = json!({"notifications": {"taskIds": [id]}});
    let mut streams = Vec::new();
    for _ in 0..32 {
        let mut stream = alice.start("subscriptions/listen", wants.clone()).await;
        stream.method("notifications/subscriptions/acknowledged").await;
        streams.push(stream);
    }
    let reply = alice.ask("subscriptions/listen", wants).await;
    let message = reply["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("subscriptions to tasks of that upstream"), "{reply:?}");
    drop(streams);
    acknowledged(&alice, "tasks/cancel", json!({"taskId": id})).await;
    server.finish().await;
}

#[tokio::test]
async fn who_does_not_take_tasks_is_told_so_by_a_tool_that_needs_them() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(with_long_running(&dir.path().join("log"), &[])).await;
    let plain = Modern::new(&server);
    let answer =
        plain.ask("tools/call", json!({"name": "fix__failing_job", "arguments": {}})).await;
    assert_eq!(answer["error"]["code"], -32021, "{answer}");
    let result = plain.call("fix__slow_compute", json!({"seconds": 0})).await;
    assert_eq!(text(&result), "computed for 0 s");
    server.finish().await;
    // Nobody takes tasks of a server that serves none.
    let setup = with_long_running(&dir.path().join("log"), &[]).set("tasks.enabled", false);
    let server = start(setup).await;
    let result = client(&server).call("fix__slow_compute", json!({"seconds": 0})).await;
    assert_eq!(result["resultType"], "complete", "{result}");
    server.finish().await;
}

#[tokio::test]
async fn an_upstreams_task_outlives_our_restart_and_a_lost_answer() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let far = far(&log).await;
    let lost = std::sync::atomic::AtomicBool::new(false);
    // The first answer about the task is lost on its way to us.
    let wire = Wire::before(far.base(), move |request| {
        let is_first =
            request.contains("tasks/get") && !lost.swap(true, std::sync::atomic::Ordering::SeqCst);
        if is_first { Cut::After } else { Cut::None }
    });
    let mut server = over(&wire, &far, "modern").start().await;
    listed(&server, "far__slow_compute").await;
    let slow = json!({"seconds": 3, "label": "slow"});
    let id = begin(&client(&server), "far__slow_compute", slow).await;
    assert_eq!(get(&client(&server), &id).await["status"], "working", "asked for again");
    server.start_again("KILL").await;
    listed(&server, "far__slow_compute").await;
    let told: Value = reaches(&client(&server), &id, "completed").await;
    assert_eq!(text(&told["result"]), "computed for 3 s", "{told}");
    assert_eq!(logged(&log, "start slow"), 1);
    server.finish().await;
}

//! Calls of an upstream's long-running tools, as tasks that are kept here.

use super::{
    TASKS, acknowledged, begin, client, codes, get, logged, reaches, start, takes_tasks,
    with_long_running,
};
use crate::support::{Legacy, Modern, Setup, text, until};
use serde_json::json;

#[tokio::test]
async fn a_call_goes_on_without_its_connection_and_runs_once() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let server = start(with_long_running(&log, &["rec*"])).await;
    // Each request of this client has a connection of its own, which ends with its answer.
    let client = client(&server);
    let id = begin(&client, "fix__record", json!({"key": "mine", "ms": 1_500})).await;
    assert_eq!(get(&client, &id).await["status"], "working");
    let told = reaches(&client, &id, "completed").await;
    assert_eq!(text(&told["result"]), "mine", "{told}");
    assert_eq!(get(&client, &id).await, told, "it stays as it is");
    assert_eq!(logged(&log, "ran mine"), 1);
    assert_eq!(codes(&client, "no-such-task").await, [-32602, -32602, -32602]);
    let scrape = server.scrape().await;
    let ended = |method: &str, status: &str| {
        scrape.sum("mcp_requests_total", &[("method", method), ("status", status)])
    };
    assert_eq!(ended("tools/call", "ok"), 1.0, "a task counts as one");
    assert!(ended("tasks/get", "ok") >= 3.0);
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        assert_eq!(ended(method, "client_error"), 1.0, "{method}");
    }
    server.finish().await;
}

#[tokio::test]
async fn who_does_not_take_tasks_gets_the_result_and_is_told_what_tasks_need() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(with_long_running(&dir.path().join("log"), &["sleep"])).await;
    let plain = Modern::with(&server, "plain", json!({"elicitation": {}}));
    let legacy = Legacy::open(&server).await;
    assert_eq!(text(&plain.call("fix__sleep", json!({"ms": 1})).await), "slept 1 ms");
    assert_eq!(text(&legacy.call("fix__sleep", json!({"ms": 1})).await), "slept 1 ms");
    assert_eq!(codes(&plain, "any").await, [-32021, -32021, -32021]);
    let answer = plain.ask("tasks/get", json!({"taskId": "any"})).await;
    let wanted = json!({"requiredCapabilities": {"extensions": {TASKS: {}}}});
    assert_eq!(answer["error"]["data"], wanted, "{answer}");
    // One request may declare what the others do not.
    let meta = json!({"io.modelcontextprotocol/clientCapabilities": takes_tasks()});
    let params = json!({"name": "fix__sleep", "arguments": {"ms": 1}, "_meta": meta});
    assert_eq!(plain.call_with(params).await["resultType"], "task");
    for method in ["tasks/list", "tasks/result"] {
        let answer = client(&server).ask(method, json!({})).await;
        assert_eq!(answer["error"]["code"], -32601, "{answer}");
    }
    let answer = legacy.ask("tasks/get", json!({"taskId": "any"})).await;
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
    legacy.close().await;
    server.finish().await;
}

#[tokio::test]
async fn a_task_is_its_principals_alone() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let setup = with_long_running(&log, &["sleep"]).two_principals();
    let mut server = start(setup).await.with_token("token-of-alice-0123456789");
    let id = begin(&client(&server), "fix__sleep", json!({"ms": 600_000, "key": "hers"})).await;
    server = server.with_token("token-of-bob-0123456789");
    assert_eq!(codes(&client(&server), &id).await, [-32602, -32602, -32602]);
    server = server.with_token("token-of-alice-0123456789");
    {
        let alice = client(&server);
        assert_eq!(get(&alice, &id).await["status"], "working", "nobody else has cancelled it");
        acknowledged(&alice, "tasks/cancel", json!({"taskId": id})).await;
        let told = reaches(&alice, &id, "cancelled").await;
        assert!(told.get("result").is_none() && told.get("error").is_none(), "{told}");
        until("the upstream hears of it", || async { logged(&log, "cancelled hers") == 1 }).await;
        acknowledged(&alice, "tasks/cancel", json!({"taskId": id})).await;
    }
    server.finish().await;
}

#[tokio::test]
async fn it_ends_as_the_call_would_have() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(with_long_running(&dir.path().join("log"), &["*"])).await;
    let client = client(&server);
    let id = begin(&client, "fix__rpc_error", json!({"code": -32603})).await;
    let told = reaches(&client, &id, "failed").await;
    let error =
        json!({"code": -32603, "message": "An error on request", "data": {"asked": -32603}});
    assert_eq!(told["error"], error, "{told}");
    assert!(told.get("result").is_none(), "{told}");
    let id = begin(&client, "fix__test_error_handling", json!({})).await;
    let told = reaches(&client, &id, "completed").await;
    assert_eq!(told["result"]["isError"], true, "{told}");
    // The upstream dies with the answer.
    let id = begin(&client, "fix__crash", json!({})).await;
    let told = reaches(&client, &id, "completed").await;
    let code = &told["result"]["_meta"]["mcp-orchestrator/code"];
    assert_eq!((code, &told["result"]["isError"]), (&json!("outcome_unknown"), &json!(true)));
    server.finish().await;
}

#[tokio::test]
async fn beyond_the_bound_a_call_is_answered_as_any_other_and_time_makes_room() {
    let dir = tempfile::tempdir().unwrap();
    let setup = with_long_running(&dir.path().join("log"), &["sleep"]);
    let server = start(setup.set("tasks.most", 1).set("tasks.ttl", 1.0)).await;
    let client = client(&server);
    let id = begin(&client, "fix__sleep", json!({"ms": 600_000})).await;
    let plain = client.call("fix__sleep", json!({"ms": 1})).await;
    assert_eq!(text(&plain), "slept 1 ms", "{plain}");
    acknowledged(&client, "tasks/cancel", json!({"taskId": id})).await;
    reaches(&client, &id, "cancelled").await;
    until("it goes in its time", || async {
        client.ask("tasks/get", json!({"taskId": id})).await["error"]["code"] == -32602
    })
    .await;
    begin(&client, "fix__sleep", json!({"ms": 1})).await;
    server.finish().await;
}

#[tokio::test]
async fn it_is_declared_where_it_is_served() {
    let discovered = async |setup: Setup| {
        let server = setup.start().await;
        let client = client(&server);
        let result = client.ask("server/discover", json!({})).await["result"].clone();
        let code = client.ask("tasks/get", json!({"taskId": "x"})).await["error"]["code"].clone();
        server.finish().await;
        (result["capabilities"]["extensions"].clone(), code)
    };
    let (extensions, code) = discovered(Setup::new()).await;
    assert_eq!((extensions, code), (json!({TASKS: {}}), json!(-32602)));
    let (extensions, code) = discovered(Setup::new().set("tasks.enabled", false)).await;
    assert_eq!((extensions, code), (json!(null), json!(-32601)));
}

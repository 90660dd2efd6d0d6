//! `notifications/tasks` on a subscription.

use super::{TASKS, begin, client, start, takes_tasks, with_long_running};
use crate::support::{Modern, text};
use serde_json::json;

const SAYS: &str = "notifications/tasks";

fn wants(ids: &[&str]) -> serde_json::Value {
    json!({"notifications": {"taskIds": ids}})
}

#[tokio::test]
async fn who_listens_hears_how_its_own_tasks_are() {
    let dir = tempfile::tempdir().unwrap();
    let setup = with_long_running(&dir.path().join("log"), &["record"]).two_principals();
    let mut server = start(setup.arg("--agents")).await.with_token("token-of-bob-0123456789");
    let his = begin(&client(&server), "fix__record", json!({"key": "his"})).await;
    server = server.with_token("token-of-alice-0123456789");
    {
        let alice = client(&server);
        let slow = json!({"key": "hers", "ms": 1_000});
        let hers = begin(&alice, "fix__record", slow).await;
        let agents = begin(&alice, "task_orchestrate", json!({"task": "x"})).await;
        let asked = [hers.as_str(), his.as_str(), agents.as_str(), "none"];
        let mut stream = alice.start("subscriptions/listen", wants(&asked)).await;
        let acknowledged = stream.method("notifications/subscriptions/acknowledged").await;
        assert_eq!(acknowledged["params"]["notifications"], json!({"taskIds": [hers, agents]}));
        let id = &acknowledged["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
        for task in [&hers, &agents] {
            let first = stream.method(SAYS).await;
            assert_eq!(&first["params"]["taskId"], task, "how each is, first of all: {first}");
            assert_eq!(&first["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], id);
            assert!(first["params"].get("resultType").is_none(), "{first}");
        }
        let told =
            stream.find("the end of hers", |told| told["params"]["status"] == "completed").await;
        assert_eq!(told["method"], SAYS);
        assert_eq!(text(&told["params"]["result"]), "hers", "{told}");
        alice.call("agent_spawn", json!({})).await;
        let told = stream.find("the agent's end", |told| told["params"]["taskId"] == agents).await;
        assert_eq!(told["params"]["status"], "completed", "{told}");
    }
    server.finish().await;
}

#[tokio::test]
async fn who_does_not_take_tasks_hears_of_none() {
    let server = crate::support::Setup::new().start().await;
    let plain = Modern::new(&server);
    let answer = plain.ask("subscriptions/listen", wants(&["x"])).await;
    assert_eq!(answer["error"]["code"], -32021, "{answer}");
    assert_eq!(answer["error"]["data"]["requiredCapabilities"]["extensions"], json!({TASKS: {}}));
    let many: Vec<String> = (0..1_001).map(|number| number.to_string()).collect();
    let takes = Modern::with(&server, "many", takes_tasks());
    let answer =
        takes.ask("subscriptions/listen", json!({"notifications": {"taskIds": many}})).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    server.finish().await;
}

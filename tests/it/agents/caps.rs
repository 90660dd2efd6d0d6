//! Bounds have clear errors, and nobody sees what is another's.

use super::{agents, give, perform, result, told, with_agents, zombies};
use crate::support::{Legacy, Modern, Setup, until};
use serde_json::{Value, json};

#[tokio::test]
async fn without_being_asked_for_there_are_no_agents() {
    let server = Setup::new().start().await;
    let tools = Modern::new(&server).tools().await;
    assert!(!tools.iter().any(|tool| tool.contains("agent") || tool.contains("task")), "{tools:?}");
    server.finish().await;
    let server = with_agents().start().await;
    let tools = Modern::new(&server).tools().await;
    for tool in [
        "agent_spawn",
        "agent_list",
        "agent_stop",
        "task_orchestrate",
        "task_status",
        "task_results",
        "task_cancel",
        "swarm_status",
        "memory_usage",
    ] {
        assert!(tools.iter().any(|listed| listed == tool), "no {tool} in {tools:?}");
    }
    server.finish().await;
}

#[tokio::test]
async fn every_bound_is_held_and_named() {
    let setup = with_agents().set("agents.most_agents", 2).set("agents.most_queued", 2);
    let server = setup.set("agents.most_tasks", 4).start().await;
    let client = Legacy::open(&server).await;
    let refused = async |tool: &str, arguments: Value, code: &str, word: &str| {
        let answer = client.call(tool, arguments).await;
        assert_eq!(answer["isError"], true, "{answer}");
        let told = &answer["structuredContent"];
        assert_eq!(told["code"], code, "{told}");
        assert!(told["message"].as_str().unwrap().contains(word), "{told}");
    };
    refused("agent_spawn", json!({"count": 3}), "too_many_agents", "agents.most_agents").await;
    assert_eq!(told(&client, "agent_list", json!({})).await["agents"], json!([]), "all or none");
    refused("agent_spawn", json!({"type": "coder"}), "unknown_type", "worker").await;
    refused("agent_stop", json!({"id": "nobody"}), "unknown_agent", "nobody").await;
    refused("agent_stop", json!({}), "unknown_agent", "all").await;
    for tool in ["task_status", "task_results", "task_cancel"] {
        refused(tool, json!({"taskId": "none"}), "unknown_task", "none").await;
    }
    let first = give(&client, "first", 0).await;
    give(&client, "second", 600_000).await;
    refused("task_orchestrate", perform("third", 0), "queue_full", "agents.most_queued").await;
    told(&client, "agent_spawn", json!({"count": 2})).await;
    assert_eq!(result(&client, &first).await["state"], "completed");
    agents(&client, "busy", 1).await;
    give(&client, "third", 600_000).await;
    agents(&client, "busy", 2).await;
    give(&client, "waits", 0).await;
    // Four are kept, and of these one has ended: it makes room.
    give(&client, "waits too", 0).await;
    refused("task_results", json!({"taskId": first}), "unknown_task", &first).await;
    refused("task_orchestrate", perform("x", 0), "queue_full", "agents.most_queued").await;
    let swarm = told(&client, "swarm_status", json!({})).await;
    assert_eq!(
        (&swarm["tasks"]["queued"], &swarm["tasks"]["running"]),
        (&json!(2), &json!(2)),
        "{swarm}"
    );
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn agents_and_tasks_are_seen_by_their_principal_and_the_main_token() {
    let mut server = with_agents().two_principals().start().await;
    let main = server.token().to_owned();
    server = server.with_token("token-of-alice-0123456789");
    let (task, agent) = {
        let alice = Legacy::open(&server).await;
        let spawned = told(&alice, "agent_spawn", json!({})).await;
        let task = give(&alice, "of alice", 0).await;
        assert_eq!(result(&alice, &task).await["state"], "completed");
        alice.close().await;
        (task, spawned["agents"][0]["id"].as_str().unwrap().to_owned())
    };
    server = server.with_token("token-of-bob-0123456789");
    {
        let bob = Legacy::open(&server).await;
        assert_eq!(
            told(&bob, "task_results", json!({"taskId": task})).await["code"],
            "unknown_task"
        );
        assert_eq!(told(&bob, "agent_stop", json!({"id": agent})).await["code"], "unknown_agent");
        assert_eq!(told(&bob, "agent_list", json!({})).await["agents"], json!([]));
        assert_eq!(told(&bob, "task_status", json!({})).await["total"], 0);
        let waits = give(&bob, "waits for an agent of bob's", 0).await;
        assert_eq!(told(&bob, "task_results", json!({"taskId": waits})).await["state"], "queued");
        bob.close().await;
    }
    server = server.with_token(&main);
    let operator = Legacy::open(&server).await;
    assert_eq!(result(&operator, &task).await["state"], "completed");
    assert_eq!(told(&operator, "task_status", json!({})).await["total"], 2);
    assert_eq!(
        told(&operator, "agent_stop", json!({"id": agent})).await["stopped"],
        json!([agent])
    );
    operator.close().await;
    server.finish().await;
}

#[tokio::test]
async fn a_task_can_be_given_up_while_it_waits_and_while_it_runs() {
    let server = with_agents().start().await;
    let client = Legacy::open(&server).await;
    let cancel = async |id: &str| told(&client, "task_cancel", json!({"taskId": id})).await;
    let waits = give(&client, "waits", 0).await;
    let end = cancel(&waits).await;
    assert_eq!((&end["state"], &end["error"]["ran"]), (&json!("cancelled"), &json!("no")), "{end}");
    told(&client, "agent_spawn", json!({})).await;
    let runs = give(&client, "runs", 600_000).await;
    agents(&client, "busy", 1).await;
    let end = cancel(&runs).await;
    assert_eq!(
        (&end["state"], &end["error"]["ran"]),
        (&json!("cancelled"), &json!("unknown")),
        "{end}"
    );
    let next = give(&client, "next", 0).await;
    assert_eq!(result(&client, &next).await["state"], "completed", "the agent goes on");
    assert_eq!(cancel(&next).await["state"], "completed", "what has ended stays as it is");
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn a_task_that_nobody_can_run_ends_with_the_reason() {
    let setup = with_agents().set("agents.task_timeout", 0.3).set("agents.queue_timeout", 1.5);
    let server = setup.start().await;
    let client = Legacy::open(&server).await;
    let expires = give(&client, "nobody is there", 0).await;
    let end = result(&client, &expires).await;
    assert_eq!((&end["error"]["code"], &end["error"]["ran"]), (&json!("expired"), &json!("no")));
    told(&client, "agent_spawn", json!({})).await;
    let before = agents(&client, "idle", 1).await;
    let unknown = json!({"task": "x", "tool": "fly"});
    let id =
        told(&client, "task_orchestrate", unknown).await["taskId"].as_str().unwrap().to_owned();
    let end = result(&client, &id).await;
    assert_eq!(
        (&end["error"]["code"], &end["error"]["ran"]),
        (&json!("unknown_tool"), &json!("no"))
    );
    let late = give(&client, "takes too long", 600_000).await;
    let end = result(&client, &late).await;
    assert_eq!(end["error"]["code"], "outcome_unknown", "{end}");
    until("the agent was started anew", || async {
        let list = told(&client, "agent_list", json!({})).await;
        list["agents"][0]["state"] == "idle" && list["agents"][0]["process"] != before[0]["process"]
    })
    .await;
    until("no zombie is left", || async { zombies(&server).is_empty() }).await;
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn an_agent_that_always_dies_is_given_up() {
    let setup = Setup::new().set("agents.templates.broken.command", "false");
    let server = setup.set("agents.restarts", 2).start().await;
    let client = Legacy::open(&server).await;
    told(&client, "agent_spawn", json!({})).await;
    let failed = agents(&client, "failed", 1).await;
    assert_eq!(failed[0]["restarts"], 2, "{failed:?}");
    assert!(failed[0]["error"].as_str().unwrap().contains("ended"), "{failed:?}");
    let id = failed[0]["id"].clone();
    assert_eq!(told(&client, "agent_stop", json!({"id": id})).await["stopped"], json!([id]));
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn one_principal_cannot_take_the_places_of_another() {
    let setup = with_agents().two_principals();
    let setup = setup.set("agents.most_agents_per_principal", 2);
    let mut server = setup.set("agents.most_queued_per_principal", 1).start().await;
    for token in ["token-of-alice-0123456789", "token-of-bob-0123456789"] {
        server = server.with_token(token);
        let client = Legacy::open(&server).await;
        give(&client, "waits", 0).await;
        let full = told(&client, "task_orchestrate", perform("one too many", 0)).await;
        let word = "agents.most_queued_per_principal";
        assert_eq!(full["code"], "queue_full", "{full}");
        assert!(full["message"].as_str().unwrap().contains(word), "{full}");
        told(&client, "agent_spawn", json!({"count": 2})).await;
        let many = told(&client, "agent_spawn", json!({})).await;
        let word = "agents.most_agents_per_principal";
        assert_eq!(many["code"], "too_many_agents", "{many}");
        assert!(many["message"].as_str().unwrap().contains(word), "{many}");
        client.close().await;
    }
    server.finish().await;
}

#[tokio::test]
async fn an_agent_that_hangs_with_nothing_to_do_is_started_anew() {
    let server = with_agents().set("agents.ping", 0.5).start().await;
    let client = Legacy::open(&server).await;
    told(&client, "agent_spawn", json!({})).await;
    let before = agents(&client, "idle", 1).await[0]["process"].clone();
    let process = before.to_string();
    let halted = std::process::Command::new("kill").args(["-s", "STOP", &process]).status();
    assert!(halted.unwrap().success());
    until("another process is there", || async {
        let list = told(&client, "agent_list", json!({})).await;
        list["agents"][0]["state"] == "idle" && list["agents"][0]["process"] != before
    })
    .await;
    let task = give(&client, "goes on", 0).await;
    assert_eq!(result(&client, &task).await["state"], "completed");
    until("the one that hung is gone", || async {
        !std::path::Path::new(&format!("/proc/{before}")).exists()
    })
    .await;
    client.close().await;
    server.finish().await;
}

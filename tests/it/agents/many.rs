//! Many agents, many tasks, and a third of the agents killed meanwhile.

use super::{agents, result, told, with_agents, zombies};
use crate::support::{Legacy, descendants, until, until_within};
use futures_util::{StreamExt as _, future::join_all, stream};
use serde_json::{Value, json};
use std::{
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};
use tokio::time::Instant;

const AGENTS: usize = 200;
const TASKS: usize = 1_000;
const KILLED: usize = AGENTS / 3 + 1;
/// How many clients' worth of requests are sent at once.
const AT_ONCE: usize = 50;

/// Three of five may be done twice without harm, and say so.
fn task(n: usize) -> Value {
    let name = format!("task {n}");
    match n % 5 {
        0 | 1 => json!({"task": name, "arguments": {"ms": 200 + n % 500}}),
        2 => json!({"task": name, "tool": "wait", "arguments": {"ms": 100 + n % 400}}),
        _ => json!({"task": name, "tool": "echo", "arguments": {"message": name}}),
    }
}

/// What one of them has to answer.
fn answer(n: usize) -> String {
    if n % 5 == 2 { format!("Waited {} ms.", 100 + n % 400) } else { format!("task {n}") }
}

/// Gives all tasks; the id of each.
async fn give_all(client: &Legacy<'_>) -> Vec<(usize, String)> {
    let give = async |n| {
        let given = told(client, "task_orchestrate", task(n)).await;
        (n, given["taskId"].as_str().unwrap_or_else(|| panic!("{given}")).to_owned())
    };
    stream::iter(0..TASKS).map(give).buffer_unordered(AT_ONCE).collect().await
}

/// Waits for all ends.
async fn end_all(client: &Legacy<'_>, ids: &[(usize, String)]) -> Vec<(usize, Value)> {
    let end = async |(n, id): &(usize, String)| (*n, result(client, id).await);
    stream::iter(ids).map(end).buffer_unordered(AT_ONCE).collect().await
}

/// Kills a third of the agents, those at work first; how many those were.
async fn kill(client: &Legacy<'_>) -> usize {
    let mut killed = Vec::new();
    while killed.len() < KILLED {
        let list = told(client, "agent_list", json!({})).await;
        let agents = list["agents"].as_array().unwrap().iter();
        let mut found: Vec<(bool, u64)> = agents
            .filter_map(|agent| Some((agent["state"] != "busy", agent["process"].as_u64()?)))
            .filter(|(_, process)| !killed.contains(process))
            .collect();
        found.sort_unstable();
        for (_, process) in found.into_iter().take((KILLED - killed.len()).min(3)) {
            // One that has ended by itself does not count.
            if Command::new("kill").args(["-9", &process.to_string()]).status().unwrap().success() {
                killed.push(process);
            }
        }
    }
    killed.len()
}

/// Asks how all stands as fast as it is answered, until it is over; how often.
async fn watch(client: &Legacy<'_>, is_over: &AtomicBool) -> usize {
    let mut asked = 0;
    while !is_over.load(Ordering::Relaxed) {
        let swarm = told(client, "swarm_status", json!({})).await;
        let counts = swarm["tasks"].as_object().unwrap().values();
        let counted: u64 = counts.map(|count| count.as_u64().unwrap()).sum();
        let all = told(client, "task_status", json!({})).await;
        assert!(all["total"].as_u64().unwrap() >= counted, "{swarm}");
        assert_eq!(swarm["agents"], AGENTS, "{swarm}");
        asked += 2;
    }
    asked
}

/// Asserts that each ended once, in an answer or a typed error; how many of nobody knows.
fn unknown(ends: &[(usize, Value)]) -> usize {
    assert_eq!(ends.len(), TASKS);
    let mut unknown = 0;
    for (n, end) in ends {
        if end["state"] == "completed" {
            let text = end["result"]["content"][0]["text"].as_str().unwrap();
            assert!(text.contains(&answer(*n)), "{end}");
        } else {
            // What may be done twice is placed again, until it has an answer.
            assert!(n % 5 < 2 && end["state"] == "failed", "{end}");
            assert_eq!(end["error"]["code"], "outcome_unknown", "{end}");
            assert_eq!(end["error"]["ran"], "unknown", "{end}");
            unknown += 1;
        }
    }
    unknown
}

/// How many were placed more than once.
async fn placed_again(client: &Legacy<'_>, ids: &[(usize, String)]) -> usize {
    let attempts = async |(_, id): &(usize, String)| {
        let detail = told(client, "task_status", json!({"taskId": id})).await;
        detail["attempts"].as_u64().unwrap()
    };
    let all: Vec<u64> = stream::iter(ids).map(attempts).buffer_unordered(AT_ONCE).collect().await;
    all.into_iter().filter(|attempts| *attempts > 1).count()
}

#[tokio::test]
async fn every_task_ends_though_a_third_of_the_agents_are_killed() {
    let setup = with_agents().set("agents.most_agents", AGENTS as i64);
    let setup = setup.set("agents.most_agents_per_principal", AGENTS as i64);
    let server = setup.set("agents.most_queued_per_principal", 1_000).start().await;
    let (client, watcher, killer) =
        (Legacy::open(&server).await, Legacy::open(&server).await, Legacy::open(&server).await);
    let begun = Instant::now();
    let ten = || told(&client, "agent_spawn", json!({"count": 10}));
    let spawned = join_all((0..AGENTS / 10).map(|_| ten())).await;
    assert!(spawned.iter().all(|told| told["agents"].as_array().unwrap().len() == 10));
    agents(&client, "idle", AGENTS).await;
    let (up, begun, is_over) = (begun.elapsed(), Instant::now(), AtomicBool::new(false));
    let work = async {
        let (ids, killed) = tokio::join!(give_all(&client), kill(&killer));
        let ends = end_all(&client, &ids).await;
        is_over.store(true, Ordering::Relaxed);
        (ids, killed, ends, begun.elapsed())
    };
    let (asked, (ids, killed, ends, took)) = tokio::join!(watch(&watcher, &is_over), work);
    let (unknown, again) = (unknown(&ends), placed_again(&client, &ids).await);
    assert!(unknown <= killed, "{unknown} of {killed}");
    assert!(unknown + again > 0, "no kill met an agent at work");
    let list = agents(&client, "idle", AGENTS).await;
    until("no zombie is left", || async { zombies(&server).is_empty() }).await;
    let restarts: u64 = list.iter().map(|agent| agent["restarts"].as_u64().unwrap()).sum();
    assert!(restarts >= killed as u64, "{restarts}");
    let memory = told(&client, "memory_usage", json!({})).await;
    let each = memory["agentsResidentBytes"].as_f64().unwrap() / AGENTS as f64 / 1e6;
    let begun = Instant::now();
    let stopped = told(&client, "agent_stop", json!({"all": true})).await;
    assert_eq!(stopped["stopped"].as_array().unwrap().len(), AGENTS);
    let gone = || async { descendants(server.pid()).is_empty() };
    until_within(10, "no process is left", gone).await;
    println!(
        "{AGENTS} agents up in {up:.2?}; {TASKS} tasks in {took:.2?} with {killed} agents killed: {} answered \
         ({again} of them placed again), {unknown} unknown; {restarts} starts again; {asked} status calls \
         meanwhile; {each:.1} MB resident for an agent; all stopped in {:.2?}",
        TASKS - unknown,
        begun.elapsed()
    );
    for client in [client, watcher, killer] {
        client.close().await;
    }
    server.finish().await;
}

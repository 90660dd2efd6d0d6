//! What a principal sees of agents and tasks: its own, and the operator all.

use super::{
    Agents, Refused, State,
    agent::{Agent, AgentState},
    may_see,
    task::Task,
};
use mcp_store::{TaskRecord, TaskState};
use serde_json::{Map, Value, json};
use std::{cmp::Reverse, collections::BTreeMap, fs, sync::Arc, time::Duration};
use tokio::sync::broadcast;

/// Most tasks that are listed: the newest.
const MOST_LISTED: usize = 100;

/// A task as it stands in the store, and how long it is kept after it has ended.
pub(crate) struct Seen {
    pub(crate) record: TaskRecord,
    pub(crate) kept: Duration,
}

impl Agents {
    /// The task of that id, whoever gave it.
    pub(crate) fn seen(&self, id: &str) -> Option<Seen> {
        let state = self.0.state();
        let record = state.tasks.get(id)?.record.clone();
        Some(Seen { record, kept: state.tasks.kept() })
    }

    /// Whether there is a task of that id, and it is that principal's.
    pub(crate) fn is_of(&self, principal: &str, id: &str) -> bool {
        let state = self.0.state();
        state.tasks.get(id).is_some_and(|task| *task.record.principal == *principal)
    }

    /// Which tasks have ended, from now on.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Arc<str>> {
        self.0.changes.subscribe()
    }

    /// The agents, by id.
    pub(crate) fn list(&self, principal: &str) -> Value {
        let state = self.0.state();
        let agents: Vec<Value> = agents(&state, principal).map(Agent::shown).collect();
        let types: Vec<&String> = self.0.config.templates.keys().collect();
        json!({ "agents": agents, "types": types })
    }

    /// One task with all that happened to it.
    pub(crate) fn task(&self, principal: &str, id: &str) -> Result<Value, Refused> {
        let state = self.0.state();
        let task = state.tasks.get(id).filter(|task| may_see(principal, &task.record.principal));
        task.map(Task::detail).ok_or_else(|| Refused::UnknownTask(id.to_owned()))
    }

    /// The newest tasks, and how many there are.
    pub(crate) fn tasks(&self, principal: &str) -> Value {
        let state = self.0.state();
        let mut tasks: Vec<&Task> = tasks(&state, principal).collect();
        tasks.sort_by_key(|task| Reverse(task.record.created));
        let counts = by_state(tasks.iter().copied());
        let newest: Vec<Value> = tasks.iter().take(MOST_LISTED).map(|task| task.line()).collect();
        json!({ "total": tasks.len(), "byState": counts, "newest": newest })
    }

    /// How all of it stands.
    pub(crate) fn swarm(&self, principal: &str) -> Value {
        let state = self.0.state();
        let mut types: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
        for kind in self.0.config.templates.keys() {
            let zeros = AgentState::ALL.map(|state| (state.as_str().to_owned(), json!(0)));
            types.insert(kind, zeros.into_iter().collect());
        }
        for agent in agents(&state, principal) {
            let counts = types.entry(&agent.record.kind).or_default();
            let count = counts.get(agent.state.as_str()).and_then(Value::as_u64).unwrap_or(0);
            counts.insert(agent.state.as_str().to_owned(), json!(count + 1));
        }
        let config = &self.0.config;
        json!({
            "agents": agents(&state, principal).count(),
            "agentsByType": types,
            "tasks": by_state(tasks(&state, principal)),
            "limits": {
                "agents": config.most_agents,
                "tasks": config.most_tasks,
                "queued": config.most_queued,
                "taskSeconds": config.task_timeout.as_secs_f64(),
                "queueSeconds": config.queue_timeout.as_secs_f64(),
            },
        })
    }

    /// How much memory the server and each agent take.
    pub(crate) fn memory(&self, principal: &str) -> Value {
        let (processes, tasks, bytes) = {
            let state = self.0.state();
            let process = |agent: &Agent| Some((agent.record.id.to_string(), agent.process?));
            let processes: Vec<_> = agents(&state, principal).filter_map(process).collect();
            (processes, tasks(&state, principal).count(), state.tasks.bytes())
        };
        let agents: Vec<Value> = processes
            .iter()
            .map(|(id, process)| {
                json!({ "id": id, "process": process, "residentBytes": resident(&process.to_string()) })
            })
            .collect();
        let all: u64 = agents.iter().filter_map(|agent| agent["residentBytes"].as_u64()).sum();
        json!({
            "server": { "residentBytes": resident("self") },
            "agents": agents,
            "agentsResidentBytes": all,
            "tasks": tasks,
            "allTasksBytes": bytes,
        })
    }
}

fn agents<'a>(state: &'a State, principal: &'a str) -> impl Iterator<Item = &'a Agent> {
    state.agents.values().filter(move |agent| may_see(principal, &agent.record.principal))
}

fn tasks<'a>(state: &'a State, principal: &'a str) -> impl Iterator<Item = &'a Task> {
    state.tasks.all().filter(move |task| may_see(principal, &task.record.principal))
}

fn by_state<'a>(tasks: impl Iterator<Item = &'a Task>) -> Value {
    let mut counts = TaskState::ALL.map(|state| (state, 0_u64));
    for task in tasks {
        for (state, count) in &mut counts {
            *count += u64::from(*state == task.record.state);
        }
    }
    counts
        .iter()
        .map(|(state, count)| (state.as_str().to_owned(), json!(count)))
        .collect::<Map<_, _>>()
        .into()
}

/// Resident memory of a process, in bytes, where the system tells.
fn resident(process: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1024)
}

//! Agents and tasks in memory.

use crate::{AgentRecord, TaskRecord, UtcMillis, Work, WorkChange};
use std::{collections::HashMap, sync::Arc};

/// Agents and tasks in memory. How many there may be is held by who writes them.
#[derive(Debug, Default)]
pub(super) struct HeldWork {
    agents: HashMap<Arc<str>, AgentRecord>,
    tasks: HashMap<Arc<str>, TaskRecord>,
}

impl HeldWork {
    pub(super) fn write(&mut self, change: WorkChange) {
        match change {
            WorkChange::Agent(agent) => drop(self.agents.insert(Arc::clone(&agent.id), agent)),
            WorkChange::AgentGone(id) => drop(self.agents.remove(&id)),
            WorkChange::Task(task) => drop(self.tasks.insert(Arc::clone(&task.id), task)),
            WorkChange::TaskGone(id) => drop(self.tasks.remove(&id)),
        }
    }

    /// Removes tasks that had ended by then.
    pub(super) fn prune(&mut self, old: UtcMillis) {
        self.tasks.retain(|_, task| !is_expired(task, old));
    }

    /// All that had not expired by then.
    pub(super) fn all(&self, old: UtcMillis) -> Work {
        let mut agents: Vec<AgentRecord> = self.agents.values().cloned().collect();
        agents.sort_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
        let tasks = self.tasks.values().filter(|task| !is_expired(task, old));
        let mut tasks: Vec<TaskRecord> = tasks.cloned().collect();
        tasks.sort_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
        Work { agents, tasks }
    }
}

fn is_expired(task: &TaskRecord, old: UtcMillis) -> bool {
    task.state.has_ended() && task.changed <= old
}

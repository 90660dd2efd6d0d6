//! Takes over what an earlier process left: its agents are started again, tasks that waited wait
//! on, and of those that ran nobody knows how far they came.

use super::{Agents, Shared, change_of, now, roster::start, sweep, task::Task};
use mcp_client::Ran;
use mcp_store::{TaskRunner, TaskState, WorkChange};
use mcp_telemetry::Event;
use std::sync::Arc;

/// Why a task that ran has no answer.
const WHY: &str = "we were restarted";

impl Agents {
    /// Begins to work, with what the store kept.
    pub(crate) async fn begin(&self) {
        let shared = &self.0;
        shared.work.spawn(sweep(Arc::clone(shared)));
        let work = match shared.store.load_work(now()).await {
            Ok(work) => work,
            Err(error) => {
                let detail = format!("tasks of the process before were not read: {error}");
                let text = detail.as_str();
                return shared.telemetry.emit(&Event::ConfigWarning { text });
            }
        };
        for task in work.tasks.into_iter().filter(|task| task.runner == TaskRunner::Agent) {
            shared.take_over(Task::stored(task)).await;
        }
        shared.bound().await;
        for agent in work.agents {
            let room = shared.state().agents.len() < shared.config.most_agents;
            if room && shared.config.templates.contains_key(&*agent.kind) {
                start(shared, agent);
            } else {
                // If it cannot be written now, the next start finds it again.
                let _written = shared.write(WorkChange::AgentGone(agent.id)).await.is_ok();
            }
        }
    }
}

impl Shared {
    async fn take_over(&self, task: Task) {
        let id = Arc::clone(&task.record.id);
        let was = task.record.state;
        let change = {
            let mut state = self.state();
            state.tasks.insert(task);
            if was == TaskState::Running {
                state.tasks.lost(&id, Ran::Unknown, WHY, now()).map(change_of)
            } else {
                None
            }
        };
        if let Some(change) = change {
            // The store reports what it could not write; then it is found again as it was.
            let _written = self.write(change).await.is_ok();
        }
        if !was.has_ended() {
            self.queue(&id);
        }
    }

    /// Forgets the oldest that have ended, where fewer are kept than before.
    async fn bound(&self) {
        let forgotten = self.state().tasks.bound(self.config.most_tasks);
        self.forget(forgotten).await;
    }
}

//! One agent: what is known of it, and how that is shown.

use super::table::Lane;
use mcp_store::{AgentRecord, UtcMillis};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How an agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum AgentState {
    /// Its process starts, or waits to.
    Starting,
    /// It waits for a task.
    Idle,
    /// It runs one.
    Busy,
    /// It died, and is started again soon.
    Restarting,
    /// It died too often, and is not started again.
    Failed,
}

impl AgentState {
    pub(super) const ALL: [Self; 5] =
        [Self::Starting, Self::Idle, Self::Busy, Self::Restarting, Self::Failed];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Restarting => "restarting",
            Self::Failed => "failed",
        }
    }
}

/// An agent.
pub(super) struct Agent {
    pub(super) record: AgentRecord,
    pub(super) state: AgentState,
    /// Since when it is in that state.
    pub(super) since: UtcMillis,
    pub(super) process: Option<u32>,
    /// The task it runs.
    pub(super) task: Option<Arc<str>>,
    /// How many tasks it has answered.
    pub(super) done: u64,
    /// How often it was started again.
    pub(super) restarts: u64,
    pub(super) error: Option<String>,
    /// Wakes one of the agents of its lane; they share it.
    pub(super) wake: Arc<Notify>,
    /// Ends it.
    pub(super) stop: CancellationToken,
    /// Says that it has ended.
    pub(super) gone: CancellationToken,
}

impl Agent {
    pub(super) fn lane(&self) -> Lane {
        Lane { principal: Arc::clone(&self.record.principal), kind: Arc::clone(&self.record.kind) }
    }

    pub(super) fn shown(&self) -> Value {
        json!({
            "id": &*self.record.id,
            "type": &*self.record.kind,
            "state": self.state.as_str(),
            "since": self.since.to_string(),
            "createdAt": self.record.created.to_string(),
            "process": self.process,
            "task": self.task.as_deref(),
            "tasksAnswered": self.done,
            "restarts": self.restarts,
            "error": self.error,
        })
    }
}

//! Agents, and tasks of theirs and of upstreams, as values. A record is written whole each time it changes.

use crate::UtcMillis;
use std::sync::Arc;

/// An agent that somebody wants to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRecord {
    /// Its id.
    pub id: Arc<str>,
    /// The template it is made from.
    pub kind: Arc<str>,
    /// Who wants it.
    pub principal: Arc<str>,
    /// When it was asked for.
    pub created: UtcMillis,
}

/// A task: a tool call to be made at an agent, or at an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRecord {
    /// Its id.
    pub id: Arc<str>,
    /// Who gave it.
    pub principal: Arc<str>,
    /// Who runs it.
    pub runner: TaskRunner,
    /// The template of the agents that may run it, or the upstream.
    pub kind: Arc<str>,
    /// What it is about, in the words of who gave it.
    pub task: Arc<str>,
    /// The tool to call.
    pub tool: Arc<str>,
    /// Its arguments, as JSON text.
    pub arguments: Arc<str>,
    /// How far it is.
    pub state: TaskState,
    /// How often it was placed on an agent.
    pub attempts: u32,
    /// Whether it may be placed again when nobody knows whether it ran.
    pub repeatable: bool,
    /// When it was given.
    pub created: UtcMillis,
    /// When it last changed.
    pub changed: UtcMillis,
    /// What came of it, as JSON text. The store does not read it.
    pub result: Option<Arc<str>>,
    /// What happened to it, as JSON text. The store does not read it.
    pub history: Arc<str>,
}

/// Who runs a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskRunner {
    /// An agent.
    Agent,
    /// An upstream.
    Upstream,
}

impl TaskRunner {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Agent, Self::Upstream];

    /// The runner in one word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Upstream => "upstream",
        }
    }

    /// The runner of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|runner| runner.as_str() == word)
    }
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskState {
    /// It waits: for an agent, or for answers of its client.
    Queued,
    /// It was sent, or is about to be.
    Running,
    /// It was answered.
    Completed,
    /// There is no answer.
    Failed,
    /// It was given up.
    Cancelled,
}

impl TaskState {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Queued, Self::Running, Self::Completed, Self::Failed, Self::Cancelled];

    /// The state in one word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether it is over.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// A change of agents or tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkChange {
    /// An agent is wanted.
    Agent(AgentRecord),
    /// It is wanted no longer.
    AgentGone(Arc<str>),
    /// A task is new, or has changed.
    Task(TaskRecord),
    /// A task is forgotten.
    TaskGone(Arc<str>),
}

/// All agents and tasks, each in the order in which they were made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Work {
    /// The agents.
    pub agents: Vec<AgentRecord>,
    /// The tasks.
    pub tasks: Vec<TaskRecord>,
}

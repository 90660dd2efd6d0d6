//! One task: what is stored of it, what happened to it, and how it is shown.

use mcp_store::{TaskRecord, TaskState, UtcMillis};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// How often a task is placed on an agent at most.
pub(super) const MOST_ATTEMPTS: u32 = 5;

/// A task.
pub(super) struct Task {
    pub(super) record: TaskRecord,
    steps: Vec<Step>,
    /// The agent that runs it.
    pub(super) agent: Option<Arc<str>>,
    /// Ends its call.
    pub(super) cancel: CancellationToken,
}

/// Something that happened to it. There are at most three for each attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Step {
    at: i64,
    what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
}

/// Why a task has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Code {
    /// It may have run, or not.
    OutcomeUnknown,
    /// It did not run: no agent took it.
    Unavailable,
    /// It did not run: it waited too long.
    Expired,
    /// It did not run: the agent has no such tool.
    UnknownTool,
    /// The agent answered with an error of the protocol.
    AgentError,
    /// It ran, and the answer is too large to be kept.
    TooLarge,
    /// Somebody gave it up.
    Cancelled,
}

impl Code {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Unavailable => "unavailable",
            Self::Expired => "expired",
            Self::UnknownTool => "unknown_tool",
            Self::AgentError => "agent_error",
            Self::TooLarge => "too_large",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    /// The agent answered: the text of its `CallToolResult`.
    Answered(Box<str>),
    /// There is no answer.
    Failed {
        code: Code,
        /// Whether it ran: yes, no, or unknown.
        ran: &'static str,
        /// A sentence for the model.
        message: String,
    },
}

impl End {
    pub(super) fn failed(code: Code, ran: &'static str, message: impl Into<String>) -> Self {
        Self::Failed { code, ran, message: message.into() }
    }

    pub(super) const fn state(&self) -> TaskState {
        match self {
            Self::Answered(_) => TaskState::Completed,
            Self::Failed { code: Code::Cancelled, .. } => TaskState::Cancelled,
            Self::Failed { .. } => TaskState::Failed,
        }
    }

    pub(super) const fn code(&self) -> Option<Code> {
        match self {
            Self::Answered(_) => None,
            Self::Failed { code, .. } => Some(*code),
        }
    }

    fn text(&self) -> Arc<str> {
        match self {
            Self::Answered(text) => (**text).into(),
            Self::Failed { code, ran, message } => {
                json!({ "code": code.as_str(), "ran": ran, "message": message }).to_string().into()
            }
        }
    }
}

impl Task {
    /// One that was just given; `record.history` is written here.
    pub(super) fn new(record: TaskRecord) -> Self {
        let at = record.created;
        let mut task =
            Self { record, steps: Vec::new(), agent: None, cancel: CancellationToken::new() };
        task.step("given", None, at);
        task
    }

    /// One as it was stored.
    pub(super) fn stored(record: TaskRecord) -> Self {
        let steps = serde_json::from_str(&record.history).unwrap_or_default();
        Self { record, steps, agent: None, cancel: CancellationToken::new() }
    }

    pub(super) fn step(&mut self, what: &str, agent: Option<&str>, now: UtcMillis) {
        self.steps.push(Step {
            at: now.as_millis(),
            what: what.to_owned(),
            agent: agent.map(ToOwned::to_owned),
        });
        self.record.changed = now;
        self.record.history = serde_json::to_string(&self.steps).unwrap_or_default().into();
    }

    pub(super) fn end(&mut self, end: &End, now: UtcMillis) {
        self.record.state = end.state();
        self.record.result = Some(end.text());
        let agent = self.agent.take();
        self.step(end.code().map_or("completed", Code::as_str), agent.as_deref(), now);
    }

    /// About how much memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let result = self.record.result.as_ref().map_or(0, |result| result.len());
        self.record.arguments.len() + self.record.task.len() + result + self.record.history.len()
    }

    /// What a list shows.
    pub(super) fn line(&self) -> Value {
        let TaskRecord { id, task, kind, tool, state, attempts, created, changed, .. } =
            &self.record;
        json!({
            "taskId": &**id,
            "task": shortened(task),
            "type": &**kind,
            "tool": &**tool,
            "state": state.as_str(),
            "agent": self.agent.as_deref(),
            "attempts": attempts,
            "createdAt": created.to_string(),
            "changedAt": changed.to_string(),
        })
    }

    /// The same with all that happened to it.
    pub(super) fn detail(&self) -> Value {
        let step = |step: &Step| {
            let at = UtcMillis::from_millis(step.at).to_string();
            json!({ "at": at, "what": step.what, "agent": step.agent.as_deref() })
        };
        let mut shown = self.line();
        shown["history"] = self.steps.iter().map(step).collect();
        shown
    }

    /// What came of it: its answer, or why there is none.
    pub(super) fn result(&self) -> Value {
        let mut shown = json!({ "taskId": &*self.record.id, "state": self.record.state.as_str() });
        let text = self.record.result.as_deref().unwrap_or("null");
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        match self.record.state {
            TaskState::Queued | TaskState::Running => {}
            TaskState::Completed => shown["result"] = value,
            TaskState::Failed | TaskState::Cancelled => shown["error"] = value,
        }
        shown
    }
}

/// The beginning of a text, for lists.
fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

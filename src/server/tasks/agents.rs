//! Tasks of agents, as the extension tells of them.

use super::{
    Shared, Tasks,
    requests::{acknowledged, detailed},
    told::Told,
};
use crate::{agents::Seen, call::code, upstream::Reply};
use mcp_protocol::{Method, RawValue, RpcError, TaskStatus, raw_value};
use mcp_store::TaskState;
use serde_json::Value;

impl Tasks {
    /// The answer to a call that gave an agent this task.
    pub(crate) fn created_by_agent(&self, id: &str) -> Option<Box<RawValue>> {
        self.0.told_by_agents(id).map(|told| told.created())
    }
}

impl Shared {
    pub(super) fn told_by_agents(&self, id: &str) -> Option<Told> {
        self.agents.as_ref()?.seen(id).map(|seen| told(&seen))
    }

    /// Whether it is a task of an agent, and that principal's.
    pub(super) fn is_agents(&self, principal: &str, id: &str) -> bool {
        self.agents.as_ref().is_some_and(|agents| agents.is_of(principal, id))
    }

    /// The answer to a request about a task of an agent; `None` when it is none.
    pub(super) async fn of_agents(
        &self,
        principal: &str,
        method: Method,
        id: &str,
    ) -> Option<Reply> {
        if !self.is_agents(principal, id) {
            return None;
        }
        if method == Method::TasksGet {
            return self.told_by_agents(id).map(|told| detailed(&told));
        }
        if method == Method::TasksCancel {
            // How it ended is told to who asks.
            let _ended = self.agents.as_ref()?.cancel(principal, id).await.is_ok();
        }
        Some(acknowledged())
    }
}

fn told(Seen { record, kept }: &Seen) -> Told {
    let result = record.result.as_deref().unwrap_or("null");
    let told = |status| Told::new(record, status, *kept);
    match record.state {
        TaskState::Queued => told(TaskStatus::Working).saying(Some("It waits for an agent.")),
        TaskState::Running => told(TaskStatus::Working),
        TaskState::Completed => told(TaskStatus::Completed).with("result", result),
        TaskState::Failed => {
            let why: Value = serde_json::from_str(result).unwrap_or_default();
            let error = error(&why);
            let text = raw_value(&error);
            told(TaskStatus::Failed).saying(Some(&error.message)).with("error", text.get())
        }
        TaskState::Cancelled => {
            let why: Value = serde_json::from_str(result).unwrap_or_default();
            told(TaskStatus::Cancelled).saying(why["message"].as_str())
        }
    }
}

/// Why a task has no answer, as the error that its call would have ended in.
fn error(why: &Value) -> RpcError {
    let code = match why["ran"].as_str() {
        Some("no") => code::UNAVAILABLE,
        Some("yes") => code::OVER_LIMIT,
        _ => code::OUTCOME_UNKNOWN,
    };
    let message = why["message"].as_str().unwrap_or("It has no answer.");
    let data = serde_json::json!({ "code": why["code"], "ran": why["ran"] });
    RpcError::new(code, message).with_data(&data)
}

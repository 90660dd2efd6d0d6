//! Tools of our own: the trait that an embedder implements, the registry that checks
//! arguments before a call, the built-ins, and the tools for agents.

mod agents;
mod builtin;
mod registry;

pub(crate) use agents::agent_tools;
pub(crate) use builtin::builtins;
pub use registry::RegistryError;
pub(crate) use registry::{Registered, Registry};

use mcp_protocol::{Era, Revision};
use serde_json::Value;
use std::{sync::Arc, time::Duration};

/// What a tool is told of its call.
#[derive(Debug, Clone)]
pub struct ToolInput {
    /// The arguments: an object that the tool's schema accepts.
    pub arguments: Value,
    /// Who calls.
    pub caller: ToolCaller,
}

/// Who calls a tool.
#[derive(Debug, Clone)]
pub struct ToolCaller {
    /// The principal's name.
    pub principal: Arc<str>,
    /// The era of the call.
    pub era: Era,
    /// The revision of the call.
    pub revision: Revision,
    /// The session's id; legacy only.
    pub session_id: Option<Arc<str>>,
}

/// What a tool answers.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolOutput {
    text: String,
    structured: Option<Value>,
    is_error: bool,
    /// The task that it is about.
    task: Option<Arc<str>>,
}

impl ToolOutput {
    /// A text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), structured: None, is_error: false, task: None }
    }

    /// A JSON object, given both as `structuredContent` and as text.
    #[must_use]
    pub fn json(value: Value) -> Self {
        Self { text: value.to_string(), structured: Some(value), is_error: false, task: None }
    }

    /// The same as the beginning of a task: a client that takes tasks is told of that instead.
    #[must_use]
    pub(crate) fn of_task(self, id: &str) -> Self {
        Self { task: Some(id.into()), ..self }
    }

    /// The same as a failure that the model should read (`isError`).
    #[must_use]
    pub fn failed(self) -> Self {
        Self { is_error: true, ..self }
    }

    /// A failure that the model should read (`isError`).
    #[must_use]
    pub fn error(text: impl Into<String>) -> Self {
        Self { text: text.into(), structured: None, is_error: true, task: None }
    }
}

/// A tool that the server runs itself.
#[async_trait::async_trait]
pub trait Tool: Send + Sync + 'static {
    /// Its name: 1 to 64 of `[A-Za-z0-9_-]`, without `__`.
    fn name(&self) -> &str;

    /// What it does, for the model.
    fn description(&self) -> &str;

    /// JSON Schema of the arguments (draft 2020-12). It must describe an object.
    fn input_schema(&self) -> Value;

    /// Hints for clients (`readOnlyHint`, `idempotentHint`, …), if any.
    fn annotations(&self) -> Option<Value> {
        None
    }

    /// Longest time one call may take; `None` means the server's `limits.tool_timeout`.
    fn timeout(&self) -> Option<Duration> {
        None
    }

    /// Runs it. A panic becomes a tool error. Dropped when the call is cancelled.
    async fn call(&self, input: ToolInput) -> ToolOutput;
}

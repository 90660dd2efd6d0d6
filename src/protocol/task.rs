//! The tasks extension of the modern era (`io.modelcontextprotocol/tasks`): its name, and a task
//! as it stands on the wire.

use crate::{ModernMeta, RawObject, RawValue, RpcError, code};
use serde::Serialize;
use serde_json::{Value, json};

/// The extension's name, among `extensions` of both sides' capabilities.
pub const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// It is being worked on.
    Working,
    /// It waits for answers of its client.
    InputRequired,
    /// Its request was answered, maybe by a tool's error.
    Completed,
    /// Its request ended in a JSON-RPC error.
    Failed,
    /// Its request was given up.
    Cancelled,
}

/// A task without what came of it: the members that every message on it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its id.
    pub task_id: String,
    /// How far it is.
    pub status: TaskStatus,
    /// The same in a sentence.
    pub status_message: Option<String>,
    /// When it was made, as ISO 8601 has it.
    pub created_at: String,
    /// When it last changed.
    pub last_updated_at: String,
    /// How long after it was made it is kept at least, in milliseconds.
    pub ttl_ms: u64,
    /// How often to ask after it, in milliseconds.
    pub poll_interval_ms: u64,
}

impl Task {
    /// The members of this task, for a result that has more.
    #[must_use]
    pub fn to_object(&self) -> RawObject<'static> {
        let mut object = RawObject::default();
        object.set_value("taskId", &self.task_id);
        object.set_value("status", &self.status);
        if let Some(message) = &self.status_message {
            object.set_value("statusMessage", message);
        }
        object.set_value("createdAt", &self.created_at);
        object.set_value("lastUpdatedAt", &self.last_updated_at);
        object.set_value("ttlMs", &self.ttl_ms);
        object.set_value("pollIntervalMs", &self.poll_interval_ms);
        object
    }
}

/// The capabilities that say that a side has the extension.
#[must_use]
pub fn tasks_capability() -> Value {
    json!({ "extensions": { TASKS_EXTENSION: {} } })
}

/// `-32021` for a client that did not declare the extension.
#[must_use]
pub fn tasks_not_declared() -> RpcError {
    RpcError::new(
        code::MISSING_CLIENT_CAPABILITY,
        format!("This needs the extension `{TASKS_EXTENSION}`, which the request did not declare."),
    )
    .with_data(&json!({ "requiredCapabilities": tasks_capability() }))
}

/// Capabilities of a client without an extension.
#[must_use]
pub fn without_extension(capabilities: &RawValue, name: &str) -> Box<RawValue> {
    let Some(mut object) = RawObject::parse(capabilities) else { return capabilities.to_owned() };
    let extensions = object.get("extensions").map(ToOwned::to_owned);
    if let Some(mut extensions) = extensions.as_deref().and_then(RawObject::parse)
        && extensions.remove(name)
    {
        object.set("extensions", extensions.to_raw());
    }
    object.to_raw()
}

impl ModernMeta {
    /// Whether the client declared an extension.
    #[must_use]
    pub fn has_extension(&self, name: &str) -> bool {
        let capabilities = RawObject::parse(&self.client_capabilities);
        capabilities.is_some_and(|capabilities| {
            let extensions = capabilities.get("extensions").and_then(RawObject::parse);
            extensions.is_some_and(|extensions| {
                extensions.get(name).is_some_and(|settings| settings.get() != "null")
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_is_declared_by_its_name_whatever_its_settings() {
        let declares = |capabilities: &str| {
            let meta = ModernMeta {
                protocol_version: String::new(),
                client_capabilities: crate::raw(capabilities).expect("JSON"),
                client_info: None,
                log_level: None,
            };
            meta.has_extension(TASKS_EXTENSION)
        };
        assert!(declares(r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#));
        for other in [
            "{}",
            r#"{"tasks":{}}"#,
            r#"{"extensions":{"x/y":{}}}"#,
            r#"{"extensions":{"io.modelcontextprotocol/tasks":null}}"#,
        ] {
            assert!(!declares(other), "{other}");
        }
    }

    #[test]
    fn a_task_is_flat_and_its_times_are_whole() {
        let task = Task {
            task_id: "t".into(),
            status: TaskStatus::InputRequired,
            status_message: None,
            created_at: "2026-07-28T00:00:00Z".into(),
            last_updated_at: "2026-07-28T00:00:01Z".into(),
            ttl_ms: 5,
            poll_interval_ms: 7,
        };
        assert_eq!(
            task.to_object().to_raw().get(),
            r#"{"taskId":"t","status":"input_required","createdAt":"2026-07-28T00:00:00Z","lastUpdatedAt":"2026-07-28T00:00:01Z","ttlMs":5,"pollIntervalMs":7}"#
        );
    }
}

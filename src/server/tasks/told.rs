//! A task as its client is told of it. Pure.

use mcp_protocol::{RawObject, RawValue, Task, TaskStatus, raw, raw_value};
use mcp_store::TaskRecord;
use std::time::Duration;

/// How often clients should ask.
const POLL_EVERY: Duration = Duration::from_millis(500);

/// A task, and what came of it.
pub(super) struct Told {
    task: Task,
    /// A member and its value, where the status has one.
    more: Option<(&'static str, Box<RawValue>)>,
}

impl Told {
    /// A task of which the store keeps this record. It is kept for so long after its last change.
    pub(super) fn new(record: &TaskRecord, status: TaskStatus, kept: Duration) -> Self {
        let lived = record.changed.since(record.created);
        let task = Task {
            task_id: record.id.to_string(),
            status,
            status_message: None,
            created_at: record.created.to_string(),
            last_updated_at: record.changed.to_string(),
            ttl_ms: millis(lived + kept),
            poll_interval_ms: millis(POLL_EVERY),
        };
        Self { task, more: None }
    }

    /// The same with a sentence on how it is.
    pub(super) fn saying(mut self, message: Option<&str>) -> Self {
        self.task.status_message = message.map(ToOwned::to_owned);
        self
    }

    /// The same with the member that its status has; the text is JSON.
    pub(super) fn with(mut self, member: &'static str, text: &str) -> Self {
        self.more = Some((member, raw(text).unwrap_or_else(|| raw_value(&()))));
        self
    }

    /// The answer to the call that it was made of.
    pub(super) fn created(&self) -> Box<RawValue> {
        let mut object = self.task.to_object();
        object.set_value("resultType", &"task");
        object.to_raw()
    }

    /// All of it.
    pub(super) fn detailed(&self) -> RawObject<'static> {
        let mut object = self.task.to_object();
        if let Some((member, value)) = &self.more {
            object.set(member, value.clone());
        }
        object
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_store::{TaskRunner, TaskState, UtcMillis};

    fn record() -> TaskRecord {
        let start = UtcMillis::from_millis(1_795_219_200_000);
        TaskRecord {
            id: "t".into(),
            principal: "me".into(),
            runner: TaskRunner::Upstream,
            kind: "u".into(),
            task: "".into(),
            tool: "u__x".into(),
            arguments: "{}".into(),
            state: TaskState::Completed,
            attempts: 1,
            repeatable: false,
            created: start,
            changed: start.after(Duration::from_secs(2)),
            result: None,
            history: "{}".into(),
        }
    }

    #[test]
    fn what_came_of_it_is_told_when_it_is_asked_for_but_not_when_it_is_made() {
        let told = Told::new(&record(), TaskStatus::Completed, Duration::from_secs(10))
            .with("result", r#"{"content":[]}"#);
        let created = told.created();
        assert!(created.get().contains(r#""resultType":"task""#), "{created}");
        assert!(!created.get().contains("content"), "{created}");
        let detailed = told.detailed().to_raw();
        assert!(detailed.get().contains(r#""result":{"content":[]}"#), "{detailed}");
        assert!(detailed.get().contains(r#""ttlMs":12000"#), "{detailed}");
    }
}

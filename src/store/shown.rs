//! Sessions as programs read them: the JSON of `/api/sessions` and of `sessions … --json`.

use crate::{HistoryRow, SessionRecord, Status};
use serde_json::{Value, json};

impl SessionRecord {
    /// The session; `persisted` if it outlives the process that serves it.
    #[must_use]
    pub fn to_json(&self, persisted: bool) -> Value {
        let capabilities: Value = serde_json::from_str(&self.capabilities).unwrap_or_default();
        let (at, reason) = match self.status {
            Status::Active => (None, None),
            Status::Disconnected { at, reason } => (Some(at.to_string()), Some(reason.as_str())),
        };
        json!({
            "id": &*self.id,
            "principal": &*self.principal,
            "transport": self.transport.as_str(),
            "revision": self.revision.as_str(),
            "client": {
                "name": self.client_name.as_deref(),
                "version": self.client_version.as_deref(),
            },
            "user_agent": self.user_agent.as_deref(),
            "address": self.address.as_deref(),
            "capabilities": capabilities,
            "created": self.created.to_string(),
            "last_activity": self.last_activity.to_string(),
            "initialized": self.initialized,
            "status": self.status.word().as_str(),
            "disconnected_at": at,
            "disconnect_reason": reason,
            "counts": { "requests": self.counts.requests, "errors": self.counts.errors },
            "persisted": persisted,
        })
    }
}

impl HistoryRow {
    /// The row.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "at": self.at.to_string(),
            "what": self.what.as_str(),
            "from": self.what.from().map(crate::StatusWord::as_str),
            "to": self.what.to().as_str(),
            "reason": self.reason.map(mcp_telemetry::Reason::as_str),
            "detail": self.detail.as_deref(),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{Happening, HistoryRow, SessionRecord, Status, UtcMillis};
    use mcp_protocol::Revision;
    use mcp_telemetry::{Reason, Transport};

    #[test]
    fn every_fact_is_there_and_times_are_utc() {
        let mut session = SessionRecord {
            id: "a".into(),
            principal: "token".into(),
            transport: Transport::Http,
            revision: Revision::V2025_06_18,
            client_name: Some("c".into()),
            client_version: None,
            user_agent: None,
            address: Some("127.0.0.1".into()),
            capabilities: r#"{"roots":{}}"#.into(),
            log_level: None,
            subscriptions: Vec::new(),
            created: UtcMillis::from_millis(0),
            last_activity: UtcMillis::from_millis(1),
            initialized: true,
            status: Status::Active,
            counts: crate::Counts { requests: 3, errors: 1 },
            streams: 0,
            resume: None,
        };
        let shown = session.to_json(true);
        assert_eq!(shown["capabilities"]["roots"], serde_json::json!({}));
        assert_eq!((&shown["status"], &shown["disconnected_at"]), (&"active".into(), &().into()));
        assert_eq!(shown["last_activity"], "1970-01-01T00:00:00.001Z");
        let at = UtcMillis::from_millis(2);
        session.status = Status::Disconnected { at, reason: Reason::ClientDeleted };
        let shown = session.to_json(false);
        assert_eq!(shown["disconnect_reason"], "client_deleted");
        assert_eq!(shown["disconnected_at"], "1970-01-01T00:00:00.002Z");
        let (what, reason) = (Happening::Disconnected, Some(Reason::ClientDeleted));
        let row = HistoryRow { at, what, reason, detail: None }.to_json();
        assert_eq!((&row["from"], &row["to"]), (&"active".into(), &"disconnected".into()));
    }
}

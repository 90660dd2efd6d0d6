//! What happens between calls: news from upstreams go out to clients, idle clients end.

use super::Stages;
use crate::upstream::Change;
use mcp_protocol::{Era, Method, encode_notification, raw_value};
use mcp_telemetry::Reason;
use std::sync::Arc;
use tokio::sync::broadcast;

/// Tells clients of changes, until the server stops.
pub(crate) async fn announce_changes(
    stages: Arc<Stages>,
    mut changes: broadcast::Receiver<Change>,
) {
    loop {
        let change = tokio::select! {
            () = stages.stopping.cancelled() => return,
            change = changes.recv() => change,
        };
        match change {
            Ok(change) => stages.announce(&change),
            Err(broadcast::error::RecvError::Lagged(_)) => stages.announce_everything(),
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Ends clients that do nothing, until the server stops.
pub(crate) async fn sweep(stages: Arc<Stages>) {
    loop {
        for id in stages.sessions.idle(stages.limits.now().session_idle) {
            stages.end_session(&id, Reason::TimeoutNoActivity);
        }
        stages.presences.sweep(stages.limits.now().presence_idle);
        let pause = stages.limits.now().session_sweep;
        tokio::select! {
            () = stages.stopping.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

impl Stages {
    /// Clients should look at the list of tools again.
    pub(crate) fn tools_changed(&self) {
        for era in [Era::Legacy, Era::Modern] {
            self.announce(&Change::Tools(era));
        }
    }

    /// The admission was swapped: ends what belongs to principals that are no more, and has each
    /// WebSocket show its token again.
    pub(crate) fn readmit_all(&self) {
        let admission = self.admission.load_full();
        self.listeners.end_of(|principal| !admission.knows(principal));
        for id in self.sessions.over_http_of(|principal| !admission.knows(principal)) {
            self.end_session(&id, Reason::Error);
        }
        self.readmit.send_replace(());
    }

    fn announce(&self, change: &Change) {
        match change {
            Change::Tools(era) => self.tell(*era, Method::ToolsListChanged, None),
            Change::Prompts(era) => self.tell(*era, Method::PromptsListChanged, None),
            Change::Resources(era) => self.tell(*era, Method::ResourcesListChanged, None),
            Change::ResourceUpdated { era, uri } => {
                self.tell(*era, Method::ResourcesUpdated, Some(uri))
            }
        }
    }

    /// News were lost: clients should look at every list again.
    fn announce_everything(&self) {
        for era in [Era::Legacy, Era::Modern] {
            for change in [Change::Tools(era), Change::Prompts(era), Change::Resources(era)] {
                self.announce(&change);
            }
        }
    }

    fn tell(&self, era: Era, method: Method, uri: Option<&str>) {
        match era {
            Era::Modern => self.listeners.tell(method, uri),
            Era::Legacy => {
                let params = uri.map(|uri| raw_value(&serde_json::json!({ "uri": uri })));
                let json =
                    bytes::Bytes::from(encode_notification(method.as_str(), params.as_deref()));
                self.sessions.for_each(|session| {
                    if uri.is_none_or(|uri| session.is_subscribed(uri)) {
                        session.general.push(json.clone());
                    }
                });
            }
        }
    }
}

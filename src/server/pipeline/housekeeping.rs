//! What happens between calls: news from upstreams go out to clients, idle clients end.

use super::Stages;
use crate::upstream::Change;
use mcp_protocol::{Era, Method, encode_notification, raw_value};
use mcp_telemetry::Reason;
use std::sync::Arc;
use tokio::{sync::broadcast, time::MissedTickBehavior};

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
    let mut tick = tokio::time::interval(stages.limits.session_sweep);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stages.stopping.cancelled() => return,
            _ = tick.tick() => {}
        }
        for id in stages.sessions.idle(stages.limits.session_idle) {
            stages.end_session(&id, Reason::TimeoutNoActivity);
        }
        stages.presences.sweep(stages.limits.presence_idle);
    }
}

impl Stages {
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

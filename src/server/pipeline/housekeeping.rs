//! What happens between calls: news from upstreams go out to clients, idle clients end.

use super::Stages;
use crate::{session::now, upstream::Change};
use mcp_protocol::{Era, Method, encode_notification, raw_value};
use mcp_telemetry::{Reason, TRAFFIC_EVERY};
use std::{sync::Arc, time::Duration};
use tokio::{sync::broadcast, time::MissedTickBehavior};

/// How often handshakes are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Most sessions that are written again in one sweep.
const MOST_WRITTEN: usize = 1_000;

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
        let limit = stages.limits.now().session_idle;
        for (id, reason) in stages.sessions.idle(limit) {
            stages.end_idle_session(&id, reason, limit);
        }
        let limits = stages.limits.now();
        stages.presences.sweep(limits.presence_idle);
        stages.sessions.for_each(|session| {
            session.note_activity();
            session.forget_streams(limits.result_ttl);
        });
        stages.write_behind().await;
        tokio::select! {
            () = stages.stopping.cancelled() => return,
            () = tokio::time::sleep(limits.session_sweep) => {}
        }
    }
}

/// Ends handshakes that take too long, and tells the store that we live, until the server stops.
pub(crate) async fn watch(stages: Arc<Stages>) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stages.stopping.cancelled() => return,
            _ = tick.tick() => {}
        }
        let limit = stages.limits.now().handshake_timeout;
        while let Some(session) = stages.sessions.overdue(limit) {
            stages.end_half_open(&session);
        }
        stages.sessions.store().alive(now());
    }
}

/// Notes how many calls there are, until the server stops.
pub(crate) async fn note_traffic(stages: Arc<Stages>) {
    let mut tick = tokio::time::interval(TRAFFIC_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stages.stopping.cancelled() => return,
            _ = tick.tick() => stages.telemetry.note_traffic(),
        }
    }
}

impl Stages {
    /// Writes sessions whole that the store does not have, or not as they are.
    async fn write_behind(&self) {
        let behind = self.sessions.store().fallen_behind();
        let mut left = Vec::new();
        self.sessions.for_each(|session| {
            if left.len() < MOST_WRITTEN && (!session.is_written() || behind.contains(&session.id))
            {
                left.push(Arc::clone(session));
            }
        });
        for session in left {
            // A store that takes none now is asked again at the next sweep.
            if !session.write().await {
                return;
            }
        }
    }

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
        for id in self.sessions.without_socket_of(|principal| !admission.knows(principal)) {
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

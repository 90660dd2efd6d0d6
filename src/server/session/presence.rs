//! Presences: modern clients have no session, so one counts as connected from its first
//! request until it has sent none for a while. A presence is a principal and a `clientInfo`.

use super::lock;
use crate::{call::Principal, config::LiveLimits};
use mcp_protocol::{ModernMeta, RawValue, Request};
use mcp_telemetry::{
    ConnectionInfo, ConnectionKind, ConnectionScope, Reason, Telemetry, Transport,
};
use std::{collections::HashMap, sync::Mutex, time::Duration};
use tokio::time::Instant;

type Key = (Principal, String);

struct Presence {
    last_seen: Instant,
    scope: ConnectionScope,
}

/// The modern clients that count as connected.
pub(crate) struct Presences {
    present: Mutex<HashMap<Key, Presence>>,
    limits: LiveLimits,
    telemetry: Telemetry,
}

impl Presences {
    pub(crate) fn new(limits: LiveLimits, telemetry: Telemetry) -> Self {
        Self { present: Mutex::default(), limits, telemetry }
    }

    /// Notes a request. Beyond the bound, and for a `clientInfo` too long to keep, all further
    /// clients of a principal count as one.
    pub(crate) fn seen(&self, principal: &Principal, client_info: Option<&RawValue>) {
        const LONGEST: usize = 2_048;
        let text =
            client_info.map(RawValue::get).filter(|text| text.len() <= LONGEST).unwrap_or_default();
        let mut present = lock(&self.present);
        let mut key = (principal.clone(), text.to_owned());
        if !present.contains_key(&key) && present.len() >= self.limits.now().presences {
            key.1 = String::new();
        }
        let now = Instant::now();
        let open = || Presence {
            last_seen: now,
            scope: self.telemetry.connection_accepted(ConnectionInfo {
                transport: Transport::Http,
                kind: ConnectionKind::Presence,
            }),
        };
        present.entry(key).or_insert_with(open).last_seen = now;
    }

    /// Whether the client that sent this request counts as connected.
    pub(crate) fn has(&self, principal: &Principal, request: &Request) -> bool {
        let meta = ModernMeta::of_params(request.params.as_deref());
        let Ok(Some(meta)) = meta else { return false };
        let info = meta.client_info.as_deref().map(RawValue::get).unwrap_or_default();
        lock(&self.present).contains_key(&(principal.clone(), info.to_owned()))
    }

    /// Ends those that sent nothing for `limit`.
    pub(crate) fn sweep(&self, limit: Duration) {
        let now = Instant::now();
        let mut present = lock(&self.present);
        let gone: Vec<Key> = present
            .iter()
            .filter(|(_, presence)| now.saturating_duration_since(presence.last_seen) >= limit)
            .map(|(key, _)| key.clone())
            .collect();
        let ended: Vec<Presence> = gone.iter().filter_map(|key| present.remove(key)).collect();
        drop(present);
        for presence in ended {
            presence.scope.end(Reason::TimeoutNoActivity);
        }
    }

    /// Ends all of them.
    pub(crate) fn end_all(&self, reason: Reason) {
        for (_, presence) in lock(&self.present).drain() {
            presence.scope.end(reason);
        }
    }
}

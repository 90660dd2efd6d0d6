//! What can be seen of sessions that are in memory: their facts as they are now.

use super::{Session, Sessions, lock};
use mcp_store::{SessionRecord, UtcMillis};
use std::{
    cmp::Reverse,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// A session as it is now.
pub(crate) struct Facts {
    pub(crate) record: SessionRecord,
    /// Whether it outlives this process.
    pub(crate) is_durable: bool,
    pub(crate) calls_in_flight: usize,
    pub(crate) open_streams: usize,
    /// How long its client took to answer the last heartbeat, if there was one.
    pub(crate) round_trip: Option<Duration>,
}

/// How many sessions there are in memory, and how many of them do what.
#[derive(Debug, Default)]
pub(crate) struct Census {
    pub(crate) active: usize,
    /// Their clients have not said `notifications/initialized` yet.
    pub(crate) in_handshake: usize,
    pub(crate) with_calls_in_flight: usize,
    pub(crate) with_open_streams: usize,
    /// They outlive this process.
    pub(crate) persisted: usize,
}

impl Session {
    /// Notes how long the client took to answer a heartbeat.
    pub(crate) fn note_round_trip(&self, elapsed: Duration) {
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX).max(1);
        self.round_trip.store(micros, Ordering::Relaxed);
    }

    fn calls_in_flight(&self) -> usize {
        lock(&self.calls).running.len()
    }

    fn facts(&self) -> Facts {
        let round_trip = self.round_trip.load(Ordering::Relaxed);
        Facts {
            record: self.to_record(),
            is_durable: self.record.is_durable(),
            calls_in_flight: self.calls_in_flight(),
            open_streams: self.open_streams.load(Ordering::Relaxed),
            round_trip: (round_trip > 0).then(|| Duration::from_micros(round_trip)),
        }
    }
}

impl Sessions {
    /// The facts of a session, whosever it is.
    pub(crate) fn facts(&self, id: &str) -> Option<Facts> {
        self.look_at(id).map(|session| session.facts())
    }

    /// The newest sessions, of that principal if one is named, at most so many.
    pub(crate) fn newest(&self, principal: Option<&str>, most: usize) -> Vec<Facts> {
        let mut found = Vec::new();
        self.for_each(|session| {
            if principal.is_none_or(|name| session.principal.name() == name) {
                found.push((UtcMillis::from(session.created), Arc::clone(session)));
            }
        });
        found.sort_unstable_by(|(one, first), (other, second)| {
            (Reverse(one), &first.id).cmp(&(Reverse(other), &second.id))
        });
        found.iter().take(most).map(|(_, session)| session.facts()).collect()
    }

    /// Counts all of them.
    pub(crate) fn census(&self) -> Census {
        let mut census = Census::default();
        self.for_each(|session| {
            census.active += 1;
            census.in_handshake += usize::from(!session.is_initialized());
            census.with_calls_in_flight += usize::from(session.calls_in_flight() > 0);
            let streams = session.open_streams.load(Ordering::Relaxed);
            census.with_open_streams += usize::from(streams > 0);
            census.persisted += usize::from(session.record.is_durable());
        });
        census
    }
}

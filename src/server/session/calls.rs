//! The calls in flight of one session: each has a place by its id, and can be cancelled there.

use super::{Session, lock};
use crate::call::{EventLog, Withdrawal};
use mcp_protocol::Id;
use mcp_telemetry::Reason;
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

/// A call in flight.
#[derive(Debug, Clone)]
pub(super) struct InFlight {
    pub(super) withdrawal: Arc<Withdrawal>,
    log: Arc<EventLog>,
    order: u64,
}

/// The calls in flight of one session, and how many there ever were.
#[derive(Debug, Default)]
pub(super) struct Calls {
    pub(super) running: HashMap<Id, InFlight>,
    started: u64,
}

/// Why a call could not be taken into a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unbound {
    /// A call with that id is in flight.
    IdInUse,
    /// The session has as many calls in flight as it may have.
    TooMany,
    /// The session has ended meanwhile.
    Ended,
}

/// A call's place in its session; leaves it when dropped.
pub(crate) struct Bound {
    session: Arc<Session>,
    id: Id,
    pub(crate) withdrawal: Arc<Withdrawal>,
}

impl Bound {
    /// Why the session ended, in the words its client is told; `None` while it lives.
    pub(crate) fn session_ended(&self) -> Option<String> {
        self.session.ended_because().map(why_ended)
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        lock(&self.session.calls).running.remove(&self.id);
        self.session.touch();
    }
}

/// The end of a session, in the words of an answer that is lost with it.
pub(super) fn why_ended(reason: Reason) -> String {
    if reason == Reason::ServerShutdown {
        return "the server stopped".to_owned();
    }
    format!("the session ended: {}", reason.as_str())
}

impl Session {
    /// Bind a call: from here on it can be cancelled by its id.
    pub(crate) fn bind(self: &Arc<Self>, id: &Id, log: &Arc<EventLog>) -> Result<Bound, Unbound> {
        let mut calls = lock(&self.calls);
        // An end is noted before it looks for calls to withdraw.
        if self.ended.get().is_some() {
            return Err(Unbound::Ended);
        }
        let Calls { running, started } = &mut *calls;
        let is_full = running.len() >= self.limits.calls;
        let Entry::Vacant(place) = running.entry(id.clone()) else {
            return Err(Unbound::IdInUse);
        };
        if is_full {
            return Err(Unbound::TooMany);
        }
        *started += 1;
        let withdrawal = Arc::new(Withdrawal::default());
        let (heard, log) = (Arc::clone(&withdrawal), Arc::clone(log));
        place.insert(InFlight { withdrawal: heard, log, order: *started });
        drop(calls);
        Ok(Bound { session: Arc::clone(self), id: id.clone(), withdrawal })
    }

    /// Cancels a call in flight; one that is over is left alone.
    pub(crate) fn cancel(&self, id: &Id) {
        if let Some(call) = lock(&self.calls).running.get(id) {
            call.withdrawal.say();
        }
    }

    /// The stream for what belongs to the session but to none of its calls in particular: that
    /// of the newest call in flight, since a client may have no other open, else the general one.
    pub(super) fn some_stream(&self) -> Arc<EventLog> {
        let calls = lock(&self.calls);
        let newest = calls
            .running
            .values()
            .filter(|call| !call.log.is_closed())
            .max_by_key(|call| call.order);
        newest.map_or_else(|| Arc::clone(&self.general), |call| Arc::clone(&call.log))
    }
}

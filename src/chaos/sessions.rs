//! The sessions that were seen, in the order of their coming: which a fault has made the server
//! forget is a matter of their ordinal, for their ids are never the same twice.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};
use tokio::time::Instant;

/// Most sessions that are remembered.
const MOST: usize = 10_000;

/// What is known of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Session {
    /// Its ordinal, from 1.
    pub(crate) ordinal: u64,
    /// When its answer to `initialize` passed; absent for one from before our time.
    pub(crate) opened: Option<Instant>,
    /// Whether the server is made to have forgotten it.
    pub(crate) lost: bool,
}

/// The sessions of one proxy.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    last: u64,
    sessions: HashMap<String, Session>,
    order: VecDeque<String>,
}

impl Sessions {
    /// A response named a session.
    pub(crate) fn opened(&self, id: &str) {
        self.with(id, Some(Instant::now()), |_| ());
    }

    /// What is known of a session, after `look` had its way with it.
    pub(crate) fn named<T>(&self, id: &str, look: impl FnOnce(&mut Session) -> T) -> T {
        self.with(id, None, look)
    }

    fn with<T>(
        &self,
        id: &str,
        opened: Option<Instant>,
        look: impl FnOnce(&mut Session) -> T,
    ) -> T {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = &mut *seen;
        if !seen.sessions.contains_key(id) {
            seen.last += 1;
            if seen.order.len() == MOST
                && let Some(oldest) = seen.order.pop_front()
            {
                seen.sessions.remove(&oldest);
            }
            seen.order.push_back(id.to_owned());
        }
        let ordinal = seen.last;
        let new = || Session { ordinal, opened, lost: false };
        look(seen.sessions.entry(id.to_owned()).or_insert_with(new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_numbered_as_they_come_and_the_oldest_is_forgotten() {
        let sessions = Sessions::default();
        sessions.opened("a");
        sessions.opened("a");
        assert_eq!(sessions.named("b", |session| (session.ordinal, session.opened)), (2, None));
        sessions.named("a", |session| session.lost = true);
        assert!(sessions.named("a", |session| session.lost && session.opened.is_some()));
        (0..MOST).for_each(|n| sessions.opened(&format!("s{n}")));
        assert!(!sessions.named("a", |session| session.lost), "it is new to us");
    }
}

//! Sessions, and in each the calls whose answers can be asked for again.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// Most sessions.
const MOST_SESSIONS: usize = 10_000;
/// Most calls of a session whose answers are kept.
const MOST_CALLS: usize = 10_000;

/// The answer of a call, when it is there.
pub(crate) type Answer = watch::Receiver<Option<String>>;

/// All sessions by their id.
#[derive(Default)]
pub(crate) struct Sessions {
    /// After so many requests a session is forgotten.
    lasts: Option<u32>,
    all: Mutex<HashMap<String, Session>>,
}

#[derive(Default)]
struct Session {
    requests: u32,
    calls: BTreeMap<u64, Answer>,
    next: u64,
}

impl Sessions {
    /// None yet; each is forgotten after so many requests, or never.
    pub(crate) fn that_last(lasts: Option<u32>) -> Self {
        Self { lasts, ..Self::default() }
    }

    /// Opens one; says its id.
    pub(crate) fn open(&self) -> io::Result<String> {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let id = format!("{:032x}", u128::from_be_bytes(random));
        let mut all = self.lock();
        if all.len() >= MOST_SESSIONS {
            return Err(io::Error::other("too many sessions"));
        }
        all.insert(id.clone(), Session::default());
        Ok(id)
    }

    /// Counts a request; says whether the session is there.
    pub(crate) fn request(&self, id: &str) -> bool {
        let mut all = self.lock();
        let Some(session) = all.get_mut(id) else { return false };
        session.requests += 1;
        if self.lasts.is_some_and(|most| session.requests > most) {
            all.remove(id);
            return false;
        }
        true
    }

    /// Notes a call of a session; says its number in it.
    pub(crate) fn begin(&self, id: &str, answer: Answer) -> Option<u64> {
        let mut all = self.lock();
        let session = all.get_mut(id)?;
        session.next += 1;
        session.calls.insert(session.next, answer);
        if session.calls.len() > MOST_CALLS {
            session.calls.pop_first();
        }
        Some(session.next)
    }

    /// The answer of a call.
    pub(crate) fn answer(&self, id: &str, number: u64) -> Option<Answer> {
        self.lock().get(id)?.calls.get(&number).cloned()
    }

    /// Ends one.
    pub(crate) fn end(&self, id: &str) -> bool {
        self.lock().remove(id).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! A store that ends with the process: for a server that keeps nothing, or cannot.
//!
//! It is bounded as the durable one is, and by numbers besides. It also says in the plainest way
//! what a store does: the durable one is compared with it.

mod catalogue;
mod held;
mod state;
mod work;

use crate::{
    Beginning, CatalogueChange, Change, Epoch, Health, Noted, Restored, Retention, SessionDetail,
    SessionFilter, SessionRecord, StatusCounts, Store, StoreCounts, StoreError, StoredCatalogue,
    UtcMillis, Work, WorkChange,
};
use async_trait::async_trait;
use state::State;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

type Result<T> = std::result::Result<T, StoreError>;

/// A store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    beginning: Beginning,
    instead_of: Option<StoreError>,
}

impl MemoryStore {
    /// A store for a server that is to keep nothing.
    #[must_use]
    pub fn new(retention: Retention, now: UtcMillis) -> Self {
        // Nothing tells how many starts there were before; later ones have larger numbers.
        let epoch = Epoch(u64::try_from(now.as_millis()).unwrap_or(0));
        Self {
            state: Mutex::new(State::new(retention, now)),
            beginning: Beginning { epoch, previous: None },
            instead_of: None,
        }
    }

    /// A store for a server whose own could not be opened: it is degraded, for that reason.
    #[must_use]
    pub fn instead_of(error: StoreError, retention: Retention, now: UtcMillis) -> Self {
        Self { instead_of: Some(error), ..Self::new(retention, now) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.state();
        if state.closed { Err(StoreError::Closed) } else { Ok(state) }
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn beginning(&self) -> &Beginning {
        &self.beginning
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn health(&self) -> Health {
        self.instead_of.clone().map_or(Health::Ok, Health::Degraded)
    }

    fn counts(&self) -> StoreCounts {
        StoreCounts { events_dropped: self.state().events_dropped, ..StoreCounts::default() }
    }

    async fn insert_session(&self, session: SessionRecord) -> Result<()> {
        self.open()?.insert(session);
        Ok(())
    }

    fn note(&self, session: &Arc<str>, at: UtcMillis, change: Change) -> Noted {
        let Ok(mut state) = self.open() else { return Noted::Dropped };
        state.note(session, at, change);
        Noted::Queued
    }

    fn alive(&self, now: UtcMillis) {
        self.state().prune(now);
    }

    fn fallen_behind(&self) -> Vec<Arc<str>> {
        Vec::new()
    }

    async fn load_sessions(&self, now: UtcMillis) -> Result<Vec<Restored>> {
        Ok(self.open()?.active(now))
    }

    async fn find_disconnected(&self, id: &str, now: UtcMillis) -> Result<Option<Restored>> {
        Ok(self.open()?.disconnected(id, now))
    }

    async fn revive(&self, id: &str, at: UtcMillis) -> Result<bool> {
        Ok(self.open()?.revive(id, at))
    }

    async fn sessions(&self, filter: SessionFilter, limit: usize) -> Result<Vec<SessionRecord>> {
        Ok(self.open()?.sessions(&filter, limit))
    }

    async fn session(&self, id: &str) -> Result<Option<SessionDetail>> {
        Ok(self.open()?.session(id))
    }

    async fn status_counts(&self) -> Result<StatusCounts> {
        Ok(self.open()?.status_counts())
    }

    fn note_catalogue(&self, change: CatalogueChange) -> Noted {
        match self.open() {
            Ok(mut state) if change.is_bounded() => {
                state.upstreams.note(change);
                Noted::Queued
            }
            _ => Noted::Dropped,
        }
    }

    async fn catalogue(&self) -> Result<StoredCatalogue> {
        Ok(self.open()?.upstreams.all())
    }

    async fn write_work(&self, change: WorkChange) -> Result<()> {
        self.open()?.work.write(change);
        Ok(())
    }

    async fn load_work(&self, now: UtcMillis) -> Result<Work> {
        Ok(self.open()?.work(now))
    }

    async fn flush(&self, _within: Duration) -> Result<()> {
        self.open().map(drop)
    }

    async fn close(&self, _at: UtcMillis, _within: Duration) -> Result<()> {
        self.open()?.closed = true;
        Ok(())
    }
}

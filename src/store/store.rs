//! The store as the server sees it. Nothing here is of one database: several servers could share
//! one behind it, each with epochs and sessions of its own.

use crate::{
    CatalogueChange, Change, Noted, Restored, SessionDetail, SessionFilter, SessionRecord,
    StatusCounts, StoreError, StoredCatalogue, UtcMillis, Work, WorkChange,
};
use async_trait::async_trait;
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// What outlives the process.
///
/// Whatever waits, waits for a bounded time and then fails with [`StoreError::TimedOut`]. No
/// method panics or blocks when the store is damaged, full or slow: it says so, [`Store::health`]
/// is degraded, and it goes on trying.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// This start of this server, and the one before it.
    fn beginning(&self) -> &Beginning;

    /// Whether what is written here outlives the process.
    fn is_durable(&self) -> bool;

    /// Whether writing works.
    fn health(&self) -> Health;

    /// What was written and lost since the store was opened.
    fn counts(&self) -> StoreCounts;

    /// Writes a session whole. When this returns `Ok`, it survives a crash of the process. The
    /// first time it adds [`crate::Happening::Opened`] to the history; later it replaces the row,
    /// which brings a session up to date that was left behind. One that has ended stays ended.
    ///
    /// # Errors
    /// When the session is not known to be safe.
    async fn insert_session(&self, session: SessionRecord) -> Result<(), StoreError>;

    /// Notes a change, which is written soon. Never waits. Changes of one session are applied in
    /// the order in which they were noted; those to a session that was not stored by
    /// [`Store::insert_session`] change nothing but the history.
    fn note(&self, session: &Arc<str>, at: UtcMillis, change: Change) -> Noted;

    /// Says that this process lives at `now`. By this time expired rows are pruned, and the time
    /// itself is written, at most once a second or so.
    fn alive(&self, now: UtcMillis);

    /// Sessions whose stored state fell behind since this was last asked, because notes of them
    /// were dropped or could not be written. [`Store::insert_session`] brings one up to date.
    fn fallen_behind(&self) -> Vec<Arc<str>>;

    /// All active sessions of this server, by id, with their undelivered events and their calls
    /// in flight. Events that had expired by `now` are left out.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn load_sessions(&self, now: UtcMillis) -> Result<Vec<Restored>, StoreError>;

    /// A disconnected session, after everything noted so far was written.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn find_disconnected(
        &self,
        id: &str,
        now: UtcMillis,
    ) -> Result<Option<Restored>, StoreError>;

    /// Makes a disconnected session active again, and adds [`crate::Happening::Revived`] to the
    /// history; safe when this returns. `false` if it was not disconnected: of several who try,
    /// one succeeds.
    ///
    /// # Errors
    /// When it is not known to be done.
    async fn revive(&self, id: &str, at: UtcMillis) -> Result<bool, StoreError>;

    /// The sessions opened last, newest first, at most `limit` (and at most 1,001).
    ///
    /// # Errors
    /// When they cannot be read.
    async fn sessions(
        &self,
        filter: SessionFilter,
        limit: usize,
    ) -> Result<Vec<SessionRecord>, StoreError>;

    /// A session with its history.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn session(&self, id: &str) -> Result<Option<SessionDetail>, StoreError>;

    /// How many sessions are stored, by status.
    ///
    /// # Errors
    /// When they cannot be counted.
    async fn status_counts(&self) -> Result<StatusCounts, StoreError>;

    /// Notes a change to what is kept of upstreams, which is written soon. Never waits. One that is
    /// beyond a bound, or for which there is no room, is dropped: what was kept stays.
    fn note_catalogue(&self, change: CatalogueChange) -> Noted;

    /// What is kept of upstreams.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn catalogue(&self) -> Result<StoredCatalogue, StoreError>;

    /// Writes a change of agents or tasks; safe when this returns. One that could not be written is
    /// tried again with the next, in order, so that what is stored last is what was told last.
    ///
    /// # Errors
    /// When it is not known to be safe.
    async fn write_work(&self, change: WorkChange) -> Result<(), StoreError>;

    /// All agents and tasks. Tasks that ended longer ago than history is kept are left out.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn load_work(&self, now: UtcMillis) -> Result<Work, StoreError>;

    /// Waits until everything noted so far is written.
    ///
    /// # Errors
    /// When it is not, after `within`.
    async fn flush(&self, within: Duration) -> Result<(), StoreError>;

    /// Writes everything and notes that this process stopped cleanly at `at`. Afterwards nothing
    /// is taken any more.
    ///
    /// # Errors
    /// When that is not done after `within`.
    async fn close(&self, at: UtcMillis, within: Duration) -> Result<(), StoreError>;
}

/// A number that grows with each start of a server on one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u64);

/// A start of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Beginning {
    /// The epoch of this process.
    pub epoch: Epoch,
    /// The life before this one, if there was one.
    pub previous: Option<Life>,
}

/// A life of the server that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Its epoch.
    pub epoch: Epoch,
    /// When it began.
    pub started: UtcMillis,
    /// When it was last known to live; between then and the next start it was down.
    pub last_alive: UtcMillis,
    /// Whether it ended by [`Store::close`].
    pub stopped_cleanly: bool,
}

/// How often a change of work is tried, and how long to wait between.
const WRITES: usize = 10;
const BETWEEN_WRITES: Duration = Duration::from_millis(200);

impl dyn Store {
    /// Writes a change of agents or tasks, and again where the store was slow or had too much to
    /// do; safe when this is `Ok`.
    ///
    /// # Errors
    /// When it is not known to be safe.
    pub async fn write_work_patiently(&self, change: WorkChange) -> Result<(), StoreError> {
        let mut written = self.write_work(change.clone()).await;
        for _ in 1..WRITES {
            if !matches!(written, Err(StoreError::TimedOut | StoreError::Overloaded)) {
                break;
            }
            sleep(BETWEEN_WRITES).await;
            written = self.write_work(change.clone()).await;
        }
        written
    }
}

/// Whether the store works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// What was written last is safe.
    Ok,
    /// It is not: sessions are served and may not outlive the process.
    Degraded(StoreError),
}

/// What was written and lost since the store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreCounts {
    /// Notes for which there was no room, and notes that could not be written.
    pub notes_dropped: u64,
    /// Stored events dropped for want of room, before they expired.
    pub events_dropped: u64,
    /// Rows that wait to be written now.
    pub waiting: u64,
}

//! The embedded default: one SQLite file in the data dir, in WAL mode.
//!
//! One thread writes (`writer`), what waits for it waits in `queue`, merged as `batch`; one thread
//! reads (`read`), on a connection that cannot write. `open` refuses what is damaged, newer or in
//! use without touching it. A killed process loses what was noted in its last 25 ms, and nothing
//! that anybody was told is safe.

mod apply;
mod batch;
mod catalogue;
mod columns;
mod condition;
mod failure;
mod open;
mod prune;
mod queue;
mod read;
mod reading;
mod schema;
mod work;
mod writer;

pub use read::SqliteReader;

use crate::{
    Beginning, CatalogueChange, Change, Health, Noted, Restored, Retention, SessionDetail,
    SessionFilter, SessionRecord, StatusCounts, Store, StoreCounts, StoreError, StoredCatalogue,
    UtcMillis, Work, WorkChange,
};
use async_trait::async_trait;
use condition::Condition;
use failure::{Place, Result};
use mcp_telemetry::{StoreOperation, Telemetry};
use open::Open;
use prune::Pruner;
use queue::{Ending, Queue};
use reading::Reading;
use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};
use writer::Writer;

/// The file in the data dir.
pub(crate) const FILE: &str = "store.db";
/// Its lock.
const LOCK: &str = "store.lock";

/// Longest time to read all lists or all tasks, which may be many and large.
const LOADING: Duration = Duration::from_secs(30);

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct SqliteConfig {
    /// The data dir. It must be there.
    pub dir: PathBuf,
    /// What is kept how long.
    pub retention: Retention,
    /// Longest time that a caller waits (default 1 s).
    pub patience: Duration,
}

impl SqliteConfig {
    /// The defaults, in a data dir.
    #[must_use]
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), retention: Retention::default(), patience: Duration::from_secs(1) }
    }
}

/// An open store.
#[derive(Debug)]
pub struct SqliteStore {
    queue: Arc<Queue>,
    condition: Arc<Condition>,
    reading: Reading,
    beginning: Beginning,
    retention: Retention,
    patience: Duration,
}

impl SqliteStore {
    /// Opens the store, brings its schema up to date and begins a new epoch. Blocks, usually for
    /// some milliseconds.
    ///
    /// # Errors
    /// When it is damaged, of a newer version, in use or cannot be written: then it is as it was.
    pub fn open(config: &SqliteConfig, now: UtcMillis, telemetry: &Telemetry) -> Result<Self> {
        let condition = Arc::new(Condition::new(telemetry));
        let begun = Instant::now();
        let opened = Self::start(config, now, &condition);
        match &opened {
            Ok(_) => condition.done(StoreOperation::Open, begun.elapsed()),
            Err(error) => condition.failed(StoreOperation::Open, error),
        }
        opened
    }

    fn start(config: &SqliteConfig, now: UtcMillis, condition: &Arc<Condition>) -> Result<Self> {
        let Open { connection, place, beginning, lock } = Open::in_dir(&config.dir, now)?;
        let reader = SqliteReader::at(&config.dir.join(FILE))?;
        let pruner =
            Pruner::new(&connection, config.retention, now).map_err(|error| place.error(&error))?;
        let queue = Arc::new(Queue::new(now));
        let writer = Writer {
            connection,
            place: place.clone(),
            epoch: beginning.epoch.0,
            queue: Arc::clone(&queue),
            condition: Arc::clone(condition),
            pruner,
            lock,
            kept: Vec::new(),
            failed: None,
            alive: now,
            unchecked: 0,
        };
        let reading = Reading::start(reader, &place)?;
        spawn("store-write", &place, move || writer.run())?;
        Ok(Self {
            queue,
            condition: Arc::clone(condition),
            reading,
            beginning,
            retention: config.retention,
            patience: config.patience,
        })
    }

    async fn told<T>(&self, told: Result<oneshot::Receiver<Result<T>>>) -> Result<T> {
        wait(told?, self.patience).await
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&SqliteReader) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.read_within(self.patience, read).await
    }

    /// Reads what a start cannot do without, and which may be large.
    async fn load<T: Send + 'static>(
        &self,
        read: impl FnOnce(&SqliteReader) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.read_within(LOADING.max(self.patience), read).await
    }

    async fn read_within<T: Send + 'static>(
        &self,
        within: Duration,
        read: impl FnOnce(&SqliteReader) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let result = match self.reading.ask(read) {
            Ok(answer) => wait(answer, within).await,
            Err(error) => Err(error),
        };
        self.condition.account(StoreOperation::Read, result)
    }

    fn events_since(&self, now: UtcMillis) -> UtcMillis {
        now.before(self.retention.events)
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.queue.end(|| Ending::Abandoned);
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn beginning(&self) -> &Beginning {
        &self.beginning
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn health(&self) -> Health {
        self.condition.health()
    }

    fn counts(&self) -> StoreCounts {
        let (dropped, waiting) = self.queue.account();
        StoreCounts {
            notes_dropped: dropped,
            events_dropped: self.condition.events_dropped.load(Ordering::Relaxed),
            waiting,
        }
    }

    async fn insert_session(&self, session: SessionRecord) -> Result<()> {
        let begun = Instant::now();
        let result = self.told(self.queue.insert(session)).await;
        self.condition.done(StoreOperation::Insert, begun.elapsed());
        self.condition.account(StoreOperation::Insert, result)
    }

    fn note(&self, session: &Arc<str>, at: UtcMillis, change: Change) -> Noted {
        let operation = operation(&change);
        let noted = self.queue.note(session, at, change);
        if noted == Noted::Dropped {
            self.condition.failed(operation, &StoreError::Overloaded);
        }
        noted
    }

    fn alive(&self, now: UtcMillis) {
        self.queue.alive(now);
    }

    fn fallen_behind(&self) -> Vec<Arc<str>> {
        self.queue.behind()
    }

    async fn load_sessions(&self, now: UtcMillis) -> Result<Vec<Restored>> {
        let since = self.events_since(now);
        self.read(move |reader| reader.active(since)).await
    }

    async fn find_disconnected(&self, id: &str, now: UtcMillis) -> Result<Option<Restored>> {
        // What was noted of it is written first. If that cannot be, the older state is the answer,
        // unless there it is active: then nobody knows.
        let written = self.told(self.queue.barrier()).await;
        let (id, since) = (id.to_owned(), self.events_since(now));
        let (found, known) = self
            .read(move |reader| Ok((reader.disconnected(&id, since)?, reader.one(&id)?.is_some())))
            .await?;
        if found.is_none() && known { written.map(|()| None) } else { Ok(found) }
    }

    async fn revive(&self, id: &str, at: UtcMillis) -> Result<bool> {
        let begun = Instant::now();
        let result = self.told(self.queue.revive(id, at)).await;
        self.condition.done(StoreOperation::Insert, begun.elapsed());
        self.condition.account(StoreOperation::Insert, result)
    }

    async fn sessions(&self, filter: SessionFilter, limit: usize) -> Result<Vec<SessionRecord>> {
        self.read(move |reader| reader.sessions(&filter, limit)).await
    }

    async fn session(&self, id: &str) -> Result<Option<SessionDetail>> {
        let id = id.to_owned();
        self.read(move |reader| reader.session(&id)).await
    }

    async fn status_counts(&self) -> Result<StatusCounts> {
        self.read(SqliteReader::status_counts).await
    }

    fn note_catalogue(&self, change: CatalogueChange) -> Noted {
        let noted = self.queue.note_catalogue(change);
        if noted == Noted::Dropped {
            self.condition.failed(StoreOperation::Catalogue, &StoreError::Overloaded);
        }
        noted
    }

    async fn catalogue(&self) -> Result<StoredCatalogue> {
        let (kept, skipped) = self.load(SqliteReader::catalogue).await?;
        for error in &skipped {
            self.condition.failed(StoreOperation::Read, error);
        }
        Ok(kept)
    }

    async fn write_work(&self, change: WorkChange) -> Result<()> {
        let result = self.told(self.queue.work(change)).await;
        self.condition.account(StoreOperation::Work, result)
    }

    async fn load_work(&self, now: UtcMillis) -> Result<Work> {
        let since = now.before(self.retention.history);
        self.load(move |reader| reader.work(since)).await
    }

    async fn flush(&self, within: Duration) -> Result<()> {
        let result = match self.queue.flush() {
            Ok(told) => wait(told, within).await,
            Err(error) => Err(error),
        };
        self.condition.account(StoreOperation::Flush, result)
    }

    async fn close(&self, at: UtcMillis, within: Duration) -> Result<()> {
        let (waiter, told) = oneshot::channel();
        self.reading.stop();
        self.queue.end(|| Ending::Clean(at, waiter));
        self.condition.account(StoreOperation::Flush, wait(told, within).await)
    }
}

/// Waits for an answer, but not for ever.
async fn wait<T>(told: oneshot::Receiver<Result<T>>, within: Duration) -> Result<T> {
    match timeout(within, told).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(StoreError::Closed),
        Err(_) => Err(StoreError::TimedOut),
    }
}

fn spawn(name: &str, place: &Place, run: impl FnOnce() + Send + 'static) -> Result<()> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map(drop).map_err(|error| place.io(&error))
}

/// What fails when a change is dropped.
fn operation(change: &Change) -> StoreOperation {
    match change {
        Change::Initialized | Change::Happened(..) | Change::Disconnected(..) => {
            StoreOperation::History
        }
        Change::Active(_) | Change::LogLevel(_) | Change::Subscriptions(_) | Change::Resume(_) => {
            StoreOperation::Session
        }
        Change::StreamOpened { .. }
        | Change::Event { .. }
        | Change::Acknowledged { .. }
        | Change::StreamClosed { .. }
        | Change::StreamForgotten { .. } => StoreOperation::Event,
        Change::CallStarted { .. } | Change::CallEnded { .. } => StoreOperation::Call,
    }
}

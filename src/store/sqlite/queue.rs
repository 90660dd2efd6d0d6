//! The way to the writer: changes wait here, within bounds, and whoever waits for them is told.
//!
//! Nobody waits for room. Events may fill half of it and other notes three quarters, so that what
//! is told last is still told: that a session has ended, and that a new one is safe.

use super::{batch::Batch, failure::Result};
use crate::{CatalogueChange, Change, Noted, SessionRecord, StoreError, UtcMillis, WorkChange};
use std::{
    collections::HashSet,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::oneshot;

/// Most rows that wait.
const MOST_ROWS: usize = 65_536;
/// Most bytes of events and lists that wait.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// Most sessions remembered as fallen behind.
const MOST_BEHIND: usize = 65_536;
/// How long notes wait for more notes: this much is lost in a crash.
const LINGER: Duration = Duration::from_millis(25);
/// How often the writer wakes when there is nothing to write.
const TICK: Duration = Duration::from_secs(1);

/// Who is told when what was queued until now is safe, or why it is not.
pub(super) type Waiter = oneshot::Sender<Result<()>>;

/// Who is told whether a session was revived.
pub(super) type RevivalWaiter = oneshot::Sender<Result<bool>>;

/// A part of the queue, in order.
#[derive(Debug)]
pub(super) enum Step {
    /// Changes.
    Batch(Batch),
    /// Makes a disconnected session active.
    Revive { id: Arc<str>, at: UtcMillis, waiter: RevivalWaiter },
}

/// How the writer shall end.
#[derive(Debug)]
pub(super) enum Ending {
    /// With a note that this was a clean stop, at that time.
    Clean(UtcMillis, Waiter),
    /// Without one.
    Abandoned,
}

/// What the writer takes at once.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) steps: Vec<Step>,
    pub(super) waiters: Vec<Waiter>,
    /// Somebody waits for everything to be done, pruning too.
    pub(super) flush: bool,
    pub(super) alive: UtcMillis,
    pub(super) ending: Option<Ending>,
}

#[derive(Debug, Default)]
struct State {
    work: Work,
    /// The last step, which takes what comes.
    batch: Batch,
    rows: usize,
    bytes: usize,
    /// Rows and bytes that the writer could not write and keeps.
    kept: (usize, usize),
    urgent: bool,
    closed: bool,
    behind: HashSet<Arc<str>>,
    dropped: u64,
}

/// The queue.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
}

impl State {
    fn admits(&self, change: &Change) -> bool {
        let rows = self.rows + self.kept.0;
        if let Change::Event { json, .. } = change {
            return rows < MOST_ROWS / 2 && self.bytes + self.kept.1 + json.len() <= MOST_BYTES;
        }
        let last = matches!(change, Change::Disconnected(..));
        rows < if last { MOST_ROWS } else { MOST_ROWS / 4 * 3 }
    }

    /// Changes the batch and keeps the account of rows and bytes.
    fn change(&mut self, change: impl FnOnce(&mut Batch)) {
        let before = (self.batch.rows, self.batch.bytes);
        change(&mut self.batch);
        self.rows = (self.rows + self.batch.rows).saturating_sub(before.0);
        self.bytes = (self.bytes + self.batch.bytes).saturating_sub(before.1);
    }

    /// Makes the batch a step: what comes now comes after it.
    fn end_batch(&mut self) {
        if !self.batch.is_empty() {
            self.work.steps.push(Step::Batch(std::mem::take(&mut self.batch)));
        }
    }

    fn is_empty(&self) -> bool {
        self.work.steps.is_empty() && self.batch.is_empty()
    }

    fn fell_behind(&mut self, session: &Arc<str>) {
        self.dropped += 1;
        if self.behind.len() < MOST_BEHIND {
            self.behind.insert(Arc::clone(session));
        }
    }
}

impl Queue {
    pub(super) fn new(now: UtcMillis) -> Self {
        let work = Work { alive: now, ..Work::default() };
        Self { state: Mutex::new(State { work, ..State::default() }), wake: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, session: &Arc<str>, at: UtcMillis, change: Change) -> Noted {
        let mut state = self.lock();
        if state.closed || !state.admits(&change) {
            state.fell_behind(session);
            return Noted::Dropped;
        }
        state.work.alive = state.work.alive.max(at);
        let first = state.is_empty();
        state.change(|batch| batch.note(session, at, change));
        drop(state);
        if first {
            self.wake.notify_one();
        }
        Noted::Queued
    }

    pub(super) fn note_catalogue(&self, change: CatalogueChange) -> Noted {
        let mut state = self.lock();
        let (rows, bytes) = (state.rows + state.kept.0, state.bytes + state.kept.1);
        let has_room = rows < MOST_ROWS / 2 && bytes + change.bytes() <= MOST_BYTES;
        if state.closed || !has_room || !change.is_bounded() {
            return Noted::Dropped;
        }
        let first = state.is_empty();
        state.change(|batch| batch.note_catalogue(change));
        drop(state);
        if first {
            self.wake.notify_one();
        }
        Noted::Queued
    }

    pub(super) fn insert(&self, session: SessionRecord) -> Result<oneshot::Receiver<Result<()>>> {
        let mut state = self.open()?;
        state.work.alive = state.work.alive.max(session.last_activity);
        state.change(|batch| batch.insert(session));
        Ok(self.wait(state))
    }

    pub(super) fn revive(
        &self,
        id: &str,
        at: UtcMillis,
    ) -> Result<oneshot::Receiver<Result<bool>>> {
        let (waiter, told) = oneshot::channel();
        let mut state = self.open()?;
        state.rows += 1;
        state.work.alive = state.work.alive.max(at);
        state.end_batch();
        state.work.steps.push(Step::Revive { id: id.into(), at, waiter });
        self.hurry(state);
        Ok(told)
    }

    pub(super) fn work(&self, change: WorkChange) -> Result<oneshot::Receiver<Result<()>>> {
        let mut state = self.open()?;
        state.change(|batch| batch.work(change));
        Ok(self.wait(state))
    }

    /// Tells when everything queued so far is written.
    pub(super) fn barrier(&self) -> Result<oneshot::Receiver<Result<()>>> {
        let state = self.lock();
        if state.closed { Err(StoreError::Closed) } else { Ok(self.wait(state)) }
    }

    /// The same, and when what is due then is pruned.
    pub(super) fn flush(&self) -> Result<oneshot::Receiver<Result<()>>> {
        let mut state = self.lock();
        if state.closed {
            return Err(StoreError::Closed);
        }
        state.work.flush = true;
        Ok(self.wait(state))
    }

    pub(super) fn alive(&self, now: UtcMillis) {
        let mut state = self.lock();
        state.work.alive = state.work.alive.max(now);
    }

    /// Nothing is taken from here on.
    pub(super) fn end(&self, ending: impl FnOnce() -> Ending) {
        let mut state = self.lock();
        if !state.closed {
            state.closed = true;
            state.work.flush = true;
            state.work.ending = Some(ending());
            self.hurry(state);
        }
    }

    /// Sessions that fell behind, once.
    pub(super) fn behind(&self) -> Vec<Arc<str>> {
        self.lock().behind.drain().collect()
    }

    /// Notes dropped so far, and rows that wait.
    pub(super) fn account(&self) -> (u64, u64) {
        let state = self.lock();
        (state.dropped, (state.rows + state.kept.0) as u64)
    }

    fn open(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.lock();
        if state.closed {
            return Err(StoreError::Closed);
        }
        if state.rows + state.kept.0 >= MOST_ROWS {
            return Err(StoreError::Overloaded);
        }
        Ok(state)
    }

    fn wait(&self, mut state: MutexGuard<'_, State>) -> oneshot::Receiver<Result<()>> {
        let (waiter, told) = oneshot::channel();
        state.work.waiters.push(waiter);
        self.hurry(state);
        told
    }

    fn hurry(&self, mut state: MutexGuard<'_, State>) {
        state.urgent = true;
        drop(state);
        self.wake.notify_one();
    }
}

/// The writer's side.
impl Queue {
    /// Waits until there is something to write, then a little for more of it unless somebody
    /// waits, and takes all. After a tick there may be nothing.
    pub(super) fn take(&self) -> Work {
        let nothing = |state: &mut State| state.is_empty() && !state.urgent;
        let calm = |state: &mut State| !state.urgent;
        let wait = |state, time, until: &dyn Fn(&mut State) -> bool| {
            let waited = self.wake.wait_timeout_while(state, time, until);
            waited.unwrap_or_else(PoisonError::into_inner).0
        };
        let mut state = wait(self.lock(), TICK, &nothing);
        if !state.is_empty() {
            state = wait(state, LINGER, &calm);
        }
        self.all(state)
    }

    /// Waits for a while, or until somebody else waits, and takes all.
    pub(super) fn take_after(&self, pause: Duration) -> Work {
        let calm = |state: &mut State| !state.urgent;
        let waited = self.wake.wait_timeout_while(self.lock(), pause, calm);
        self.all(waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    fn all(&self, mut state: MutexGuard<'_, State>) -> Work {
        state.end_batch();
        let alive = state.work.alive;
        (state.rows, state.bytes, state.urgent) = (0, 0, false);
        std::mem::replace(&mut state.work, Work { alive, ..Work::default() })
    }

    /// Says how much the writer keeps because it could not be written.
    pub(super) fn keep(&self, rows: usize, bytes: usize) {
        self.lock().kept = (rows, bytes);
    }

    /// Says that changes of these sessions are lost.
    pub(super) fn lost(&self, sessions: impl Iterator<Item = Arc<str>>) {
        let mut state = self.lock();
        sessions.for_each(|session| state.fell_behind(&session));
    }
}

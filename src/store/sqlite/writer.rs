//! The one thread that writes. It takes all that waits, writes it in one transaction, and tells
//! whoever waited for it. What cannot be written now is kept, within the bounds of the queue, and
//! tried again.

use super::{
    apply::Apply,
    batch::Batch,
    columns::signed,
    condition::Condition,
    disk::Disk,
    failure::{self, Place, Result},
    prune::Pruner,
    queue::{Ending, Queue, Step, Work},
};
use crate::{StoreError, UtcMillis};
use mcp_telemetry::StoreOperation;
use rusqlite::{Connection, TransactionBehavior};
use std::{
    fs::File,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::Instant;

/// How long after a failure the next try is made.
const RETRY: Duration = Duration::from_secs(1);
/// After so many rows what was written goes from the log into the database.
const CHECKPOINT_ROWS: usize = 8_192;

/// The thread's own.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) place: Place,
    pub(super) epoch: u64,
    pub(super) queue: Arc<Queue>,
    pub(super) condition: Arc<Condition>,
    pub(super) pruner: Pruner,
    pub(super) lock: File,
    pub(super) disk: Disk,
    /// What could not be written, oldest first.
    pub(super) kept: Vec<Batch>,
    /// When and why the last try failed, if it did. For a while nobody then waits for another:
    /// each would take its time and fail as well.
    pub(super) failed: Option<(Instant, StoreError)>,
    /// The time last written as this life's.
    pub(super) alive: UtcMillis,
    /// Rows written since the last checkpoint.
    pub(super) unchecked: usize,
}

/// What one transaction did.
#[derive(Debug, Default)]
struct Written {
    times: Vec<(StoreOperation, Duration)>,
    grown: i64,
    revived: Vec<bool>,
}

impl Writer {
    /// Writes until the store is closed.
    pub(super) fn run(mut self) {
        loop {
            if let Some(told) = self.disk.look(&self.lock) {
                self.condition.tell(told);
            }
            let mut work = match self.kept.is_empty() {
                true => self.queue.take(),
                false => self.queue.take_after(RETRY),
            };
            let ending = work.ending.take();
            let flush = work.flush;
            let (alive, worked) = (work.alive, self.write(work));
            if let Some(ending) = ending {
                return self.end(ending, worked);
            }
            if worked.is_ok() {
                self.tend(alive, flush);
            }
        }
    }

    /// Writes what is kept and what came, or keeps it.
    fn write(&mut self, mut work: Work) -> Result<()> {
        let idle = work.steps.is_empty() && self.kept.is_empty();
        if idle && work.alive == self.alive && work.waiters.is_empty() {
            return Ok(());
        }
        if let Some((at, error)) = self.failed.clone()
            && at.elapsed() < RETRY
            && !work.flush
        {
            self.keep(work, &error, true);
            return Err(error);
        }
        let begun = Instant::now();
        let (result, passes) = match self.transaction(&work) {
            Ok(written) => (Ok(written), true),
            Err(error) => (Err(self.place.error(&error)), failure::may_pass(&error)),
        };
        match result {
            Ok(written) => {
                self.written(&mut work, written, begun);
                Ok(())
            }
            Err(error) => {
                self.condition.degraded(StoreOperation::Commit, &error);
                self.failed = Some((Instant::now(), error.clone()));
                self.keep(work, &error, passes);
                Err(error)
            }
        }
    }

    fn transaction(&mut self, work: &Work) -> rusqlite::Result<Written> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut apply = Apply::new(&transaction, signed(self.epoch));
        self.kept.iter().try_for_each(|batch| apply.batch(batch))?;
        let mut revived = Vec::new();
        for step in &work.steps {
            match step {
                Step::Batch(batch) => apply.batch(batch)?,
                Step::Revive { id, at, .. } => revived.push(apply.revive(id, *at)?),
            }
        }
        apply.alive(work.alive)?;
        let (mut times, grown) = (apply.times, apply.grown);
        let begun = Instant::now();
        transaction.commit()?;
        times.push((StoreOperation::Commit, begun.elapsed()));
        Ok(Written { times, grown, revived })
    }

    fn written(&mut self, work: &mut Work, written: Written, begun: Instant) {
        (self.alive, self.failed) = (work.alive, None);
        // Before anybody is told that it is safe.
        self.condition.works();
        self.pruner.grew(written.grown);
        self.unchecked += self.kept.drain(..).map(|batch| batch.rows).sum::<usize>();
        self.queue.keep(0, 0);
        let mut revived = written.revived.into_iter();
        for step in work.steps.drain(..) {
            match step {
                Step::Batch(batch) => self.unchecked += batch.rows,
                Step::Revive { waiter, .. } => {
                    // Whoever asked may have gone: then nobody needs to know.
                    drop(waiter.send(Ok(revived.next().unwrap_or(false))));
                }
            }
        }
        if !work.flush {
            tell(work, &Ok(()));
        }
        for (operation, elapsed) in written.times {
            self.condition.done(operation, elapsed);
        }
        if work.flush {
            self.finish_flush(work, begun);
        }
    }

    /// Whoever flushes sees pruning done too.
    fn finish_flush(&mut self, work: &mut Work, begun: Instant) {
        self.tend(work.alive, true);
        tell(work, &Ok(()));
        self.condition.done(StoreOperation::Flush, begun.elapsed());
    }

    /// Tells whoever waits, and keeps what may still be written: of a full disk not the events,
    /// since sessions come first.
    fn keep(&mut self, mut work: Work, error: &StoreError, may_pass: bool) {
        tell(&mut work, &Err(error.clone()));
        let mut kept = std::mem::take(&mut self.kept);
        for step in work.steps {
            match step {
                Step::Revive { waiter, .. } => drop(waiter.send(Err(error.clone()))),
                Step::Batch(batch) => kept.push(batch),
            }
        }
        for batch in &mut kept {
            batch.drop_inserts();
            if !may_pass {
                self.queue.lost(std::mem::take(batch).sessions.into_keys());
            } else if matches!(error, StoreError::Full { .. }) {
                self.queue.lost(batch.drop_events().into_iter());
            }
        }
        kept.retain(|batch| !batch.is_empty());
        let sizes = kept
            .iter()
            .fold((0, 0), |(rows, bytes), batch| (rows + batch.rows, bytes + batch.bytes));
        self.queue.keep(sizes.0, sizes.1);
        self.kept = kept;
    }

    /// What is done when nobody waits: bounds, expiry, checkpoint. All of it, if `fully`.
    fn tend(&mut self, now: UtcMillis, fully: bool) {
        let done =
            self.bound().and_then(|()| self.prune(now, fully)).and_then(|()| self.checkpoint());
        if let Err((operation, error)) = done {
            self.condition.degraded(operation, &error);
        }
    }

    fn bound(&mut self) -> Tended {
        if !self.pruner.is_full() {
            return Ok(());
        }
        match self.pruner.bound(&self.connection) {
            Ok(dropped) => {
                self.condition.events_dropped.fetch_add(dropped as u64, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err((StoreOperation::Prune, self.place.error(&error))),
        }
    }

    fn prune(&mut self, now: UtcMillis, fully: bool) -> Tended {
        if !self.pruner.is_due(now) {
            return Ok(());
        }
        let begun = Instant::now();
        while self
            .pruner
            .step(&mut self.connection, now)
            .map_err(|error| (StoreOperation::Prune, self.place.error(&error)))?
        {
            if !fully {
                break;
            }
        }
        self.condition.done(StoreOperation::Prune, begun.elapsed());
        Ok(())
    }

    fn checkpoint(&mut self) -> Tended {
        if self.unchecked < CHECKPOINT_ROWS {
            return Ok(());
        }
        let begun = Instant::now();
        self.connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
            .map_err(|error| (StoreOperation::Checkpoint, self.place.error(&error)))?;
        self.unchecked = 0;
        self.condition.done(StoreOperation::Checkpoint, begun.elapsed());
        Ok(())
    }

    /// The last of this thread: closes the file, then lets go of the lock, then tells.
    fn end(self, ending: Ending, worked: Result<()>) {
        let Ending::Clean(at, waiter) = ending else { return };
        let stopped = worked.and_then(|()| {
            let sql = "UPDATE lives SET stopped_cleanly = 1, last_alive = ?2 WHERE epoch = ?1";
            let done = self.connection.execute(sql, [signed(self.epoch), at.as_millis()]);
            done.map_err(|error| self.place.error(&error))
        });
        // What is in the log is safe there too.
        drop(self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
        let closed = self.connection.close().map_err(|(_, error)| self.place.error(&error));
        drop(self.lock);
        drop(waiter.send(stopped.and(closed)));
    }
}

type Tended = std::result::Result<(), (StoreOperation, StoreError)>;

/// Whoever waited may have gone: then nobody needs to know.
fn tell(work: &mut Work, result: &Result<()>) {
    for waiter in work.waiters.drain(..) {
        drop(waiter.send(result.clone()));
    }
}

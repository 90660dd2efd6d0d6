//! What is old or too much goes, a little at a time.

use super::work;
use crate::{PRUNE_EVERY, Retention, UtcMillis};
use rusqlite::{Connection, Rows, params};

/// Most rows of a table that go in one step.
const STEP: u32 = 2_000;

/// Removes what is old. Rows are in the order in which they came, so only the oldest are looked at.
#[derive(Debug)]
pub(super) struct Pruner {
    retention: Retention,
    last: UtcMillis,
    /// Bytes of all stored events.
    bytes: i64,
}

impl Pruner {
    pub(super) fn new(
        connection: &Connection,
        retention: Retention,
        now: UtcMillis,
    ) -> rusqlite::Result<Self> {
        let bytes = connection.query_row(
            "SELECT coalesce(sum(length(json)), 0) FROM events",
            [],
            |row| row.get(0),
        )?;
        Ok(Self { retention, last: now, bytes })
    }

    /// Notes how the stored events have grown.
    pub(super) fn grew(&mut self, bytes: i64) {
        self.bytes += bytes;
    }

    pub(super) fn is_due(&self, now: UtcMillis) -> bool {
        now.since(self.last) >= PRUNE_EVERY
    }

    /// Whether events are over their bound.
    pub(super) fn is_full(&self) -> bool {
        u64::try_from(self.bytes).unwrap_or(0) > self.retention.event_bytes
    }

    /// One step; whether there is more to do. When there is not, the next is due after a while.
    pub(super) fn step(
        &mut self,
        connection: &mut Connection,
        now: UtcMillis,
    ) -> rusqlite::Result<bool> {
        let more = self.expire(connection, now)?;
        if !more {
            self.last = now;
        }
        Ok(more)
    }

    fn expire(&mut self, connection: &mut Connection, now: UtcMillis) -> rusqlite::Result<bool> {
        let old = now.before(self.retention.history).as_millis();
        let stale = now.before(self.retention.events).as_millis();
        let transaction = connection.transaction()?;
        let mut freed = Freed::default();
        freed.take(transaction.prepare_cached(EVENTS)?.query(params![stale, STEP])?)?;
        freed.take(transaction.prepare_cached(LATE_EVENTS)?.query(params![stale, STEP])?)?;
        let streams = transaction.prepare_cached(STREAMS)?.execute(params![stale, STEP])?;
        let history = transaction.prepare_cached(HISTORY)?.execute(params![old, STEP])?;
        let tasks = work::expire(&transaction, old, STEP)?;
        let sessions = ids(&transaction, old)?;
        for id in &sessions {
            freed.take(transaction.prepare_cached(EVENTS_OF)?.query([id])?)?;
            for table in ["streams", "calls"] {
                let sql = format!("DELETE FROM {table} WHERE session = ?1");
                transaction.prepare_cached(&sql)?.execute([id])?;
            }
            transaction.prepare_cached("DELETE FROM sessions WHERE id = ?1")?.execute([id])?;
        }
        transaction.commit()?;
        self.bytes -= freed.bytes;
        shrink(connection)?;
        let most = freed.rows.max(streams).max(history).max(tasks).max(sessions.len());
        Ok(most >= STEP as usize)
    }

    /// Drops the oldest events until they are within their bound; how many those were.
    pub(super) fn bound(&mut self, connection: &Connection) -> rusqlite::Result<usize> {
        let bound = i64::try_from(self.retention.event_bytes).unwrap_or(i64::MAX);
        let (mut bytes, mut newest) = (self.bytes, None);
        let mut oldest =
            connection.prepare_cached("SELECT number, length(json) FROM events ORDER BY number")?;
        let mut rows = oldest.query([])?;
        while bytes > bound
            && let Some(row) = rows.next()?
        {
            newest = Some(row.get::<_, i64>(0)?);
            bytes -= row.get::<_, i64>(1)?;
        }
        drop(rows);
        let dropped = connection
            .prepare_cached("DELETE FROM events WHERE number <= ?1")?
            .execute([newest.unwrap_or(i64::MIN)])?;
        self.bytes = bytes;
        Ok(dropped)
    }
}

const EVENTS: &str = "DELETE FROM events WHERE at <= ?1 AND number IN \
     (SELECT number FROM events ORDER BY number LIMIT ?2) RETURNING length(json)";
const EVENTS_OF: &str = "DELETE FROM events WHERE session = ?1 RETURNING length(json)";
/// Those that came after their stream was closed go with it, or they would be another's of its number.
const LATE_EVENTS: &str = "DELETE FROM events WHERE (session, stream) IN \
     (SELECT session, stream FROM streams WHERE closed <= ?1 \
     ORDER BY closed, session, stream LIMIT ?2) RETURNING length(json)";
const STREAMS: &str = "DELETE FROM streams WHERE (session, stream) IN \
     (SELECT session, stream FROM streams WHERE closed <= ?1 \
     ORDER BY closed, session, stream LIMIT ?2)";
const HISTORY: &str = "DELETE FROM history WHERE at <= ?1 AND number IN \
     (SELECT number FROM history ORDER BY number LIMIT ?2)";
const SESSIONS: &str = "SELECT id FROM sessions WHERE disconnected_at <= ?1 LIMIT ?2";

/// Events that went.
#[derive(Debug, Default)]
struct Freed {
    rows: usize,
    bytes: i64,
}

impl Freed {
    fn take(&mut self, mut lengths: Rows<'_>) -> rusqlite::Result<()> {
        while let Some(length) = lengths.next()? {
            self.rows += 1;
            self.bytes += length.get::<_, i64>(0)?;
        }
        Ok(())
    }
}

fn ids(connection: &Connection, old: i64) -> rusqlite::Result<Vec<String>> {
    let mut sessions = connection.prepare_cached(SESSIONS)?;
    sessions.query_map(params![old, STEP], |row| row.get(0))?.collect()
}

/// Gives some free pages back to the disk: one for each row that is read.
fn shrink(connection: &Connection) -> rusqlite::Result<()> {
    let mut vacuum = connection.prepare_cached("PRAGMA incremental_vacuum(512)")?;
    let mut pages = vacuum.query([])?;
    while pages.next()?.is_some() {}
    Ok(())
}

//! Writes a batch inside a transaction.

use super::{
    batch::{Batch, CallChange, SessionChange, StreamChange},
    catalogue,
    columns::{Row, signed, subscriptions_to_text},
    work,
};
use crate::{Happening, HistoryRow, SessionRecord, StoredCall, UtcMillis};
use mcp_telemetry::{Reason, StoreOperation};
use rusqlite::{Connection, Result, ToSql, params};
use std::{collections::HashSet, time::Duration};
use tokio::time::Instant;

/// Writes into one open transaction.
pub(super) struct Apply<'a> {
    connection: &'a Connection,
    epoch: i64,
    /// What took how long.
    pub(super) times: Vec<(StoreOperation, Duration)>,
    /// By how many bytes the stored events have grown.
    pub(super) grown: i64,
}

impl<'a> Apply<'a> {
    pub(super) fn new(connection: &'a Connection, epoch: i64) -> Self {
        Self { connection, epoch, times: Vec::new(), grown: 0 }
    }

    /// Writes the time at which this life is known to go on.
    pub(super) fn alive(&self, at: UtcMillis) -> Result<()> {
        self.connection
            .prepare_cached("UPDATE lives SET last_alive = max(last_alive, ?2) WHERE epoch = ?1")?
            .execute(params![self.epoch, at.as_millis()])?;
        Ok(())
    }

    pub(super) fn batch(&mut self, batch: &Batch) -> Result<()> {
        let mut new = HashSet::new();
        self.timed(StoreOperation::Session, |this| this.sessions(batch, &mut new))?;
        if !batch.history.is_empty() {
            self.timed(StoreOperation::History, |this| this.histories(batch, new))?;
        }
        if batch.sessions.values().any(|change| change.forget || !change.streams.is_empty()) {
            self.timed(StoreOperation::Event, |this| this.of_sessions(batch, Self::streams))?;
        }
        if batch.sessions.values().any(|change| change.forget || !change.calls.is_empty()) {
            self.timed(StoreOperation::Call, |this| this.of_sessions(batch, Self::calls))?;
        }
        if !batch.catalogue.is_empty() {
            self.timed(StoreOperation::Catalogue, |this| {
                let connection = this.connection;
                batch.catalogue.iter().try_for_each(|change| catalogue::apply(connection, change))
            })?;
        }
        if !batch.work.is_empty() {
            self.timed(StoreOperation::Work, |this| {
                batch.work.iter().try_for_each(|change| work::write(this.connection, change))
            })?;
        }
        Ok(())
    }

    /// Makes a disconnected session active; whether it was disconnected.
    pub(super) fn revive(&self, id: &str, at: UtcMillis) -> Result<bool> {
        let revived = self
            .connection
            .prepare_cached(
                "UPDATE sessions SET disconnected_at = NULL, disconnect_reason = NULL, epoch = ?2, \
                 last_activity = max(last_activity, ?3) WHERE id = ?1 AND disconnected_at IS NOT NULL",
            )?
            .execute(params![id, self.epoch, at.as_millis()])?;
        if revived == 0 {
            return Ok(false);
        }
        let row = HistoryRow { at, what: Happening::Revived, reason: None, detail: None };
        self.history(id, &row)?;
        Ok(true)
    }

    fn timed(
        &mut self,
        operation: StoreOperation,
        write: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let begun = Instant::now();
        let done = write(self);
        self.times.push((operation, begun.elapsed()));
        done
    }

    fn sessions<'b>(&self, batch: &'b Batch, new: &mut HashSet<&'b str>) -> Result<()> {
        for session in &batch.inserts {
            if self.insert(session)? {
                new.insert(&session.id);
            }
        }
        batch
            .sessions
            .iter()
            .try_for_each(|(id, change)| self.change((id, new.contains(&**id)), change))
    }

    /// Writes a session whole; whether it is new.
    fn insert(&self, session: &SessionRecord) -> Result<bool> {
        let row = Row::of(session, self.epoch);
        let new = self.connection.prepare_cached(Row::INSERT)?.execute(row.params())? > 0;
        if !new {
            self.connection.prepare_cached(Row::REPLACE)?.execute(row.params())?;
        }
        Ok(new)
    }

    fn histories(&self, batch: &Batch, mut new: HashSet<&str>) -> Result<()> {
        for (session, row) in &batch.history {
            if row.what != Happening::Opened || new.remove(&**session) {
                self.history(session, row)?;
            }
        }
        Ok(())
    }

    fn change(&self, (id, is_new): (&str, bool), change: &SessionChange) -> Result<()> {
        let disconnected = change.disconnected.or(change.ended_before.filter(|_| !is_new));
        let (at, counts) = change.active.unzip();
        let counts = counts.unwrap_or_default();
        let subscriptions = change.subscriptions.as_deref().map(subscriptions_to_text);
        self.connection
            .prepare_cached(
                "UPDATE sessions SET initialized = initialized OR ?2, log_level = coalesce(?3, log_level), \
                 subscriptions = coalesce(?4, subscriptions), resume = iif(?5, ?6, resume), \
                 streams = max(streams, ?7), disconnected_at = coalesce(?8, disconnected_at), \
                 disconnect_reason = coalesce(?9, disconnect_reason) WHERE id = ?1",
            )?
            .execute(params![
                id,
                change.initialized,
                change.log_level.as_deref(),
                subscriptions,
                change.resume.is_some(),
                change.resume.as_ref().and_then(Option::as_deref),
                signed(change.highest_stream),
                disconnected.map(|(at, _)| at.as_millis()),
                disconnected.map(|(_, reason)| Reason::as_str(reason)),
            ])?;
        let Some(at) = at else { return Ok(()) };
        self.connection
            .prepare_cached(
                "UPDATE sessions SET last_activity = max(last_activity, ?2), requests = ?3, \
                 errors = ?4 WHERE id = ?1",
            )?
            .execute(
                params![id, at.as_millis(), signed(counts.requests), signed(counts.errors),],
            )?;
        Ok(())
    }

    fn history(&self, session: &str, row: &HistoryRow) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO history (session, at, what, status_before, status_after, reason, detail) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                session,
                row.at.as_millis(),
                row.what.as_str(),
                row.what.from().map(crate::StatusWord::as_str),
                row.what.to().as_str(),
                row.reason.map(Reason::as_str),
                row.detail.as_deref(),
            ])?;
        Ok(())
    }

    /// Writes a part of every session that is stored.
    fn of_sessions(
        &mut self,
        batch: &Batch,
        part: fn(&mut Self, &str, &SessionChange) -> Result<()>,
    ) -> Result<()> {
        for (id, change) in &batch.sessions {
            if !(change.forget || !change.streams.is_empty() || !change.calls.is_empty()) {
                continue;
            }
            let mut known =
                self.connection.prepare_cached("SELECT 1 FROM sessions WHERE id = ?1")?;
            if known.exists([&**id])? {
                part(self, id, change)?;
            }
        }
        Ok(())
    }

    fn streams(&mut self, id: &str, change: &SessionChange) -> Result<()> {
        if change.forget {
            self.forget_events("session = ?1", &[&id])?;
            self.execute("DELETE FROM streams WHERE session = ?1", id)?;
        }
        for (number, stream) in &change.streams {
            self.stream(id, signed(*number), stream)?;
        }
        Ok(())
    }

    fn stream(&mut self, id: &str, number: i64, stream: &StreamChange) -> Result<()> {
        if stream.forget {
            self.forget_events("session = ?1 AND stream = ?2", &[&id, &number])?;
            self.connection
                .prepare_cached("DELETE FROM streams WHERE session = ?1 AND stream = ?2")?
                .execute(params![id, number])?;
        }
        if !stream.known {
            return Ok(());
        }
        self.upsert_stream(id, number, stream)?;
        if stream.acknowledged > 0 {
            let read = signed(stream.acknowledged);
            let which = "session = ?1 AND stream = ?2 AND event <= ?3";
            self.forget_events(which, &[&id, &number, &read])?;
        }
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO events (session, stream, event, at, json) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        for event in &stream.events {
            insert.execute(params![
                id,
                number,
                signed(event.number),
                event.at.as_millis(),
                &*event.json
            ])?;
            self.grown += signed(event.json.len() as u64);
        }
        Ok(())
    }

    fn upsert_stream(&self, id: &str, number: i64, stream: &StreamChange) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO streams (session, stream, request, last, acknowledged, closed) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET \
                 request = coalesce(excluded.request, request), last = max(last, excluded.last), \
                 acknowledged = max(acknowledged, excluded.acknowledged), \
                 closed = coalesce(excluded.closed, closed)",
            )?
            .execute(params![
                id,
                number,
                stream.request.as_deref(),
                signed(stream.last),
                signed(stream.acknowledged),
                stream.closed.map(UtcMillis::as_millis),
            ])?;
        Ok(())
    }

    fn forget_events(&mut self, which: &str, values: &[&dyn ToSql]) -> Result<()> {
        let sql = format!("DELETE FROM events WHERE {which} RETURNING length(json)");
        let mut delete = self.connection.prepare_cached(&sql)?;
        let mut freed = delete.query(values)?;
        while let Some(row) = freed.next()? {
            self.grown -= row.get::<_, i64>(0)?;
        }
        Ok(())
    }

    fn calls(&mut self, id: &str, change: &SessionChange) -> Result<()> {
        if change.forget {
            self.execute("DELETE FROM calls WHERE session = ?1", id)?;
        }
        for (request, call) in &change.calls {
            match call {
                CallChange::Started { call, .. } => self.call(id, call)?,
                CallChange::Ended => {
                    self.connection
                        .prepare_cached("DELETE FROM calls WHERE session = ?1 AND request = ?2")?
                        .execute(params![id, &**request])?;
                }
            }
        }
        Ok(())
    }

    fn call(&self, id: &str, call: &StoredCall) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO calls (session, request, method, stream, started) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                id,
                &*call.request,
                call.method.as_str(),
                call.stream.map(signed),
                call.started.as_millis(),
            ])?;
        Ok(())
    }

    fn execute(&self, sql: &str, id: &str) -> Result<()> {
        self.connection.prepare_cached(sql)?.execute([id])?;
        Ok(())
    }
}

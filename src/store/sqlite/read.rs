//! Reads, on a connection of their own that cannot write: they neither wait for the writer nor
//! hold it up.

use super::{
    FILE, catalogue, columns,
    failure::{Place, Result},
    schema,
};
use crate::{
    Restored, SessionDetail, SessionFilter, SessionRecord, StatusCounts, StatusWord, StoreError,
    StoredCatalogue, UtcMillis,
};
use rusqlite::{Connection, OpenFlags, ToSql};
use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

/// Most rows of history that are shown of one session: the newest.
const MOST_HISTORY: usize = 10_000;
const BUSY: Duration = Duration::from_secs(1);

/// Reads a store, also one that a running server writes to. Its methods block.
#[derive(Debug)]
pub struct SqliteReader {
    pub(super) connection: Connection,
    place: Place,
}

impl SqliteReader {
    /// Opens the store in a data dir.
    ///
    /// # Errors
    /// When there is none, or it cannot be read, or it is of another version.
    pub fn open(dir: &Path) -> Result<Self> {
        let file = dir.join(FILE);
        let place = Place::of(&file);
        if !file.exists() {
            return Err(place.missing());
        }
        let reader = Self::at(&file)?;
        match schema::version(&reader.connection, &reader.place)? {
            schema::NEWEST => Ok(reader),
            0 => Err(place.missing()),
            _ => Err(place.failed("it is of an older version; start the server once")),
        }
    }

    pub(super) fn at(file: &Path) -> Result<Self> {
        let place = Place::of(file);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let connection = Connection::open_with_flags(file, flags)?;
            connection.busy_timeout(BUSY)?;
            connection.pragma_update(None, "query_only", true)?;
            Ok(connection)
        };
        let connection = open().map_err(|error| place.error(&error))?;
        Ok(Self { connection, place })
    }

    /// The newest sessions, at most `limit` (and at most 1,001).
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn sessions(&self, filter: &SessionFilter, limit: usize) -> Result<Vec<SessionRecord>> {
        let status = match filter.status {
            None => "TRUE",
            Some(StatusWord::Active) => "disconnected_at IS NULL",
            Some(StatusWord::Disconnected) => "disconnected_at IS NOT NULL",
        };
        let sql = format!(
            "SELECT {} FROM sessions WHERE {status} AND (?1 IS NULL OR principal = ?1) \
             ORDER BY created DESC, id LIMIT ?2",
            columns::SESSION
        );
        let limit = columns::signed(limit.min(crate::MOST_LISTED) as u64);
        self.all(&sql, &[&filter.principal.as_deref(), &limit], columns::session)
    }

    /// A session with its history.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn session(&self, id: &str) -> Result<Option<SessionDetail>> {
        let Some(session) = self.one(id)? else { return Ok(None) };
        let sql = "SELECT at, what, reason, detail FROM \
                   (SELECT * FROM history WHERE session = ?1 ORDER BY number DESC LIMIT ?2) ORDER BY number";
        let most = columns::signed(MOST_HISTORY as u64);
        let history = self.all(sql, &[&id, &most], columns::history)?;
        Ok(Some(SessionDetail { session, history }))
    }

    /// How many sessions are stored, by status.
    ///
    /// # Errors
    /// When they cannot be counted.
    pub fn status_counts(&self) -> Result<StatusCounts> {
        let count = |which: &str| {
            let sql = format!("SELECT count(*) FROM sessions WHERE disconnected_at {which}");
            let count = self.connection.query_row(&sql, [], |row| row.get::<_, i64>(0));
            Ok(u64::try_from(count.map_err(|error| self.place.error(&error))?).unwrap_or(0))
        };
        Ok(StatusCounts { active: count("IS NULL")?, disconnected: count("IS NOT NULL")? })
    }

    /// What is kept of upstreams, and an error for what of it cannot be read.
    pub(super) fn catalogue(&self) -> Result<(StoredCatalogue, Vec<StoreError>)> {
        let read = catalogue::read(&self.connection).map_err(|error| self.place.error(&error));
        let (kept, unreadable) = read?;
        let skipped = unreadable.iter().map(|(error, count)| {
            let sentence =
                format!("{count} rows of what is known of upstreams are skipped: {error}");
            self.place.corrupt(&sentence)
        });
        Ok((kept, skipped.collect()))
    }

    pub(super) fn active(&self, events_since: UtcMillis) -> Result<Vec<Restored>> {
        let sql = format!(
            "SELECT {} FROM sessions WHERE disconnected_at IS NULL ORDER BY id",
            columns::SESSION
        );
        let sessions = self.all(&sql, &[], columns::session)?;
        let which = "session IN (SELECT id FROM sessions WHERE disconnected_at IS NULL)";
        self.with_streams(sessions, (which, None), events_since)
    }

    pub(super) fn disconnected(
        &self,
        id: &str,
        events_since: UtcMillis,
    ) -> Result<Option<Restored>> {
        let session = self.one(id)?.filter(|found| found.status.word() != StatusWord::Active);
        let Some(session) = session else { return Ok(None) };
        Ok(self.with_streams(vec![session], ("session = ?1", Some(id)), events_since)?.pop())
    }

    pub(super) fn one(&self, id: &str) -> Result<Option<SessionRecord>> {
        let sql = format!("SELECT {} FROM sessions WHERE id = ?1", columns::SESSION);
        Ok(self.all(&sql, &[&id], columns::session)?.pop())
    }

    /// Adds streams, events and calls to sessions, in one pass over each table.
    fn with_streams(
        &self,
        sessions: Vec<SessionRecord>,
        (which, id): (&str, Option<&str>),
        events_since: UtcMillis,
    ) -> Result<Vec<Restored>> {
        let streams = format!(
            "SELECT session, stream, request, last, acknowledged, closed FROM streams \
             WHERE {which} ORDER BY session, stream"
        );
        let events = format!(
            "SELECT session, stream, event, at, json FROM events WHERE {which} ORDER BY number"
        );
        let calls = format!(
            "SELECT session, request, method, stream, started FROM calls WHERE {which} \
             ORDER BY started, request"
        );
        let mut places = HashMap::new();
        let mut restored = Vec::with_capacity(sessions.len());
        for session in sessions {
            places.insert(Arc::clone(&session.id), restored.len());
            restored.push(Restored { session, streams: Vec::new(), calls: Vec::new() });
        }
        let mut of = |session: &Arc<str>, add: &mut dyn FnMut(&mut Restored)| {
            if let Some(session) = places.get(session).and_then(|place| restored.get_mut(*place)) {
                add(session);
            }
        };
        for (session, stream) in self.of(&streams, id, columns::stream)? {
            of(&session, &mut |restored| restored.streams.push(stream.clone()));
        }
        for (session, number, event) in self.of(&events, id, columns::event)? {
            if event.at > events_since {
                of(&session, &mut |restored| add_event(restored, number, &event));
            }
        }
        for (session, call) in self.of(&calls, id, columns::call)? {
            of(&session, &mut |restored| restored.calls.push(call.clone()));
        }
        Ok(restored)
    }

    fn of<T>(
        &self,
        sql: &str,
        id: Option<&str>,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        match id {
            Some(id) => self.all(sql, &[&id], read),
            None => self.all(sql, &[], read),
        }
    }

    pub(super) fn all<T>(
        &self,
        sql: &str,
        values: &[&dyn ToSql],
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let rows = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_map(values, read)?.collect::<rusqlite::Result<Vec<T>>>()
        };
        rows().map_err(|error| self.place.error(&error))
    }
}

fn add_event(restored: &mut Restored, number: u64, event: &crate::StoredEvent) {
    let streams = &mut restored.streams;
    if let Ok(at) = streams.binary_search_by_key(&number, |stream| stream.stream) {
        streams[at].events.push(event.clone());
    }
}

//! Sessions and what belongs to them as rows, there and back.

use crate::{
    Counts, HistoryRow, SessionRecord, Status, StoredCall, StoredEvent, StoredStream, UtcMillis,
};
use bytes::Bytes;
use mcp_protocol::{Method, Revision};
use mcp_telemetry::{Reason, Transport};
use rusqlite::{
    Result, ToSql,
    types::{Type, ValueRef},
};
use std::sync::Arc;

/// The columns of a session that [`session`] reads, in its order.
pub(super) const SESSION: &str = "id, principal, transport, revision, client_name, client_version, \
     user_agent, address, capabilities, log_level, subscriptions, created, last_activity, initialized, \
     disconnected_at, disconnect_reason, requests, errors, streams, resume";

/// A session about to be written whole.
pub(super) struct Row<'a> {
    session: &'a SessionRecord,
    subscriptions: String,
    counts: [i64; 3],
    disconnected: Option<(i64, &'static str)>,
    epoch: i64,
}

impl<'a> Row<'a> {
    /// Adds nothing if the session is there.
    pub(super) const INSERT: &'static str = "INSERT INTO sessions (id, principal, transport, revision, \
         client_name, client_version, user_agent, address, capabilities, log_level, subscriptions, \
         created, last_activity, initialized, disconnected_at, disconnect_reason, requests, errors, \
         streams, resume, epoch) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, \
         ?15, ?16, ?17, ?18, ?19, ?20, ?21) ON CONFLICT DO NOTHING";
    /// Replaces the session that is there. One that has ended stays so.
    pub(super) const REPLACE: &'static str = "UPDATE sessions SET principal = ?2, transport = ?3, \
         revision = ?4, client_name = ?5, client_version = ?6, user_agent = ?7, address = ?8, \
         capabilities = ?9, log_level = ?10, subscriptions = ?11, created = ?12, last_activity = ?13, \
         initialized = ?14, disconnected_at = coalesce(disconnected_at, ?15), \
         disconnect_reason = coalesce(disconnect_reason, ?16), requests = ?17, errors = ?18, streams = ?19, \
         resume = ?20, epoch = ?21 WHERE id = ?1";

    pub(super) fn of(session: &'a SessionRecord, epoch: i64) -> Self {
        let Counts { requests, errors } = session.counts;
        Self {
            session,
            subscriptions: subscriptions_to_text(&session.subscriptions),
            counts: [requests, errors, session.streams].map(signed),
            disconnected: match session.status {
                Status::Active => None,
                Status::Disconnected { at, reason } => Some((at.as_millis(), reason.as_str())),
            },
            epoch,
        }
    }

    /// The values, in the order of both statements.
    pub(super) fn params(&self) -> impl rusqlite::Params {
        let s = self.session;
        let [requests, errors, streams] = self.counts;
        let (disconnected_at, reason) = self.disconnected.unzip();
        rusqlite::params_from_iter::<[Box<dyn ToSql + '_>; 21]>([
            Box::new(&*s.id),
            Box::new(&*s.principal),
            Box::new(s.transport.as_str()),
            Box::new(s.revision.as_str()),
            Box::new(s.client_name.as_deref()),
            Box::new(s.client_version.as_deref()),
            Box::new(s.user_agent.as_deref()),
            Box::new(s.address.as_deref()),
            Box::new(&*s.capabilities),
            Box::new(s.log_level.as_deref()),
            Box::new(self.subscriptions.as_str()),
            Box::new(s.created.as_millis()),
            Box::new(s.last_activity.as_millis()),
            Box::new(s.initialized),
            Box::new(disconnected_at),
            Box::new(reason),
            Box::new(requests),
            Box::new(errors),
            Box::new(streams),
            Box::new(s.resume.as_deref()),
            Box::new(self.epoch),
        ])
    }
}

/// URIs as a JSON array.
pub(super) fn subscriptions_to_text(uris: &[Arc<str>]) -> String {
    let uris: Vec<&str> = uris.iter().map(|uri| &**uri).collect();
    serde_json::Value::from(uris).to_string()
}

/// A count as SQLite can keep it; none is near its limit.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn count(row: &rusqlite::Row<'_>, column: usize) -> Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

fn time(row: &rusqlite::Row<'_>, column: usize) -> Result<UtcMillis> {
    row.get(column).map(UtcMillis::from_millis)
}

/// A word of a closed set; another one cannot be what we wrote.
fn word<T>(row: &rusqlite::Row<'_>, column: usize, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    parse(text).ok_or_else(|| {
        let unknown = format!("unknown word `{text}`");
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, unknown.into())
    })
}

fn reason(text: &str) -> Option<Reason> {
    Reason::ALL.iter().copied().find(|reason| reason.as_str() == text)
}

fn transport(text: &str) -> Option<Transport> {
    Transport::ALL.iter().copied().find(|transport| transport.as_str() == text)
}

fn subscriptions(text: &str) -> Option<Vec<Arc<str>>> {
    let uris: Vec<String> = serde_json::from_str(text).ok()?;
    Some(uris.into_iter().map(Arc::from).collect())
}

/// A session, from the columns named in [`SESSION`].
pub(super) fn session(row: &rusqlite::Row<'_>) -> Result<SessionRecord> {
    Ok(SessionRecord {
        id: row.get(0)?,
        principal: row.get(1)?,
        transport: word(row, 2, transport)?,
        revision: word(row, 3, Revision::parse)?,
        client_name: row.get(4)?,
        client_version: row.get(5)?,
        user_agent: row.get(6)?,
        address: row.get(7)?,
        capabilities: row.get(8)?,
        log_level: row.get(9)?,
        subscriptions: word(row, 10, subscriptions)?,
        created: time(row, 11)?,
        last_activity: time(row, 12)?,
        initialized: row.get(13)?,
        status: match row.get::<_, Option<i64>>(14)? {
            None => Status::Active,
            Some(at) => Status::Disconnected {
                at: UtcMillis::from_millis(at),
                reason: word(row, 15, reason)?,
            },
        },
        counts: Counts { requests: count(row, 16)?, errors: count(row, 17)? },
        streams: count(row, 18)?,
        resume: row.get(19)?,
    })
}

/// A row of the history, from `at, what, reason, detail`.
pub(super) fn history(row: &rusqlite::Row<'_>) -> Result<HistoryRow> {
    Ok(HistoryRow {
        at: time(row, 0)?,
        what: word(row, 1, crate::Happening::parse)?,
        reason: match row.get_ref(2)? == ValueRef::Null {
            true => None,
            false => Some(word(row, 2, reason)?),
        },
        detail: row.get(3)?,
    })
}

/// A stream and its session's id, from `session, stream, request, last, acknowledged, closed`.
pub(super) fn stream(row: &rusqlite::Row<'_>) -> Result<(Arc<str>, StoredStream)> {
    let stream = StoredStream {
        stream: count(row, 1)?,
        request: row.get(2)?,
        last: count(row, 3)?,
        acknowledged: count(row, 4)?,
        closed: row.get::<_, Option<i64>>(5)?.map(UtcMillis::from_millis),
        events: Vec::new(),
    };
    Ok((row.get(0)?, stream))
}

/// An event, its session's id and its stream, from `session, stream, event, at, json`.
pub(super) fn event(row: &rusqlite::Row<'_>) -> Result<(Arc<str>, u64, StoredEvent)> {
    let json = Bytes::from(row.get::<_, Vec<u8>>(4)?);
    let event = StoredEvent { number: count(row, 2)?, json, at: time(row, 3)? };
    Ok((row.get(0)?, count(row, 1)?, event))
}

/// A call and its session's id, from `session, request, method, stream, started`.
pub(super) fn call(row: &rusqlite::Row<'_>) -> Result<(Arc<str>, StoredCall)> {
    let call = StoredCall {
        request: row.get(1)?,
        method: word(row, 2, |name| Some(Method::parse(name)))?,
        stream: row.get::<_, Option<i64>>(3)?.map(|stream| u64::try_from(stream).unwrap_or(0)),
        started: time(row, 4)?,
    };
    Ok((row.get(0)?, call))
}

//! Sessions that go on after a restart, or after they were put away.

use super::{
    Agreement, CameFrom, ClientInfo, LogLevel, Session, Sessions,
    event_id::StreamId,
    opening::{Opening, Past, Place},
    record,
    resumption::{Resumption, outlives_its_connection},
    streams::Kept,
};
use crate::call::{Entry, EventLog, Principal, epoch_start};
use mcp_protocol::{raw, raw_value};
use mcp_store::{Change, Noted, Restored, Return, SessionRecord, Status, StoredStream};
use mcp_telemetry::{ConnectionInfo, ConnectionKind, Reason, Restoration, Transport};
use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::time::Instant;

/// What a client is told of a call that was in flight when the process ended.
const RESTARTED: &str = "the orchestrator was restarted while the call ran";

impl Sessions {
    /// Takes a session over, into a place of the table.
    pub(crate) fn restore(
        &self,
        place: Place<'_>,
        restored: Restored,
        how: Restoration,
    ) -> Arc<Session> {
        let Restored { session: record, streams, calls } = restored;
        let newest = streams.iter().find(|stream| stream.stream == StreamId::GENERAL.as_u64());
        let newest = newest.map_or(0, |general| general.last);
        let (general, streams) = self.streams(streams);
        let before = (self.store().beginning(), how);
        let crashed = before.0.previous.is_some_and(|life| !life.stopped_cleanly);
        // A crash takes the last moment with it, and the end of a handshake may be in that.
        let is_assumed = !record.initialized && crashed && how == Restoration::Restored;
        let resumption = Resumption::restored(&record, &general, newest, before);
        let age = record::now().since(record.created);
        let info = ConnectionInfo { transport: record.transport, kind: ConnectionKind::Session };
        let (opening, past) = (self.opening(&record, general), record);
        let connection = self.telemetry.connection_restored(info, how, age).of_session(&past.id);
        let past = Past {
            id: past.id,
            created: SystemTime::UNIX_EPOCH
                + Duration::from_millis(u64::try_from(past.created.as_millis()).unwrap_or(0)),
            initialized: past.initialized || is_assumed,
            log_level: past
                .log_level
                .and_then(|name| LogLevel::parse(&name))
                .unwrap_or(LogLevel::LOWEST),
            subscriptions: past
                .subscriptions
                .iter()
                .map(|uri| (**uri).to_owned())
                .collect::<HashSet<_>>(),
            streams,
            requests: past.counts.requests,
            errors: past.counts.errors,
            may_have_missed: true,
            resumption,
            connection,
        };
        let session = self.insert(opening, past, true);
        session.go_on(how);
        if is_assumed {
            session.record.initialized();
        }
        session.lost_calls(&calls, RESTARTED);
        place.keep();
        session
    }

    /// Ends a session of an earlier process in the store: it cannot go on without its socket.
    pub(crate) fn give_up(&self, id: &Arc<str>) {
        self.note_end(id, Reason::ServerShutdown, "its socket ended with the process before");
    }

    /// Puts a session of an earlier process away in the store: there is no room for it now.
    pub(crate) fn put_away(&self, id: &Arc<str>) {
        self.note_end(id, Reason::TimeoutNoActivity, "there was no room for it after a restart");
    }

    /// Ends a session that was put away for good.
    pub(crate) fn delete(&self, id: &Arc<str>) {
        self.note_end(id, Reason::ClientDeleted, "deleted by its client");
    }

    fn note_end(&self, id: &Arc<str>, reason: Reason, why: &str) {
        let change = Change::Disconnected(reason, Some(why.into()));
        // Dropped, it is noted again at the next start.
        let (Noted::Queued | Noted::Dropped) = self.store().note(id, record::now(), change);
    }

    fn opening(&self, record: &SessionRecord, general: Arc<EventLog>) -> Opening {
        let declared = raw(&record.capabilities);
        Opening {
            principal: Principal::named(&record.principal),
            transport: record.transport,
            came_from: CameFrom {
                address: record.address.clone(),
                user_agent: record.user_agent.clone(),
            },
            agreement: Agreement {
                revision: record.revision,
                capabilities: declared.unwrap_or_else(|| raw_value(&serde_json::json!({}))).into(),
                client: ClientInfo {
                    name: record.client_name.clone(),
                    version: record.client_version.clone(),
                },
            },
            general,
            begun: Instant::now(),
            is_resumable: false,
        }
    }

    /// The general stream, and those of calls.
    fn streams(&self, stored: Vec<StoredStream>) -> (Arc<EventLog>, Vec<Kept>) {
        let (mut general, mut kept) = (None, Vec::new());
        for stream in stored {
            let id = StreamId::from_u64(stream.stream);
            let is_closed = stream.closed.is_some();
            let awaited = stream.request.clone().unwrap_or_default();
            let log = Arc::new(self.log(stream));
            if id == StreamId::GENERAL {
                general = Some(log);
            } else {
                if is_closed {
                    log.close();
                }
                kept.push(Kept::new(id, log, &awaited));
            }
        }
        (general.unwrap_or_else(|| self.new_general()), kept)
    }

    fn log(&self, stored: StoredStream) -> EventLog {
        // A process that revives what it wrote itself goes on in its own numbers.
        let last = stored.last.max(epoch_start(self.epoch()));
        let entry =
            |event: mcp_store::StoredEvent| Entry { number: event.number, json: event.json };
        let entries = stored.events.into_iter().map(entry).collect();
        EventLog::restored(self.stream_bounds(), last, entries)
    }
}

impl Session {
    /// Notes that the session goes on, writes its streams down again from here, and tells its
    /// client which answers are lost.
    fn go_on(&self, how: Restoration) {
        if how == Restoration::Restored {
            self.record.returned(Return::Restored);
        }
        self.note_resumption();
        self.record.go_on_with(&Kept::new(StreamId::GENERAL, Arc::clone(&self.general), ""));
        for kept in self.streams.all() {
            if !kept.log.is_closed() {
                self.record.go_on_with(&kept);
                kept.close_without_answer(RESTARTED);
            }
        }
    }
}

/// Whether a session that was put away may be had again, by whoever asks at `now`.
pub(crate) fn may_revive(
    stored: &SessionRecord,
    (principal, transport): (&Principal, Transport),
    window: Duration,
) -> Result<(), &'static str> {
    let Status::Disconnected { at, reason } = stored.status else {
        return Err("it is in use elsewhere");
    };
    if *stored.principal != *principal.name() || stored.transport != transport {
        return Err("it belongs to another principal or transport");
    }
    let put_away = match transport {
        Transport::Websocket => reason == Reason::ClientGone && outlives_its_connection(stored),
        Transport::Http | Transport::Stdio => reason == Reason::TimeoutNoActivity,
    };
    if !put_away {
        return Err("it was ended for good");
    }
    if record::now().since(at) > window {
        return Err("it was put away longer ago than `limits.resume_window`");
    }
    Ok(())
}

//! What waits to be written, by session. Changes are merged as they come: of values that replace
//! each other the newest stays, events that were read meanwhile are forgotten, and a call that
//! ended before its start was written leaves nothing.

use crate::{
    CatalogueChange, Change, Counts, Happening, HistoryRow, SessionRecord, StoredCall, StoredEvent,
    UtcMillis, WorkChange,
};
use mcp_telemetry::Reason;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Changes that are written in one go, in this order: sessions, history, streams, calls, upstreams,
/// work.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Sessions written whole.
    pub(super) inserts: Vec<SessionRecord>,
    /// Changes to sessions, after `inserts`.
    pub(super) sessions: HashMap<Arc<str>, SessionChange>,
    /// New rows of the history.
    pub(super) history: Vec<(Arc<str>, HistoryRow)>,
    /// What changed of upstreams, in order.
    pub(super) catalogue: Vec<CatalogueChange>,
    /// Changes of agents and tasks.
    pub(super) work: Vec<WorkChange>,
    /// About how many rows that is.
    pub(super) rows: usize,
    /// Bytes of events and lists in it.
    pub(super) bytes: usize,
}

/// What changes in one session.
#[derive(Debug, Default)]
pub(super) struct SessionChange {
    pub(super) initialized: bool,
    pub(super) active: Option<(UtcMillis, Counts)>,
    pub(super) log_level: Option<Arc<str>>,
    pub(super) subscriptions: Option<Vec<Arc<str>>>,
    pub(super) resume: Option<Option<Arc<str>>>,
    pub(super) disconnected: Option<(UtcMillis, Reason)>,
    /// It ended before it was written whole: a session that was stored already stays ended.
    pub(super) ended_before: Option<(UtcMillis, Reason)>,
    /// The highest stream that was named.
    pub(super) highest_stream: u64,
    /// Everything stored of its streams and calls goes before what follows here.
    pub(super) forget: bool,
    pub(super) streams: BTreeMap<u64, StreamChange>,
    pub(super) calls: HashMap<Arc<str>, CallChange>,
}

/// What changes in one stream.
#[derive(Debug, Default)]
pub(super) struct StreamChange {
    /// What is stored of it goes before what follows here.
    pub(super) forget: bool,
    /// Whether anything follows.
    pub(super) known: bool,
    pub(super) request: Option<Arc<str>>,
    pub(super) last: u64,
    pub(super) acknowledged: u64,
    pub(super) closed: Option<UtcMillis>,
    pub(super) events: Vec<StoredEvent>,
}

/// What changes of one call.
#[derive(Debug)]
pub(super) enum CallChange {
    /// It was started; if `again`, one of that id may be stored already.
    Started { call: StoredCall, again: bool },
    /// It has ended.
    Ended,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.inserts.is_empty()
            && self.sessions.is_empty()
            && self.history.is_empty()
            && self.catalogue.is_empty()
            && self.work.is_empty()
    }

    /// Adds a whole session; earlier changes to its row are in it already.
    pub(super) fn insert(&mut self, session: SessionRecord) {
        if let Some(change) = self.sessions.get_mut(&session.id) {
            let old = std::mem::take(change);
            let is_there = || self.inserts.iter().any(|insert| insert.id == session.id);
            let (disconnected, ended_before) = match old.disconnected {
                Some(end) if is_there() => (Some(end), old.ended_before),
                end => (None, end.or(old.ended_before)),
            };
            *change = SessionChange {
                forget: old.forget,
                streams: old.streams,
                calls: old.calls,
                disconnected,
                ended_before,
                ..SessionChange::default()
            };
        }
        // Written only if the session is new.
        let (at, what) = (session.created, Happening::Opened);
        let opened = HistoryRow { at, what, reason: None, detail: None };
        self.history.push((Arc::clone(&session.id), opened));
        self.inserts.push(session);
        self.rows += 2;
    }

    /// Adds a change of agents or tasks.
    pub(super) fn work(&mut self, change: WorkChange) {
        self.work.push(change);
        self.rows += 1;
    }

    /// Forgets sessions to be written whole.
    pub(super) fn drop_inserts(&mut self) {
        self.inserts.clear();
        self.history.retain(|(_, row)| row.what != Happening::Opened);
    }

    /// Adds a change.
    pub(super) fn note(&mut self, session: &Arc<str>, at: UtcMillis, change: Change) {
        if let Some(row) = change.history(at) {
            self.rows += 1;
            self.history.push((Arc::clone(session), row));
        }
        if matches!(change, Change::Happened(..)) {
            return;
        }
        let rows = &mut self.rows;
        let of = self.sessions.entry(Arc::clone(session)).or_insert_with(|| {
            *rows += 1;
            SessionChange::default()
        });
        let (rows, bytes) = of.note(at, change);
        self.rows = self.rows.saturating_add_signed(rows);
        self.bytes = self.bytes.saturating_add_signed(bytes);
    }
}

impl Batch {
    /// Adds a change of upstreams.
    pub(super) fn note_catalogue(&mut self, change: CatalogueChange) {
        self.rows += 1;
        self.bytes += change.bytes();
        self.catalogue.push(change);
    }

    /// Forgets all events and lists; the sessions they belong to.
    pub(super) fn drop_events(&mut self) -> Vec<Arc<str>> {
        let mut behind = Vec::new();
        self.rows = self.rows.saturating_sub(std::mem::take(&mut self.catalogue).len());
        for (id, change) in &mut self.sessions {
            let events: usize = change.streams.values_mut().map(StreamChange::drop_events).sum();
            if events > 0 {
                self.rows = self.rows.saturating_sub(events);
                behind.push(Arc::clone(id));
            }
        }
        self.bytes = 0;
        behind
    }
}

/// By how many rows and bytes what waits has grown.
type Growth = (isize, isize);

impl SessionChange {
    fn note(&mut self, at: UtcMillis, change: Change) -> Growth {
        match change {
            Change::Initialized => self.initialized = true,
            Change::Active(counts) => {
                let at = self.active.map_or(at, |(before, _)| before.max(at));
                self.active = Some((at, counts));
            }
            Change::LogLevel(level) => self.log_level = Some(level),
            Change::Subscriptions(all) => self.subscriptions = Some(all),
            Change::Resume(resume) => self.resume = Some(resume),
            Change::Happened(..) => {}
            Change::Disconnected(reason, _) => return self.disconnected(at, reason),
            Change::CallStarted { request, method, stream } => {
                return self.call_started(StoredCall { request, method, stream, started: at });
            }
            Change::CallEnded { request } => return self.call_ended(request),
            Change::StreamOpened { stream, request } => {
                return self.stream(stream, |stream| stream.opened(request));
            }
            Change::Event { stream, number, json } => {
                return self
                    .stream(stream, |stream| stream.event(StoredEvent { number, json, at }));
            }
            Change::Acknowledged { stream, up_to } => {
                return self.stream(stream, |stream| stream.acknowledged(up_to));
            }
            Change::StreamClosed { stream } => {
                return self.stream(stream, |stream| stream.closed(at));
            }
            Change::StreamForgotten { stream } => {
                return self.stream(stream, StreamChange::forgotten);
            }
        }
        (0, 0)
    }

    fn stream(&mut self, number: u64, note: impl FnOnce(&mut StreamChange) -> Growth) -> Growth {
        self.highest_stream = self.highest_stream.max(number);
        let new = !self.streams.contains_key(&number);
        let (rows, bytes) = note(self.streams.entry(number).or_default());
        (rows + isize::from(new), bytes)
    }

    fn disconnected(&mut self, at: UtcMillis, reason: Reason) -> Growth {
        self.disconnected = Some((at, reason));
        if reason != Reason::ClientDeleted {
            return (0, 0);
        }
        self.forget = true;
        let freed = self.streams.values().fold((0, 0), |(rows, bytes), stream| {
            (rows + 1 + stream.events.len(), bytes + stream.bytes())
        });
        let rows = freed.0 + self.calls.len();
        self.streams.clear();
        self.calls.clear();
        (-signed(rows), -signed(freed.1))
    }

    fn call_started(&mut self, call: StoredCall) -> Growth {
        let id = Arc::clone(&call.request);
        let again = matches!(self.calls.get(&id), Some(CallChange::Ended));
        let before = self.calls.insert(id, CallChange::Started { call, again });
        (isize::from(before.is_none()), 0)
    }

    fn call_ended(&mut self, request: Arc<str>) -> Growth {
        if let Some(CallChange::Started { again: false, .. }) = self.calls.get(&request) {
            self.calls.remove(&request);
            return (-1, 0);
        }
        (isize::from(self.calls.insert(request, CallChange::Ended).is_none()), 0)
    }
}

impl StreamChange {
    fn opened(&mut self, request: Option<Arc<str>>) -> Growth {
        self.known = true;
        self.request = request.or(self.request.take());
        (0, 0)
    }

    fn event(&mut self, event: StoredEvent) -> Growth {
        self.known = true;
        self.last = self.last.max(event.number);
        let bytes = event.json.len();
        self.events.push(event);
        (1, signed(bytes))
    }

    fn acknowledged(&mut self, up_to: u64) -> Growth {
        self.known = true;
        self.acknowledged = self.acknowledged.max(up_to);
        let before = (self.events.len(), self.bytes());
        self.events.retain(|event| event.number > up_to);
        shrunk(before, (self.events.len(), self.bytes()))
    }

    fn closed(&mut self, at: UtcMillis) -> Growth {
        self.known = true;
        self.closed = Some(at);
        (0, 0)
    }

    fn forgotten(&mut self) -> Growth {
        let before = (self.events.len(), self.bytes());
        *self = Self { forget: true, ..Self::default() };
        shrunk(before, (0, 0))
    }

    fn drop_events(&mut self) -> usize {
        std::mem::take(&mut self.events).len()
    }

    fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.json.len()).sum()
    }
}

fn shrunk(before: (usize, usize), after: (usize, usize)) -> Growth {
    (signed(after.0) - signed(before.0), signed(after.1) - signed(before.1))
}

/// No count of rows or bytes in memory is near the limit.
fn signed(count: usize) -> isize {
    isize::try_from(count).unwrap_or(isize::MAX)
}

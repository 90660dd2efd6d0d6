//! Everything in memory, and what goes when it is old or too much.

use super::{
    catalogue::Kept,
    held::{Held, bytes},
    work::HeldWork,
};
use crate::{
    Change, Happening, HistoryRow, PRUNE_EVERY, Restored, Retention, SessionDetail, SessionFilter,
    SessionRecord, Status, StatusCounts, StatusWord, UtcMillis, Work,
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Most disconnected sessions.
const MOST_DISCONNECTED: usize = 10_000;
/// Most rows of history.
const MOST_HISTORY: usize = 100_000;
/// Most events that were read or forgotten and still have a place in the order of all.
const MOST_GONE: usize = 10_000;

/// Everything in memory.
#[derive(Debug)]
pub(super) struct State {
    retention: Retention,
    sessions: HashMap<Arc<str>, Held>,
    history: VecDeque<(Arc<str>, HistoryRow)>,
    /// Disconnections in order; a session that came back since is passed over.
    disconnected: VecDeque<(Arc<str>, UtcMillis)>,
    /// Events in order: session, stream, number.
    order: VecDeque<(Arc<str>, u64, u64)>,
    /// How long that may become before it is tidied.
    tidy_at: usize,
    bytes: usize,
    pruned: UtcMillis,
    pub(super) work: HeldWork,
    pub(super) events_dropped: u64,
    pub(super) upstreams: Kept,
    pub(super) closed: bool,
}

impl State {
    pub(super) fn new(retention: Retention, now: UtcMillis) -> Self {
        Self {
            retention,
            sessions: HashMap::new(),
            history: VecDeque::new(),
            disconnected: VecDeque::new(),
            order: VecDeque::new(),
            tidy_at: MOST_GONE,
            bytes: 0,
            pruned: now,
            work: HeldWork::default(),
            events_dropped: 0,
            upstreams: Kept::default(),
            closed: false,
        }
    }

    pub(super) fn insert(&mut self, record: SessionRecord) {
        match self.sessions.get_mut(&record.id) {
            Some(held) => {
                // What has ended is taken up again by `revive` alone.
                let ended = Some(held.record.status).filter(|status| *status != Status::Active);
                held.record = record;
                held.record.status = ended.unwrap_or(held.record.status);
            }
            None => {
                let (at, what) = (record.created, Happening::Opened);
                self.remember(&record.id, HistoryRow { at, what, reason: None, detail: None });
                self.sessions.insert(Arc::clone(&record.id), Held::new(record));
            }
        }
    }

    pub(super) fn note(&mut self, session: &Arc<str>, at: UtcMillis, change: Change) {
        if let Some(row) = change.history(at) {
            self.remember(session, row);
        }
        let Some(held) = self.sessions.get_mut(session) else { return };
        if let Change::Event { stream, number, json } = &change {
            self.order.push_back((Arc::clone(session), *stream, *number));
            self.bytes += json.len();
        }
        if let Change::Disconnected(..) = change {
            self.disconnected.push_back((Arc::clone(session), at));
        }
        let freed = held.note(at, change);
        self.bytes = self.bytes.saturating_sub(freed);
        self.bound();
    }

    fn remember(&mut self, session: &Arc<str>, row: HistoryRow) {
        self.history.push_back((Arc::clone(session), row));
        if self.history.len() > MOST_HISTORY {
            self.history.pop_front();
        }
    }

    /// Drops the oldest events and sessions while there is too much of them.
    fn bound(&mut self) {
        let most = usize::try_from(self.retention.event_bytes).unwrap_or(usize::MAX);
        while self.bytes > most
            && let Some((session, stream, number)) = self.order.pop_front()
        {
            let dropped = self.drop_event(&session, stream, number);
            self.events_dropped += u64::from(dropped);
        }
        if self.order.len() > self.tidy_at {
            self.forget_gone();
        }
        while self.disconnected.len() > MOST_DISCONNECTED {
            self.drop_disconnected();
        }
    }

    fn drop_event(&mut self, session: &str, stream: u64, number: u64) -> bool {
        let held = self.sessions.get_mut(session);
        let Some(stream) = held.and_then(|held| held.streams.get_mut(&stream)) else {
            return false;
        };
        let before = bytes(stream);
        let count = stream.events.len();
        stream.events.retain(|event| event.number != number);
        self.bytes = (self.bytes + bytes(stream)).saturating_sub(before);
        stream.events.len() < count
    }

    /// Takes events that are there no more out of the order of all.
    fn forget_gone(&mut self) {
        let sessions = &self.sessions;
        self.order.retain(|(session, stream, number)| {
            let stream = sessions.get(session).and_then(|held| held.streams.get(stream));
            stream.is_some_and(|stream| stream.events.iter().any(|event| event.number == *number))
        });
        self.tidy_at = 2 * self.order.len() + MOST_GONE;
    }

    fn drop_disconnected(&mut self) {
        let Some((id, at)) = self.disconnected.pop_front() else { return };
        let stays = |held: &Held| match held.record.status {
            Status::Active => true,
            Status::Disconnected { at: last, .. } => last != at,
        };
        if self.sessions.get(&id).is_some_and(|held| !stays(held))
            && let Some(held) = self.sessions.remove(&id)
        {
            self.bytes = self.bytes.saturating_sub(held.bytes());
        }
    }

    pub(super) fn prune(&mut self, now: UtcMillis) {
        if now.since(self.pruned) < PRUNE_EVERY {
            return;
        }
        self.pruned = now;
        let old = now.before(self.retention.history);
        let stale = now.before(self.retention.events);
        while self.history.front().is_some_and(|(_, row)| row.at <= old) {
            self.history.pop_front();
        }
        while self.disconnected.front().is_some_and(|(_, at)| *at <= old) {
            self.drop_disconnected();
        }
        self.work.prune(old);
        for held in self.sessions.values_mut() {
            held.streams.retain(|_, stream| stream.closed.is_none_or(|closed| closed > stale));
            for stream in held.streams.values_mut() {
                stream.events.retain(|event| event.at > stale);
            }
        }
        self.bytes = self.sessions.values().map(Held::bytes).sum();
        self.forget_gone();
    }

    pub(super) fn revive(&mut self, id: &str, at: UtcMillis) -> bool {
        let Some(held) = self.sessions.get_mut(id) else { return false };
        if held.record.status == Status::Active {
            return false;
        }
        held.record.status = Status::Active;
        held.record.last_activity = held.record.last_activity.max(at);
        let id = Arc::clone(&held.record.id);
        let what = Happening::Revived;
        self.remember(&id, HistoryRow { at, what, reason: None, detail: None });
        true
    }

    pub(super) fn work(&self, now: UtcMillis) -> Work {
        self.work.all(now.before(self.retention.history))
    }

    pub(super) fn active(&self, now: UtcMillis) -> Vec<Restored> {
        let stale = now.before(self.retention.events);
        let active = |held: &&Held| held.record.status == Status::Active;
        let mut all: Vec<Restored> =
            self.sessions.values().filter(active).map(|held| held.restored(stale)).collect();
        all.sort_by(|one, other| one.session.id.cmp(&other.session.id));
        all
    }

    pub(super) fn disconnected(&self, id: &str, now: UtcMillis) -> Option<Restored> {
        let held = self.sessions.get(id).filter(|held| held.record.status != Status::Active)?;
        Some(held.restored(now.before(self.retention.events)))
    }

    pub(super) fn sessions(&self, filter: &SessionFilter, limit: usize) -> Vec<SessionRecord> {
        let mut found: Vec<&SessionRecord> = self
            .sessions
            .values()
            .map(|held| &held.record)
            .filter(|record| filter.status.is_none_or(|status| record.status.word() == status))
            .filter(|record| filter.principal.as_ref().is_none_or(|who| record.principal == *who))
            .collect();
        found.sort_by(|one, other| (other.created, &one.id).cmp(&(one.created, &other.id)));
        found.into_iter().take(limit.min(crate::MOST_LISTED)).cloned().collect()
    }

    pub(super) fn session(&self, id: &str) -> Option<SessionDetail> {
        let session = self.sessions.get(id)?.record.clone();
        let of = self.history.iter().filter(|(session, _)| &**session == id);
        Some(SessionDetail { session, history: of.map(|(_, row)| row.clone()).collect() })
    }

    pub(super) fn status_counts(&self) -> StatusCounts {
        let is_active = |held: &&Held| held.record.status.word() == StatusWord::Active;
        let active = self.sessions.values().filter(is_active).count();
        StatusCounts { active: active as u64, disconnected: (self.sessions.len() - active) as u64 }
    }
}

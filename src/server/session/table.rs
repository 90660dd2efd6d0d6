//! All live legacy sessions, by id. A session is found only by its own principal.

use super::{
    LogLevel, Session, SessionLimits,
    half_open::HalfOpen,
    opening::{Opening, Past, Place},
    question::Questions,
    record::Record,
    resumption::Resumption,
    streams::{Numbers, Streams},
};
use crate::{
    call::{Bounds, EventLog, Principal, epoch_start},
    config::LiveLimits,
};
use mcp_store::Store;
use mcp_telemetry::{ConnectionInfo, ConnectionKind, Reason, Telemetry, Transport};
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};
use tokio::time::Instant;
use uuid::Uuid;

const SHARDS: usize = 16;

type Shard = RwLock<HashMap<Arc<str>, Arc<Session>>>;

/// The table of sessions.
pub(crate) struct Sessions {
    shards: [Shard; SHARDS],
    count: AtomicUsize,
    half_open: HalfOpen,
    numbers: Numbers,
    limits: LiveLimits,
    store: Arc<dyn Store>,
    pub(super) telemetry: Telemetry,
}

impl Sessions {
    pub(crate) fn new(limits: LiveLimits, store: Arc<dyn Store>, telemetry: Telemetry) -> Self {
        Self {
            shards: Default::default(),
            count: AtomicUsize::new(0),
            half_open: HalfOpen::default(),
            numbers: Numbers::new(epoch_of(&*store)),
            limits,
            store,
            telemetry,
        }
    }

    /// Where sessions are kept beyond this process.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The epoch of this process in the numbers of events and streams.
    pub(crate) fn epoch(&self) -> u32 {
        epoch_of(&*self.store)
    }

    /// A log for the general stream of a session.
    pub(crate) fn new_general(&self) -> Arc<EventLog> {
        Arc::new(EventLog::after(self.stream_bounds(), epoch_start(self.epoch())))
    }

    pub(super) fn stream_bounds(&self) -> Bounds {
        Bounds::of(&self.limits.now())
    }

    fn shard(&self, id: &str) -> &Shard {
        let sum = id
            .bytes()
            .fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        &self.shards[sum % SHARDS]
    }

    /// Takes a place in the table; `None` when it is full.
    pub(crate) fn reserve(&self) -> Option<Place<'_>> {
        let limits = self.limits.now();
        let counted = self.count.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
            (count < limits.sessions).then_some(count + 1)
        });
        counted.is_ok().then(|| Place::counted(&self.count))
    }

    /// Opens a session; `None` when the table is full.
    pub(crate) fn open(&self, opening: Opening) -> Option<Arc<Session>> {
        let place = self.reserve()?;
        let info = ConnectionInfo { transport: opening.transport, kind: ConnectionKind::Session };
        let resumption = opening.is_resumable.then(|| Resumption::new(&opening.general));
        let id: Arc<str> = Uuid::new_v4().hyphenated().to_string().into();
        let connection = self.telemetry.connection_accepted(info).of_session(&id);
        let session = self.insert(
            opening,
            Past {
                id,
                created: SystemTime::now(),
                initialized: false,
                log_level: LogLevel::LOWEST,
                subscriptions: HashSet::new(),
                streams: Vec::new(),
                requests: 0,
                errors: 0,
                may_have_missed: false,
                resumption,
                connection,
            },
            false,
        );
        place.keep();
        Some(session)
    }

    /// Puts a session into the table, in a place that was reserved.
    pub(super) fn insert(&self, opening: Opening, past: Past, is_written: bool) -> Arc<Session> {
        let Opening { principal, transport, came_from, agreement, general, begun, .. } = opening;
        let limits = SessionLimits::of(&self.limits.now());
        let session = Arc::new(Session {
            record: Record::new(&self.store, &past.id, is_written),
            id: past.id,
            principal,
            agreement,
            transport,
            came_from,
            streams: Streams::new(self.numbers.clone(), limits.keeping, past.streams),
            questions: Questions::new(
                &general,
                self.limits.now().questions,
                self.telemetry.clone(),
            ),
            general,
            limits,
            reference: OnceLock::new(),
            log_level: AtomicU8::new(past.log_level.rank()),
            subscriptions: Mutex::new(past.subscriptions),
            calls: Mutex::default(),
            open_streams: AtomicUsize::new(0),
            round_trip: AtomicU64::new(0),
            last_active: Mutex::new(begun),
            begun,
            created: past.created,
            initialized: AtomicBool::new(past.initialized),
            stirred: AtomicBool::new(false),
            may_have_missed: AtomicBool::new(past.may_have_missed),
            requests: AtomicU64::new(past.requests),
            errors: AtomicU64::new(past.errors),
            resumption: past.resumption,
            ended: OnceLock::new(),
            connection: Mutex::new(Some(past.connection)),
            telemetry: self.telemetry.clone(),
        });
        if !past.initialized {
            self.half_open.add(&session.id);
        }
        let mut shard = self.shard(&session.id).write().unwrap_or_else(PoisonError::into_inner);
        shard.insert(Arc::clone(&session.id), Arc::clone(&session));
        session
    }

    /// A session whose handshake was not completed within `limit`.
    pub(crate) fn overdue(&self, limit: Duration) -> Option<Arc<Session>> {
        while let Some(id) = self.half_open.pop_older(limit) {
            if let Some(session) = self.half_open_session(&id) {
                return Some(session);
            }
        }
        None
    }

    /// The session that has waited longest for the end of its handshake.
    pub(crate) fn oldest_half_open(&self) -> Option<Arc<Session>> {
        while let Some(id) = self.half_open.pop() {
            if let Some(session) = self.half_open_session(&id) {
                return Some(session);
            }
        }
        None
    }

    fn half_open_session(&self, id: &str) -> Option<Arc<Session>> {
        let shard = self.shard(id).read().unwrap_or_else(PoisonError::into_inner);
        shard.get(id).filter(|session| !session.is_initialized()).cloned()
    }

    /// The session of that id, if it belongs to the principal and to that transport.
    pub(crate) fn find(
        &self,
        id: &str,
        principal: &Principal,
        transport: Transport,
    ) -> Option<Arc<Session>> {
        let shard = self.shard(id).read().unwrap_or_else(PoisonError::into_inner);
        let session = shard.get(id)?;
        if session.principal != *principal || session.transport != transport {
            return None;
        }
        // Under the lock: who is found is not put away at the same moment.
        session.touch();
        Some(Arc::clone(session))
    }

    /// The session of that id, whosever it is: to look at, not to use.
    pub(super) fn look_at(&self, id: &str) -> Option<Arc<Session>> {
        let shard = self.shard(id).read().unwrap_or_else(PoisonError::into_inner);
        shard.get(id).cloned()
    }

    /// Ends a session; whether it was there.
    pub(crate) fn end(&self, id: &str, reason: Reason) -> bool {
        let session = self.shard(id).write().unwrap_or_else(PoisonError::into_inner).remove(id);
        let Some(session) = session else { return false };
        self.count.fetch_sub(1, Ordering::AcqRel);
        session.end(reason, self.store.beginning().epoch.0);
        true
    }

    /// Ends a session if nothing has happened in it for `limit`; whether it did.
    pub(crate) fn end_idle(&self, id: &str, reason: Reason, limit: Duration) -> bool {
        let mut shard = self.shard(id).write().unwrap_or_else(PoisonError::into_inner);
        if !shard.get(id).is_some_and(|session| session.is_idle(Instant::now(), limit)) {
            return false;
        }
        let Some(session) = shard.remove(id) else { return false };
        drop(shard);
        self.count.fetch_sub(1, Ordering::AcqRel);
        session.end(reason, self.store.beginning().epoch.0);
        true
    }

    /// Lets go of a session that the store keeps for the next process; whether it does.
    pub(crate) fn hand_over(&self, id: &str) -> bool {
        let epoch = self.store.beginning().epoch.0;
        let mut shard = self.shard(id).write().unwrap_or_else(PoisonError::into_inner);
        if !shard.get(id).is_some_and(|session| session.hand_over(epoch)) {
            return false;
        }
        shard.remove(id);
        drop(shard);
        self.count.fetch_sub(1, Ordering::AcqRel);
        true
    }

    /// Calls a function with every session.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&Arc<Session>)) {
        for shard in &self.shards {
            shard.read().unwrap_or_else(PoisonError::into_inner).values().for_each(&mut visit);
        }
    }

    /// The ids of sessions in which nothing has happened for `limit`, and why they are put away.
    pub(crate) fn idle(&self, limit: Duration) -> Vec<(Arc<str>, Reason)> {
        let (now, mut idle) = (Instant::now(), Vec::new());
        self.for_each(|session| {
            if session.is_idle(now, limit) {
                idle.push((Arc::clone(&session.id), session.idle_reason()));
            }
        });
        idle
    }

    /// The ids of sessions that no socket will let go of.
    pub(crate) fn without_socket(&self) -> Vec<Arc<str>> {
        self.ids_of(|session| !session.is_attached())
    }

    /// The ids of those sessions of some principals that may have no socket.
    pub(crate) fn without_socket_of(&self, whose: impl Fn(&Principal) -> bool) -> Vec<Arc<str>> {
        self.ids_of(|session| {
            let may_have_none = session.outlives_its_connection() && !session.is_attached();
            may_have_none && whose(&session.principal)
        })
    }

    fn ids_of(&self, which: impl Fn(&Session) -> bool) -> Vec<Arc<str>> {
        let mut ids = Vec::new();
        self.for_each(|session| {
            if which(session) {
                ids.push(Arc::clone(&session.id));
            }
        });
        ids
    }

    /// The ids of all sessions.
    pub(crate) fn ids(&self) -> Vec<Arc<str>> {
        self.ids_of(|_| true)
    }
}

/// The epoch of a process in the numbers of events and streams.
fn epoch_of(store: &dyn Store) -> u32 {
    // Above two thousand million starts they would repeat.
    u32::try_from(store.beginning().epoch.0 & 0x7fff_ffff).unwrap_or_default()
}

//! All live legacy sessions, by id. A session is found only by its own principal.

use super::{Agreement, LogLevel, Session, SessionLimits, question::Questions, streams::Streams};
use crate::{
    call::{EventLog, Principal},
    config::LiveLimits,
};
use mcp_telemetry::{ConnectionInfo, ConnectionKind, Reason, Telemetry, Transport};
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;
use uuid::Uuid;

const SHARDS: usize = 16;

type Shard = RwLock<HashMap<Arc<str>, Arc<Session>>>;

/// A session to be.
pub(crate) struct Opening {
    /// Whose it is.
    pub(crate) principal: Principal,
    /// How its client came.
    pub(crate) transport: Transport,
    /// What the handshake agreed on.
    pub(crate) agreement: Agreement,
    /// The stream for what belongs to none of its calls.
    pub(crate) general: Arc<EventLog>,
    /// When the handshake began.
    pub(crate) begun: Instant,
}

/// The table of sessions.
pub(crate) struct Sessions {
    shards: [Shard; SHARDS],
    count: AtomicUsize,
    limits: LiveLimits,
    telemetry: Telemetry,
}

impl Sessions {
    pub(crate) fn new(limits: LiveLimits, telemetry: Telemetry) -> Self {
        Self { shards: Default::default(), count: AtomicUsize::new(0), limits, telemetry }
    }

    fn shard(&self, id: &str) -> &Shard {
        let sum = id
            .bytes()
            .fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        &self.shards[sum % SHARDS]
    }

    /// Opens a session; `None` when the table is full.
    pub(crate) fn open(&self, opening: Opening) -> Option<Arc<Session>> {
        let Opening { principal, transport, agreement, general, begun } = opening;
        let limits = self.limits.now();
        let counted = self.count.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
            (count < limits.sessions).then_some(count + 1)
        });
        counted.ok()?;
        let connection = ConnectionInfo { transport, kind: ConnectionKind::Session };
        let session = Arc::new(Session {
            id: Uuid::new_v4().hyphenated().to_string().into(),
            principal,
            agreement,
            transport,
            streams: Streams::default(),
            questions: Questions::new(&general, limits.questions, self.telemetry.clone()),
            general,
            limits: SessionLimits::of(&limits),
            reference: OnceLock::new(),
            log_level: AtomicU8::new(LogLevel::LOWEST.rank()),
            subscriptions: Mutex::new(HashSet::new()),
            calls: Mutex::default(),
            open_streams: AtomicUsize::new(0),
            last_active: Mutex::new(begun),
            begun,
            initialized: AtomicBool::new(false),
            connection: Mutex::new(Some(self.telemetry.connection_accepted(connection))),
            telemetry: self.telemetry.clone(),
        });
        let mut shard = self.shard(&session.id).write().unwrap_or_else(PoisonError::into_inner);
        shard.insert(Arc::clone(&session.id), Arc::clone(&session));
        Some(session)
    }

    /// The session of that id, if it belongs to the principal.
    pub(crate) fn find(&self, id: &str, principal: &Principal) -> Option<Arc<Session>> {
        let shard = self.shard(id).read().unwrap_or_else(PoisonError::into_inner);
        shard.get(id).filter(|session| session.principal == *principal).cloned()
    }

    /// Ends a session; whether it was there.
    pub(crate) fn end(&self, id: &str, reason: Reason) -> bool {
        let session = self.shard(id).write().unwrap_or_else(PoisonError::into_inner).remove(id);
        let Some(session) = session else { return false };
        self.count.fetch_sub(1, Ordering::AcqRel);
        session.end(reason);
        true
    }

    /// Calls a function with every session.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&Arc<Session>)) {
        for shard in &self.shards {
            shard.read().unwrap_or_else(PoisonError::into_inner).values().for_each(&mut visit);
        }
    }

    /// The ids of sessions in which nothing has happened for `limit`.
    pub(crate) fn idle(&self, limit: Duration) -> Vec<Arc<str>> {
        let (now, mut idle) = (Instant::now(), Vec::new());
        self.for_each(|session| {
            if session.is_idle(now, limit) {
                idle.push(Arc::clone(&session.id));
            }
        });
        idle
    }

    /// The ids of the sessions over HTTP of some principals.
    pub(crate) fn over_http_of(&self, whose: impl Fn(&Principal) -> bool) -> Vec<Arc<str>> {
        self.ids_of(|session| session.transport == Transport::Http && whose(&session.principal))
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

//! Legacy sessions and what stands in their place in the modern era: presences and listeners.
//!
//! A session owns what belongs to one client between its calls: the negotiated revision, the
//! general stream, the streams of calls that went over to SSE, questions to the client, calls
//! in flight, subscriptions, log level.

mod activity;
mod agreement;
mod awaited;
mod calls;
mod event_id;
mod facts;
mod frames;
mod half_open;
mod initialize;
mod lasting;
mod listen;
mod opening;
mod outlet;
mod place;
mod presence;
mod question;
mod record;
mod restore;
mod resumption;
mod streams;
mod table;
mod wishes;

pub(crate) use activity::OpenStream;
pub(crate) use agreement::{Agreement, CameFrom, ClientInfo, shortened};
pub(crate) use awaited::Awaited;
pub(crate) use calls::{Bound, Unbound};
pub(crate) use event_id::{EventId, StreamId};
pub(crate) use facts::Facts;
pub(crate) use frames::NoWayBack;
pub(crate) use initialize::negotiate;
pub(crate) use listen::{Filter, Listener, Listeners, Opened};
pub(crate) use opening::Opening;
pub(crate) use outlet::{CallOutlet, LogLevel, ModernOutlet, SessionOutlet};
pub(crate) use place::{StreamPlace, StreamPlaces};
pub(crate) use presence::Presences;
pub(crate) use record::now;
pub(crate) use restore::may_revive;
pub(crate) use resumption::{TakenOver, outlives_its_connection};
pub(crate) use streams::Kept;
pub(crate) use table::Sessions;

use crate::{
    call::{Bounds, EventLog, Principal, SessionRef},
    config::Limits,
};
use calls::Calls;
use mcp_telemetry::{ConnectionScope, Event, Reason, Telemetry, Transport};
use question::Questions;
use record::Record;
use resumption::Resumption;
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};
use streams::{Keeping, Streams};
use tokio::time::Instant;

/// Locks, and reads on after a panic elsewhere: every critical section here leaves its data whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bounds of one session.
#[derive(Debug, Clone, Copy)]
struct SessionLimits {
    stream: Bounds,
    calls: usize,
    keeping: Keeping,
}

impl SessionLimits {
    /// What a session that begins under these limits keeps to its end.
    fn of(limits: &Limits) -> Self {
        Self {
            stream: Bounds::of(limits),
            calls: limits.calls_per_session,
            keeping: Keeping { finished: limits.kept_streams, bytes: limits.kept_bytes },
        }
    }
}

/// One legacy session.
pub(crate) struct Session {
    pub(crate) id: Arc<str>,
    pub(crate) principal: Principal,
    pub(crate) agreement: Agreement,
    transport: Transport,
    pub(crate) general: Arc<EventLog>,
    streams: Streams,
    pub(crate) questions: Questions,
    limits: SessionLimits,
    reference: OnceLock<SessionRef>,
    log_level: AtomicU8,
    subscriptions: Mutex<HashSet<String>>,
    calls: Mutex<Calls>,
    open_streams: AtomicUsize,
    /// How long its client took to answer the last heartbeat, in microseconds; 0 is unknown.
    round_trip: AtomicU64,
    last_active: Mutex<Instant>,
    begun: Instant,
    came_from: CameFrom,
    /// When it was opened, maybe by an earlier process.
    created: SystemTime,
    initialized: AtomicBool,
    /// Something happened since this was last noted in the store.
    stirred: AtomicBool,
    /// An earlier process may have had news for the client that it never got.
    may_have_missed: AtomicBool,
    requests: AtomicU64,
    errors: AtomicU64,
    record: Record,
    /// How a client comes back over WebSocket, if it asked for that.
    resumption: Option<Resumption>,
    ended: OnceLock<Reason>,
    connection: Mutex<Option<ConnectionScope>>,
    telemetry: Telemetry,
}

impl Session {
    pub(crate) fn new_log(&self) -> Arc<EventLog> {
        Arc::new(EventLog::new(self.limits.stream))
    }

    /// The session as later stages know it.
    pub(crate) fn reference(self: &Arc<Self>) -> SessionRef {
        let reference = self.reference.get_or_init(|| SessionRef {
            id: Arc::clone(&self.id),
            capabilities: Arc::clone(&self.agreement.capabilities),
            // It holds this session weakly, so this is no circle.
            downstream: Arc::new(SessionOutlet::new(self)),
        });
        reference.clone()
    }

    /// The client has said `notifications/initialized`; only the first time counts.
    pub(crate) fn initialized(&self) {
        if !self.initialized.swap(true, Ordering::Relaxed) {
            self.report_handshake(true);
            self.record.initialized();
        }
    }

    /// Whether the handshake was completed.
    fn is_initialized(&self) -> bool {
        self.initialized.load(Ordering::Relaxed)
    }

    /// Names the stream of a call, so that the client can come back to it.
    pub(crate) fn keep(&self, log: &Arc<EventLog>, awaited: &Awaited) -> Kept {
        self.streams.keep(log, awaited, &self.record)
    }

    /// The stream of that name.
    pub(crate) fn stream(&self, id: StreamId) -> Option<Kept> {
        if id == StreamId::GENERAL {
            return Some(Kept::new(id, Arc::clone(&self.general), ""));
        }
        self.streams.find(id)
    }

    fn report_handshake(&self, ok: bool) {
        self.telemetry.emit(&Event::HandshakeFinished {
            transport: self.transport,
            ok,
            elapsed: self.begun.elapsed(),
        });
    }

    /// Whether news may have been lost before this process; told once.
    pub(crate) fn take_missed(&self) -> bool {
        self.may_have_missed.swap(false, Ordering::Relaxed)
    }

    /// Forgets streams that finished longer than `after` ago.
    pub(crate) fn forget_streams(&self, after: Duration) {
        self.streams.forget(after, &self.record);
    }
}

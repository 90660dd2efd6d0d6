//! Legacy sessions and what stands in their place in the modern era: presences and listeners.
//!
//! A session owns what belongs to one client between its calls: the negotiated revision, the
//! general stream, the streams of calls that went over to SSE, questions to the client, calls
//! in flight, subscriptions, log level.

mod initialize;
mod listen;
mod outlet;
mod presence;
mod question;
mod streams;
mod table;

pub(crate) use initialize::negotiate;
pub(crate) use listen::{Filter, Listener, Listeners};
pub(crate) use outlet::{CallOutlet, LogLevel, ModernOutlet, SessionOutlet};
pub(crate) use presence::Presences;
pub(crate) use streams::StreamId;
pub(crate) use table::{Opening, Sessions};

use crate::call::{Bounds, EventLog, Principal, SessionRef, Withdrawal};
use mcp_protocol::{Id, RawValue, Revision};
use mcp_telemetry::{ConnectionScope, Event, Reason, Telemetry, Transport};
use question::Questions;
use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};
use streams::Streams;
use tokio::time::Instant;

/// Locks, and reads on after a panic elsewhere: every critical section here leaves its data whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a client said of itself in `initialize`, and what was agreed.
#[derive(Debug, Clone)]
pub(crate) struct Agreement {
    pub(crate) revision: Revision,
    pub(crate) capabilities: Arc<RawValue>,
}

/// A call in flight.
#[derive(Debug, Clone)]
struct InFlight {
    withdrawal: Arc<Withdrawal>,
    log: Arc<EventLog>,
    order: u64,
}

/// The calls in flight of one session, and how many there ever were.
#[derive(Debug, Default)]
struct Calls {
    running: HashMap<Id, InFlight>,
    started: u64,
}

/// Bounds of one session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionLimits {
    pub(crate) stream: Bounds,
    pub(crate) questions: usize,
    pub(crate) calls: usize,
}

/// One legacy session.
pub(crate) struct Session {
    pub(crate) id: Arc<str>,
    pub(crate) principal: Principal,
    pub(crate) agreement: Agreement,
    transport: Transport,
    pub(crate) general: Arc<EventLog>,
    pub(crate) streams: Streams,
    pub(crate) questions: Questions,
    limits: SessionLimits,
    reference: OnceLock<SessionRef>,
    log_level: AtomicU8,
    subscriptions: Mutex<HashSet<String>>,
    calls: Mutex<Calls>,
    open_streams: AtomicUsize,
    last_active: Mutex<Instant>,
    begun: Instant,
    initialized: AtomicBool,
    connection: Mutex<Option<ConnectionScope>>,
    telemetry: Telemetry,
}

/// Why a call could not be taken into a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unbound {
    /// A call with that id is in flight.
    IdInUse,
    /// The session has as many calls in flight as it may have.
    TooMany,
}

/// A call's place in its session; leaves it when dropped.
pub(crate) struct Bound {
    session: Arc<Session>,
    id: Id,
    pub(crate) withdrawal: Arc<Withdrawal>,
}

impl Drop for Bound {
    fn drop(&mut self) {
        lock(&self.session.calls).running.remove(&self.id);
        self.session.touch();
    }
}

/// An open stream of a session; closed when dropped.
pub(crate) struct OpenStream(Arc<Session>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open_streams.fetch_sub(1, Ordering::Relaxed);
        self.0.touch();
    }
}

impl Session {
    /// Bind a call: from here on it can be cancelled by its id.
    pub(crate) fn bind(self: &Arc<Self>, id: &Id, log: &Arc<EventLog>) -> Result<Bound, Unbound> {
        let mut calls = lock(&self.calls);
        let Calls { running, started } = &mut *calls;
        let is_full = running.len() >= self.limits.calls;
        let Entry::Vacant(place) = running.entry(id.clone()) else {
            return Err(Unbound::IdInUse);
        };
        if is_full {
            return Err(Unbound::TooMany);
        }
        *started += 1;
        let withdrawal = Arc::new(Withdrawal::default());
        let (heard, log) = (Arc::clone(&withdrawal), Arc::clone(log));
        place.insert(InFlight { withdrawal: heard, log, order: *started });
        drop(calls);
        Ok(Bound { session: Arc::clone(self), id: id.clone(), withdrawal })
    }

    /// Cancels a call in flight; one that is over is left alone.
    pub(crate) fn cancel(&self, id: &Id) {
        if let Some(call) = lock(&self.calls).running.get(id) {
            call.withdrawal.say();
        }
    }

    /// The stream for what belongs to the session but to none of its calls in particular: that
    /// of the newest call in flight, since a client may have no other open, else the general one.
    fn some_stream(&self) -> Arc<EventLog> {
        let calls = lock(&self.calls);
        let newest = calls
            .running
            .values()
            .filter(|call| !call.log.is_closed())
            .max_by_key(|call| call.order);
        newest.map_or_else(|| Arc::clone(&self.general), |call| Arc::clone(&call.log))
    }

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

    pub(crate) fn touch(&self) {
        *lock(&self.last_active) = Instant::now();
    }

    /// Whether nothing has happened for `limit`: no request, no call in flight, no open stream.
    fn is_idle(&self, now: Instant, limit: Duration) -> bool {
        self.open_streams.load(Ordering::Relaxed) == 0
            && now.saturating_duration_since(*lock(&self.last_active)) >= limit
            && lock(&self.calls).running.is_empty()
    }

    pub(crate) fn open_stream(self: &Arc<Self>) -> OpenStream {
        self.open_streams.fetch_add(1, Ordering::Relaxed);
        OpenStream(Arc::clone(self))
    }

    /// The client has said `notifications/initialized`; only the first time counts.
    pub(crate) fn initialized(&self) {
        if !self.initialized.swap(true, Ordering::Relaxed) {
            self.report_handshake(true);
        }
    }

    fn report_handshake(&self, ok: bool) {
        self.telemetry.emit(&Event::HandshakeFinished {
            transport: self.transport,
            ok,
            elapsed: self.begun.elapsed(),
        });
    }

    pub(crate) fn log_level(&self) -> LogLevel {
        LogLevel::from_rank(self.log_level.load(Ordering::Relaxed))
    }

    pub(crate) fn set_log_level(&self, level: LogLevel) {
        self.log_level.store(level.rank(), Ordering::Relaxed);
    }

    /// Notes a subscription; whether it is new and there is room for it.
    pub(crate) fn subscribe(&self, uri: &str) -> bool {
        const MOST: usize = 1_000;
        let mut subscriptions = lock(&self.subscriptions);
        subscriptions.len() < MOST && subscriptions.insert(uri.to_owned())
    }

    pub(crate) fn unsubscribe(&self, uri: &str) {
        lock(&self.subscriptions).remove(uri);
    }

    pub(crate) fn is_subscribed(&self, uri: &str) -> bool {
        lock(&self.subscriptions).contains(uri)
    }

    /// Ends everything the session owns, once.
    fn end(&self, reason: Reason) {
        let Some(connection) = lock(&self.connection).take() else { return };
        if !self.initialized.swap(true, Ordering::Relaxed) {
            self.report_handshake(false);
        }
        // A legacy client that goes away has withdrawn nothing: its calls run to their end.
        if !matches!(reason, Reason::ClientClosed | Reason::ClientGone | Reason::HeartbeatLost) {
            for call in lock(&self.calls).running.values() {
                call.withdrawal.say();
            }
        }
        self.questions.close();
        self.general.close();
        self.streams.close();
        connection.end(reason);
    }
}

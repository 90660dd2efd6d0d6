//! Legacy sessions and what stands in their place in the modern era: presences and listeners.
//!
//! A session owns what belongs to one client between its calls: the negotiated revision, the
//! general stream, the streams of calls that went over to SSE, questions to the client, calls
//! in flight, subscriptions, log level.

mod awaited;
mod event_id;
mod facts;
mod frames;
mod half_open;
mod initialize;
mod listen;
mod outlet;
mod place;
mod presence;
mod question;
mod record;
mod restore;
mod resumption;
mod streams;
mod table;

pub(crate) use awaited::Awaited;
pub(crate) use event_id::{EventId, StreamId};
pub(crate) use facts::Facts;
pub(crate) use frames::NoWayBack;
pub(crate) use initialize::negotiate;
pub(crate) use listen::{Filter, Listener, Listeners, Opened};
pub(crate) use outlet::{CallOutlet, LogLevel, ModernOutlet, SessionOutlet};
pub(crate) use place::{StreamPlace, StreamPlaces};
pub(crate) use presence::Presences;
pub(crate) use record::now;
pub(crate) use restore::may_revive;
pub(crate) use resumption::{TakenOver, outlives_its_connection};
pub(crate) use streams::Kept;
pub(crate) use table::{Opening, Sessions};

use crate::{
    call::{Bounds, EventLog, Principal, SessionRef, Withdrawal},
    config::Limits,
};
use mcp_protocol::{Id, RawObject, RawValue, Revision};
use mcp_store::{Counts, SessionRecord, Status, UtcMillis};
use mcp_telemetry::{ConnectionScope, Event, Reason, Telemetry, Transport};
use question::Questions;
use record::Record;
use resumption::Resumption;
use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
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

/// What a client said of itself in `initialize`, and what was agreed.
#[derive(Debug, Clone)]
pub(crate) struct Agreement {
    pub(crate) revision: Revision,
    pub(crate) capabilities: Arc<RawValue>,
    pub(crate) client: ClientInfo,
}

/// What a client calls itself, cut where it is too long to keep.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientInfo {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) version: Option<Arc<str>>,
}

impl ClientInfo {
    fn of(info: &RawValue) -> Self {
        let info = RawObject::parse(info);
        let text = |key: &str| info.as_ref()?.get_str(key).map(|text| shortened(&text));
        Self { name: text("name"), version: text("version") }
    }
}

/// At most 200 characters of what a client says of itself.
pub(crate) fn shortened(text: &str) -> Arc<str> {
    text.chars().filter(|sign| !sign.is_control()).take(200).collect::<String>().into()
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

/// Where the client of a session came from, as its `initialize` said.
#[derive(Debug, Clone, Default)]
pub(crate) struct CameFrom {
    pub(crate) address: Option<Arc<str>>,
    pub(crate) user_agent: Option<Arc<str>>,
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
        self.stirred.store(true, Ordering::Relaxed);
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
            self.record.initialized();
        }
    }

    /// Whether the handshake was completed.
    fn is_initialized(&self) -> bool {
        self.initialized.load(Ordering::Relaxed)
    }

    /// Counts a call that ended.
    pub(crate) fn count(&self, ok: bool) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if !ok {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
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

    pub(crate) fn log_level(&self) -> LogLevel {
        LogLevel::from_rank(self.log_level.load(Ordering::Relaxed))
    }

    pub(crate) fn set_log_level(&self, level: LogLevel) {
        self.log_level.store(level.rank(), Ordering::Relaxed);
        self.record.log_level(level);
    }

    /// Notes a subscription; whether it is new and there is room for it.
    pub(crate) fn subscribe(&self, uri: &str) -> bool {
        const MOST: usize = 1_000;
        let mut subscriptions = lock(&self.subscriptions);
        let is_new = subscriptions.len() < MOST && subscriptions.insert(uri.to_owned());
        if is_new {
            self.record.subscriptions(&subscriptions);
        }
        is_new
    }

    pub(crate) fn unsubscribe(&self, uri: &str) {
        let mut subscriptions = lock(&self.subscriptions);
        if subscriptions.remove(uri) {
            self.record.subscriptions(&subscriptions);
        }
    }

    /// The resources it subscribes to.
    pub(crate) fn subscribed(&self) -> Vec<String> {
        lock(&self.subscriptions).iter().cloned().collect()
    }

    pub(crate) fn is_subscribed(&self, uri: &str) -> bool {
        lock(&self.subscriptions).contains(uri)
    }

    /// Whether news may have been lost before this process; told once.
    pub(crate) fn take_missed(&self) -> bool {
        self.may_have_missed.swap(false, Ordering::Relaxed)
    }

    fn counts(&self) -> Counts {
        Counts {
            requests: self.requests.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            ..Counts::default()
        }
    }

    fn last_activity(&self) -> UtcMillis {
        record::now().before(lock(&self.last_active).elapsed())
    }

    /// Notes in the store that something happened, if it did.
    pub(crate) fn note_activity(&self) {
        if self.stirred.swap(false, Ordering::Relaxed) {
            self.record.active(self.last_activity(), self.counts());
        }
    }

    /// The session as it is stored.
    pub(crate) fn to_record(&self) -> SessionRecord {
        let level = self.log_level();
        SessionRecord {
            id: Arc::clone(&self.id),
            principal: self.principal.shared_name(),
            transport: self.transport,
            revision: self.agreement.revision,
            client_name: self.agreement.client.name.clone(),
            client_version: self.agreement.client.version.clone(),
            user_agent: self.came_from.user_agent.clone(),
            address: self.came_from.address.clone(),
            capabilities: self.agreement.capabilities.get().into(),
            log_level: (level != LogLevel::LOWEST).then(|| level.name().into()),
            subscriptions: self.subscribed().into_iter().map(Into::into).collect(),
            created: self.created.into(),
            last_activity: self.last_activity(),
            initialized: self.is_initialized(),
            status: Status::Active,
            counts: self.counts(),
            streams: 0,
            resume: self.resumption_record(),
        }
    }

    /// Writes the session to the store as it is now; whether it is safe there.
    pub(crate) async fn write(self: &Arc<Self>) -> bool {
        let was_written = self.record.is_written();
        let is_safe = self.record.write(self.to_record()).await;
        if is_safe && !was_written && self.outlives_its_connection() {
            let general = Kept::new(StreamId::GENERAL, Arc::clone(&self.general), "");
            self.record.keep(&general);
        }
        is_safe
    }

    /// Whether the store has it.
    pub(crate) fn is_written(&self) -> bool {
        self.record.is_written()
    }

    /// Forgets streams that finished longer than `after` ago.
    pub(crate) fn forget_streams(&self, after: Duration) {
        self.streams.forget(after, &self.record);
    }

    /// Lets go of everything without an end, if the store keeps it for the next process;
    /// whether it does.
    fn hand_over(&self, epoch: u64) -> bool {
        if !self.record.is_durable() || !self.outlives_its_connection() {
            return false;
        }
        let Some(connection) = lock(&self.connection).take() else { return true };
        let _first = self.ended.set(Reason::ServerShutdown).is_ok();
        self.record.active(self.last_activity(), self.counts());
        self.let_go("the server stopped", true);
        self.note_left(epoch);
        connection.hand_over();
        true
    }

    fn let_go(&self, why: &str, withdraw: bool) {
        // A legacy client that goes away has withdrawn nothing: its calls run to their end.
        if withdraw {
            for call in lock(&self.calls).running.values() {
                call.withdrawal.say();
            }
        }
        self.questions.close();
        self.streams.close(why);
        self.general.close();
    }

    /// Ends everything the session owns, once.
    fn end(&self, reason: Reason, epoch: u64) {
        let Some(connection) = lock(&self.connection).take() else { return };
        let _first = self.ended.set(reason).is_ok();
        if !self.initialized.swap(true, Ordering::Relaxed) {
            self.report_handshake(false);
        }
        let went_away =
            matches!(reason, Reason::ClientClosed | Reason::ClientGone | Reason::HeartbeatLost);
        self.let_go(&format!("the session ended: {}", reason.as_str()), !went_away);
        self.note_left(epoch);
        self.record.active(self.last_activity(), self.counts());
        self.record.ended(reason);
        connection.end(reason);
    }
}

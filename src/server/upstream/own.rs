//! Upstream sessions that belong to one downstream session each, so that nobody sees another's
//! questions. Opened at the first call that may be asked back, ended when idle.

use super::{
    failure::Failure,
    levels,
    link::Link,
    one::Upstream,
    sinks::{Declared, OwnSink},
    wanted::Subscriber,
};
use crate::call::{Caller, Downstream, SessionRef};
use mcp_client::{ClientError, Network};
use mcp_protocol::Era;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How often idle sessions are looked for, at most and at least.
const SHORTEST_SWEEP: Duration = Duration::from_millis(250);
const LONGEST_SWEEP: Duration = Duration::from_secs(30);
/// Wait before one session is opened again after that failed, at least and at most.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The sessions of one upstream that belong to single clients, by downstream session.
#[derive(Default)]
pub(super) struct OwnSessions(Mutex<HashMap<Arc<str>, Arc<Slot>>>);

/// One such session; the link is opened by the first call and again when it is lost.
struct Slot {
    place: tokio::sync::Mutex<Place>,
    running: Arc<Running>,
}

#[derive(Default)]
struct Place {
    link: Option<Arc<Link>>,
    /// When it may be opened, if that failed and may go well later.
    next_try: Option<Instant>,
}

/// Why a call has no way to its upstream.
pub(super) enum NoWay {
    /// It may have one soon.
    Now(Failure),
    /// It will not.
    AtAll(Failure),
}

impl From<Failure> for NoWay {
    fn from(failure: Failure) -> Self {
        Self::AtAll(failure)
    }
}

/// The calls in flight on such a session.
pub(super) struct Running(Mutex<Calls>);

struct Calls {
    by_id: BTreeMap<u64, Arc<dyn Downstream>>,
    idle_since: Instant,
}

/// A call on such a session; it counts as in flight until this is dropped.
pub(super) struct OwnCall {
    /// The session's link.
    pub(super) link: Arc<Link>,
    /// What its client declared.
    pub(super) declared: Declared,
    _in_flight: InFlight,
}

struct InFlight {
    running: Arc<Running>,
    id: u64,
}

/// Ends idle sessions from time to time, until everything is to stop.
pub(super) async fn sweep(upstream: Arc<Upstream>) {
    let pause = || {
        let idle = upstream.shared.limits.now().own_upstream_idle;
        (idle / 4).clamp(SHORTEST_SWEEP, LONGEST_SWEEP)
    };
    while tokio::time::timeout(pause(), upstream.stop.cancelled()).await.is_err() {
        upstream.end_idle();
    }
}

impl Running {
    fn new() -> Self {
        Self(Mutex::new(Calls { by_id: BTreeMap::new(), idle_since: Instant::now() }))
    }

    /// The client of the only call in flight.
    pub(super) fn only(&self) -> Option<Arc<dyn Downstream>> {
        let calls = self.calls();
        match calls.by_id.len() {
            1 => calls.by_id.values().next().cloned(),
            _ => None,
        }
    }

    fn begin(self: &Arc<Self>, id: u64, downstream: Arc<dyn Downstream>) -> InFlight {
        self.calls().by_id.insert(id, downstream);
        InFlight { running: self.clone(), id }
    }

    fn is_idle(&self, limit: Duration) -> bool {
        let calls = self.calls();
        calls.by_id.is_empty() && calls.idle_since.elapsed() >= limit
    }

    fn calls(&self) -> std::sync::MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut calls = self.running.calls();
        calls.by_id.remove(&self.id);
        calls.idle_since = Instant::now();
    }
}

impl Upstream {
    /// The session of its own that a call must go out on; `None` when the shared one serves:
    /// its client answers no questions, or too many have a session of their own.
    pub(super) async fn own_call(
        self: &Arc<Self>,
        caller: &Caller,
        not: Option<u64>,
    ) -> Option<Result<OwnCall, NoWay>> {
        let session = caller.session.as_ref()?;
        let declared = Declared::of(&session.capabilities);
        if !declared.any() {
            return None;
        }
        let (slot, in_flight) = self.slot(session, caller)?;
        let link = match slot.live(not) {
            Some(link) => Ok(link),
            None => self.own_link_kept(slot, session, declared, not).await,
        };
        Some(link.map(|link| OwnCall { link, declared, _in_flight: in_flight }))
    }

    /// Opens the slot's link, and goes on with that when the call is given up: the next one
    /// finds it open.
    async fn own_link_kept(
        self: &Arc<Self>,
        slot: Arc<Slot>,
        session: &SessionRef,
        declared: Declared,
        not: Option<u64>,
    ) -> Result<Arc<Link>, NoWay> {
        let opening = self.clone().own_link(slot, session.clone(), declared, not);
        let stop = self.stop.clone();
        let opening = async move { stop.run_until_cancelled(opening).await };
        match self.shared.tasks.spawn(opening).await {
            Ok(Some(link)) => link,
            Ok(None) | Err(_) => Err(Failure::unavailable("we are stopping").into()),
        }
    }

    /// The session's slot with this call in flight on it, so that it does not end meanwhile.
    fn slot(&self, session: &SessionRef, caller: &Caller) -> Option<(Arc<Slot>, InFlight)> {
        let most = self.shared.limits.now().own_upstream_sessions;
        let mut slots = self.own.slots();
        if slots.len() >= most && !slots.contains_key(&session.id) {
            return None;
        }
        let slot = slots.entry(session.id.clone()).or_insert_with(|| {
            Arc::new(Slot {
                place: tokio::sync::Mutex::default(),
                running: Arc::new(Running::new()),
            })
        });
        let in_flight = slot.running.begin(self.shared.next_id(), caller.downstream.clone());
        Some((slot.clone(), in_flight))
    }

    /// The slot's link, opened by whoever comes first.
    async fn own_link(
        self: Arc<Self>,
        slot: Arc<Slot>,
        session: SessionRef,
        declared: Declared,
        not: Option<u64>,
    ) -> Result<Arc<Link>, NoWay> {
        let mut place = slot.place.lock().await;
        if let Some(link) = place.link.as_ref()
            && Some(link.id) != not
            && link.is_live()
        {
            return Ok(link.clone());
        }
        place.link = None;
        if let Some(next_try) = place.next_try.take() {
            tokio::time::sleep_until(next_try).await;
        }
        let sink = OwnSink {
            upstream: Arc::downgrade(&self),
            session: session.clone(),
            declared,
            running: slot.running.clone(),
        };
        let capabilities = Declared::capabilities(&session.capabilities);
        let opened = Box::pin(self.open(Some(Era::Legacy), capabilities, Arc::new(sink))).await;
        let link = Arc::new(opened.map_err(|error| self.own_failed(&mut place, &error))?);
        self.watch_own(&link);
        if let Some(level) = self.shared.levels.of(&session.id) {
            levels::set(&link, level).await;
        }
        if link.network == Network::Stdio {
            let subscriber = Subscriber::Session(session.id.clone());
            self.subscribe_to(&link, &self.lane(Era::Legacy).wanted.uris_of(&subscriber)).await;
        }
        place.link = Some(link.clone());
        Ok(link)
    }

    /// A session could not be opened. If that may pass, somebody looks whether the upstream is
    /// there, and the next try comes a little later.
    fn own_failed(&self, place: &mut Place, error: &ClientError) -> NoWay {
        let failure = Failure::unavailable(error.to_string());
        if !may_pass(error) {
            return failure.into();
        }
        let pause = error.retry_after().unwrap_or_default().clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        place.next_try = Some(Instant::now() + pause);
        self.lane(Era::Legacy).suspect();
        NoWay::Now(failure)
    }

    /// Whether the caller's session has a live link of its own, other than `not`.
    pub(super) fn has_own(&self, caller: &Caller, not: Option<u64>) -> bool {
        let session = caller.session.as_ref().map(|session| &*session.id);
        let slot = session.and_then(|session| self.own.slots().get(session).cloned());
        slot.is_some_and(|slot| slot.live(not).is_some())
    }

    /// The link of a session's own, if it has one now.
    pub(super) fn own_link_now(&self, session: &str) -> Option<Arc<Link>> {
        self.own.slots().get(session).cloned()?.live(None)
    }

    /// Ends a session's own.
    pub(super) fn end_own(self: &Arc<Self>, session: &str) {
        if let Some(slot) = self.own.slots().remove(session) {
            self.close_later(slot);
        }
    }

    /// Ends all that are idle.
    pub(super) fn end_idle(self: &Arc<Self>) {
        let limit = self.shared.limits.now().own_upstream_idle;
        for slot in self.own.take(|slot| slot.running.is_idle(limit)) {
            self.close_later(slot);
        }
    }

    /// Ends all.
    pub(super) async fn end_all_own(&self) {
        let slots = self.own.take(|_| true);
        futures_util::future::join_all(slots.iter().map(|slot| slot.close())).await;
    }

    fn close_later(&self, slot: Arc<Slot>) {
        self.shared.tasks.spawn(async move { slot.close().await });
    }
}

impl OwnSessions {
    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<Arc<str>, Arc<Slot>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, of: impl Fn(&Slot) -> bool) -> Vec<Arc<Slot>> {
        self.slots().extract_if(|_, slot| of(slot)).map(|(_, slot)| slot).collect()
    }
}

impl Slot {
    /// The link, if it is live now and not the one with the id `not`.
    fn live(&self, not: Option<u64>) -> Option<Arc<Link>> {
        let link = self.place.try_lock().ok()?.link.clone()?;
        (Some(link.id) != not && link.is_live()).then_some(link)
    }

    async fn close(&self) {
        let link = self.place.lock().await.link.take();
        if let Some(link) = link {
            link.connection.close().await;
        }
    }
}

/// Whether a session that could not be opened for this reason may be opened later.
const fn may_pass(error: &ClientError) -> bool {
    match error {
        ClientError::Spawn { .. }
        | ClientError::Connect(_)
        | ClientError::Tls(_)
        | ClientError::Timeout { .. }
        | ClientError::Closed { .. }
        | ClientError::Http { status: 429 | 500..=599, .. } => true,
        ClientError::Refused(_)
        | ClientError::SessionLost
        | ClientError::Auth { .. }
        | ClientError::Http { .. }
        | ClientError::Protocol(_)
        | ClientError::TooLarge { .. }
        | ClientError::Invalid(_)
        | ClientError::Busy
        | ClientError::Unfinished(_) => false,
    }
}

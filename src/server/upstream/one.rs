//! One upstream: its two lanes, its standing, the sessions it holds for single clients.

use super::{
    Change,
    catalogue::Offer,
    deadline::Deadline,
    failure::Failure,
    lane::{self, Lane, LaneState, SpeaksNone},
    link::Link,
    listing::Kind,
    own::OwnSessions,
    report::now,
    shared::Shared,
    sinks::SharedSink,
    standing::Standing,
    uptime::Availability,
};
use crate::config::UpstreamConfig;
use arc_swap::ArcSwap;
use mcp_client::{Budget, BudgetRule, ClientError, Connection, Sink};
use mcp_protocol::{Era, Method, Notification, RawObject, RawValue, raw_value};
use mcp_telemetry::{Event, UpstreamLabel};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How much may be sent again to one upstream: a fifth of its calls, and a little more.
const BUDGET: BudgetRule = BudgetRule { share: 0.2, reserve: 10 };

/// One upstream.
pub(super) struct Upstream {
    /// Its configured name.
    pub(super) name: Arc<str>,
    /// What it is counted under.
    pub(super) label: UpstreamLabel,
    /// What it shares with the others.
    pub(super) shared: Arc<Shared>,
    /// Sessions that belong to one client each.
    pub(super) own: OwnSessions,
    /// Whether its catalogue is known, or its first try failed.
    pub(super) known: watch::Sender<bool>,
    /// Says that it ends.
    pub(super) stop: CancellationToken,
    /// The calls in flight.
    pub(super) calls: TaskTracker,
    legacy: Lane,
    modern: Lane,
    config: ArcSwap<UpstreamConfig>,
    standing: Mutex<Standing>,
    /// Whether its tools can be called, and for how long they could.
    pub(super) availability: Mutex<Availability>,
    budget: Mutex<Budget>,
}

impl Upstream {
    /// An upstream that nobody has tried to reach yet.
    pub(super) fn new(name: &str, config: UpstreamConfig, shared: Arc<Shared>) -> Self {
        let label = shared.telemetry.register_upstream(name);
        Self {
            name: name.into(),
            label,
            stop: shared.stop.child_token(),
            calls: TaskTracker::new(),
            config: ArcSwap::from_pointee(config),
            shared,
            own: OwnSessions::default(),
            known: watch::Sender::new(false),
            legacy: Lane::new(Era::Legacy),
            modern: Lane::new(Era::Modern),
            standing: Mutex::new(Standing::new()),
            availability: Mutex::new(Availability::new()),
            budget: Mutex::new(Budget::new(BUDGET, Instant::now())),
        }
    }

    /// The lane of an era.
    pub(super) const fn lane(&self, era: Era) -> &Lane {
        match era {
            Era::Legacy => &self.legacy,
            Era::Modern => &self.modern,
        }
    }

    /// Both lanes.
    pub(super) const fn lanes(&self) -> [&Lane; 2] {
        [&self.modern, &self.legacy]
    }

    /// The lane that serves clients of an era: their own, unless it is known not to be spoken.
    pub(super) fn lane_for(&self, era: Era) -> &Lane {
        let own = self.lane(era);
        if matches!(own.state(), LaneState::Absent) { self.lane(era.other()) } else { own }
    }

    /// The eras of the clients that a lane serves.
    pub(super) fn served_by(&self, lane: Era) -> impl Iterator<Item = Era> {
        [Era::Legacy, Era::Modern].into_iter().filter(move |era| self.lane_for(*era).era == lane)
    }

    /// A shared link for a call that came in this era, but not the one with the id `not`.
    /// Waits until there is one.
    pub(super) async fn ready(&self, era: Era, not: Option<u64>) -> Result<Arc<Link>, Failure> {
        let ready = lane::ready(self.lane(era), self.lane(era.other()), not);
        match self.stop.run_until_cancelled(ready).await {
            Some(Ok(link)) => Ok(link),
            Some(Err(SpeaksNone)) => {
                let failure = Failure::unavailable("it speaks no revision that we do");
                Err(self.standing().explain(failure))
            }
            None => Err(Failure::unavailable("we are stopping")),
        }
    }

    /// Opens a connection. `era` as `None` finds out.
    pub(super) async fn open(
        &self,
        era: Option<Era>,
        capabilities: Box<RawValue>,
        sink: Arc<dyn Sink>,
    ) -> Result<Link, ClientError> {
        let (identity, options) = (self.shared.identity(capabilities), self.shared.options());
        let target = &self.config().target;
        let connection = Connection::open(target, era, &identity, sink, &options).await?;
        Ok(Link::new(self.shared.next_id(), connection, target.network()))
    }

    /// Opens a connection for everybody: it declares no capability.
    pub(super) async fn open_shared(
        self: &Arc<Self>,
        era: Option<Era>,
    ) -> Result<Link, ClientError> {
        let sink = Arc::new(SharedSink::new(self));
        let link = self.open(era, raw_value(&serde_json::json!({})), sink.clone()).await?;
        sink.speaks(link.era());
        Ok(link)
    }

    /// How it is configured.
    pub(super) fn config(&self) -> Arc<UpstreamConfig> {
        self.config.load_full()
    }

    /// Changes how it is configured, but not where it is: it stays connected.
    pub(super) fn tune(&self, config: UpstreamConfig) {
        self.config.store(Arc::new(config));
    }

    /// Goes on where another one of its name was: what that listed stays listed until this one
    /// is known, and who subscribed there is subscribed here.
    pub(super) fn take_over(&self, before: &Self) {
        for (lane, before) in self.lanes().into_iter().zip(before.lanes()) {
            let listing = before.listing.load_full().map(|listing| Arc::new(listing.stale(now())));
            lane.listing.store(listing);
            lane.wanted.take_over(&before.wanted);
        }
        // What the store kept is of the one before.
        self.forget_kept(None);
        // A list need not wait for what it shows already.
        self.known.send_replace(*before.known.borrow());
    }

    /// Its standing, locked.
    pub(super) fn standing(&self) -> std::sync::MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its part of the catalogue.
    pub(super) fn offer(&self) -> Offer {
        Offer {
            upstream: self.name.clone(),
            label: self.label.clone(),
            prefix: self.config.load().prefix.unwrap_or(true),
            is_settled: *self.known.borrow(),
            legacy: self.legacy.listing.load_full(),
            modern: self.modern.listing.load_full(),
        }
    }

    /// Until when a call that starts now may take.
    pub(super) fn deadline(&self, method: Method) -> Deadline {
        let limits = self.shared.limits.now();
        if method == Method::ToolsCall {
            let limit = self.config.load().tool_timeout.unwrap_or(limits.tool_timeout);
            Deadline::new(limit, limits.tool_ceiling)
        } else {
            Deadline::new(limits.request_timeout, Duration::ZERO)
        }
    }

    /// How much may be sent again, locked.
    pub(super) fn budget(&self) -> std::sync::MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what a notification says about the catalogue, heard on any connection of an era;
    /// whether it was such a one.
    pub(super) fn hear(&self, era: Era, notification: &Notification) -> bool {
        #[expect(clippy::wildcard_enum_match_arm, reason = "no other says anything about it")]
        match notification.method {
            Method::ToolsListChanged => self.announce(Kind::Tools),
            Method::PromptsListChanged => self.announce(Kind::Prompts),
            Method::ResourcesListChanged => self.announce(Kind::Resources),
            Method::ResourcesUpdated => self.updated(era, notification.params.as_deref()),
            _ => return false,
        }
        true
    }

    /// Both eras may show what changed, whichever it was heard in.
    fn announce(&self, kind: Kind) {
        for lane in self.lanes() {
            lane.stale.announce(kind);
        }
    }

    fn updated(&self, lane: Era, params: Option<&RawValue>) {
        let Some(uri) = params.and_then(RawObject::parse).and_then(|params| params.get_str("uri"))
        else {
            return;
        };
        let uri: Arc<str> = uri.into();
        for era in self.served_by(lane) {
            self.shared.tell(Change::ResourceUpdated { era, uri: uri.clone() });
        }
    }

    /// Reports a message that reaches nobody.
    pub(super) fn dropped(&self, method: &str, why: &str) {
        self.shared.telemetry.emit(&Event::UpstreamMessageDropped {
            upstream: &self.label,
            method,
            why,
        });
    }

    /// Marks the catalogue as known once nothing more is to be expected.
    pub(super) fn settle(&self) {
        if self.lanes().iter().all(|lane| lane.is_settled()) {
            self.is_known();
        }
    }

    /// Its catalogue is known, or its first try failed: names that waited for it are given.
    pub(super) fn is_known(&self) {
        if !self.known.send_replace(true) {
            self.shared.rebuild(&[]);
        }
    }
}

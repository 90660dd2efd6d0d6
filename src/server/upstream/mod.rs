//! The upstream MCP servers: connections, their merged catalogue, and calls to them.
//!
//! Called by `dispatch` (calls, lists, subscriptions), `session` (its end) and `serve` (start,
//! status, stop). What a call needs to reach its client comes in with its [`Caller`](crate::call::Caller); nothing
//! here knows transports or sessions.
//!
//! - [`Upstreams`] is the whole of it: `start`, then calls, then `stop`.
//! - [`Catalogue`] is what all upstreams offer together, as a client of an era sees it. It is
//!   read without waiting and never shrinks because an upstream is down.
//! - [`Reply`] is how a forwarded call ended: what to answer, and what to count.
//! - [`Change`] says which view changed, for `list_changed` and `resources/updated`.
//!
//! A modern result is given back with the `_meta` of its upstream: stamping our own
//! `serverInfo` into every modern result is the caller's, in one place.
//!
//! Dropping the future of a forwarded call cancels it upstream.

mod assigned;
mod attempt;
mod availability;
mod calls;
mod catalogue;
mod correct;
mod deadline;
mod expiry;
mod failure;
mod forward;
mod kept;
mod lane;
mod levels;
mod link;
mod listen;
mod listing;
mod names;
mod one;
mod own;
mod pages;
mod params;
mod relay;
mod relist;
mod reload;
mod report;
mod results;
mod resuming;
mod retry;
mod seal;
mod shared;
mod sinks;
mod stale;
mod standing;
mod state;
mod subscribe;
mod supervisor;
mod templates;
mod told;
mod uptime;
mod view;
mod wanted;

use crate::config::{Config, LiveLimits};
use arc_swap::ArcSwap;
use assigned::Assigned;
use mcp_protocol::{Era, Payload};
use mcp_store::{Store, StoredCatalogue};
use mcp_telemetry::{Outcome, Telemetry, UpstreamState};
use one::Upstream;
use shared::Shared;
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{sync::broadcast, time::Instant};
use tokio_util::sync::DropGuard;

pub(crate) use catalogue::{Catalogue, ToolEntry};
pub(crate) use failure::answer_lost;
pub(crate) use subscribe::Listening;
pub(crate) use told::{Following, Located, TellTask};

/// Longest time [`Upstreams::stop`] takes.
const STOP_LIMIT: Duration = Duration::from_secs(8);

/// How a forwarded call ended.
#[derive(Debug)]
pub(crate) struct Reply {
    /// What to answer, in the era of the caller.
    pub(crate) payload: Payload,
    /// What to count it as.
    pub(crate) outcome: Outcome,
}

/// Which view of the catalogue changed: the era is that of the clients who should hear it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// The list of tools.
    Tools(Era),
    /// The list of prompts.
    Prompts(Era),
    /// The list of resources or of templates.
    Resources(Era),
    /// The content of one resource. Only clients that subscribed to it should hear it.
    ResourceUpdated {
        /// Clients of which era.
        era: Era,
        /// Which resource.
        uri: Arc<str>,
    },
}

/// One upstream as `/api/status` and `/readyz` show it. Holds no secret.
#[derive(Debug, Clone)]
pub(crate) struct UpstreamStatus {
    /// Its configured name.
    pub(crate) name: Arc<str>,
    /// How it stands.
    pub(crate) state: UpstreamState,
    /// Since when.
    pub(crate) since: SystemTime,
    /// Why it last failed, if it ever did.
    pub(crate) last_error: Option<String>,
    /// The eras it is known to speak.
    pub(crate) eras: Vec<Era>,
    /// Tools it offers (those of its richer era).
    pub(crate) tools: usize,
}

/// What upstreams need to start.
pub(crate) struct Start {
    /// Bounds.
    pub(crate) limits: LiveLimits,
    /// Where everything is reported.
    pub(crate) telemetry: Telemetry,
    /// Seals `requestState` and ids of tasks.
    pub(crate) state_key: [u8; 32],
    /// Whether upstreams may answer with tasks.
    pub(crate) relays_tasks: bool,
    /// How long a question to a client may wait in a task.
    pub(crate) questions_wait: Duration,
    /// Keeps what they offer.
    pub(crate) store: Arc<dyn Store>,
}

/// All upstreams. Cheap to clone; when the last clone is dropped, everything is let go.
#[derive(Clone)]
pub(crate) struct Upstreams {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    /// In the order of the configuration.
    upstreams: ArcSwap<Vec<Arc<Upstream>>>,
    started: Instant,
    first_wait: Duration,
    _stop: DropGuard,
}

impl Upstreams {
    /// Starts one supervisor per upstream, side by side, and returns at once: what `kept` knows of
    /// them is listed from the first moment. `reserved` are the names of built-in tools.
    pub(crate) fn start(
        config: &Config,
        start: Start,
        reserved: Vec<String>,
        kept: StoredCatalogue,
    ) -> Self {
        let shared = Arc::new(Shared::new(start, Assigned::restored(kept.names)));
        let stop = shared.stop.clone().drop_guard();
        let upstreams = Self {
            inner: Arc::new(Inner {
                shared,
                upstreams: ArcSwap::default(),
                started: Instant::now(),
                first_wait: config.first_list_wait,
                _stop: stop,
            }),
        };
        upstreams.begin(config, reserved, kept.lists);
        let tasks = &upstreams.inner.shared.tasks;
        tasks.spawn(expiry::watch(Arc::clone(&upstreams.inner.shared)));
        upstreams
    }

    /// Waits until every upstream's catalogue is known or its first try failed, but only until
    /// `wait` after [`Upstreams::start`]: later callers do not wait again.
    pub(crate) async fn first_known(&self, wait: Duration) {
        let all = async {
            for upstream in &*self.all() {
                let mut known = upstream.known.subscribe();
                // Fails only when the sender is gone, and we hold it.
                let _known = known.wait_for(|known| *known).await;
            }
        };
        // Too late is as good as known: the list is answered as it is.
        let _in_time = tokio::time::timeout_at(self.inner.started + wait, all).await;
    }

    /// What all upstreams offer now, as last known.
    pub(crate) fn catalogue(&self) -> Arc<Catalogue> {
        self.inner.shared.catalogue()
    }

    /// Changes from now on. A receiver that lags should take every view as changed.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Change> {
        self.inner.shared.changes.subscribe()
    }

    /// Every upstream, in the order of the configuration.
    pub(crate) fn status(&self) -> Vec<UpstreamStatus> {
        self.all().iter().map(|upstream| upstream.status()).collect()
    }

    /// Every upstream, in the order of the configuration.
    fn all(&self) -> Arc<Vec<Arc<Upstream>>> {
        self.inner.upstreams.load_full()
    }

    /// Ends every child and closes every connection, side by side, in bounded time.
    pub(crate) async fn stop(&self) {
        self.inner.shared.stop.cancel();
        self.inner.shared.tasks.close();
        // What is not closed by now is let go: a dropped connection kills its child.
        let _in_time = tokio::time::timeout(STOP_LIMIT, self.inner.shared.tasks.wait()).await;
    }
}

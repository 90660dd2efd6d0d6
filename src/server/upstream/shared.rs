//! What all upstreams share: bounds, telemetry, the catalogue and the news about it.

use super::{
    Catalogue, Change, Start,
    assigned::Assigned,
    catalogue::{self, Offer},
    kept::Before,
    levels::Levels,
    names::Note,
    one::Upstream,
    report::now,
    seal::Sealer,
    told::Followers,
};
use crate::config::LiveLimits;
use arc_swap::ArcSwap;
use mcp_client::{Identity, Options, Pulse};
use mcp_protocol::{RawValue, raw_value};
use mcp_store::{CatalogueChange, Store};
use mcp_telemetry::{Event, Telemetry};
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::broadcast;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Changes that a slow listener may be behind.
const CHANGES: usize = 1_024;

/// What all upstreams share.
pub(super) struct Shared {
    /// Where everything is reported.
    pub(super) telemetry: Telemetry,
    /// Bounds.
    pub(super) limits: LiveLimits,
    /// Our `Implementation`.
    pub(super) info: Box<RawValue>,
    /// Seals `requestState` and ids of tasks.
    pub(super) sealer: Sealer,
    /// Whether upstreams may answer with tasks.
    pub(super) relays_tasks: bool,
    /// Log levels that legacy sessions asked for.
    pub(super) levels: Levels,
    /// Who listens for tasks of upstreams.
    pub(super) followers: Arc<Followers>,
    /// Says that everything ends.
    pub(super) stop: CancellationToken,
    /// Every task started here.
    pub(super) tasks: TaskTracker,
    /// What outlives the process.
    pub(super) store: Arc<dyn Store>,
    /// Who hears of changes.
    pub(super) changes: broadcast::Sender<Change>,
    catalogue: ArcSwap<Catalogue>,
    reserved: ArcSwap<Vec<String>>,
    upstreams: ArcSwap<Vec<Weak<Upstream>>>,
    naming: Mutex<Naming>,
    next_id: AtomicU64,
}

/// Which names were given, and what was said of them.
struct Naming {
    assigned: Assigned,
    reported: HashSet<Note>,
}

impl Shared {
    /// A start with nothing on offer.
    pub(super) fn new(start: Start, assigned: Assigned) -> Self {
        let Start { telemetry, limits, state_key, store, relays_tasks, questions_wait } = start;
        let info =
            serde_json::json!({ "name": "mcp-orchestrator", "version": env!("CARGO_PKG_VERSION") });
        Self {
            telemetry,
            limits,
            info: raw_value(&info),
            sealer: Sealer::new(&state_key, questions_wait),
            relays_tasks,
            levels: Levels::default(),
            followers: Arc::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            store,
            changes: broadcast::Sender::new(CHANGES),
            catalogue: ArcSwap::default(),
            reserved: ArcSwap::default(),
            upstreams: ArcSwap::default(),
            naming: Mutex::new(Naming { assigned, reported: HashSet::new() }),
            next_id: AtomicU64::new(1),
        }
    }

    /// Makes the upstreams known, in the order of the configuration, and the names that none of
    /// them gets.
    pub(super) fn introduce(&self, upstreams: &[Arc<Upstream>], reserved: Vec<String>) {
        self.reserved.store(Arc::new(reserved));
        self.upstreams.store(Arc::new(upstreams.iter().map(Arc::downgrade).collect()));
    }

    /// An id that nothing else here has.
    pub(super) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Bounds on one connection.
    pub(super) fn options(&self) -> Options {
        Options { request_timeout: self.limits.now().request_timeout, ..Options::default() }
    }

    /// How upstreams are asked whether they are there.
    pub(super) fn pulse(&self) -> Pulse {
        let limits = self.limits.now();
        Pulse {
            every: limits.upstream_ping,
            within: limits.upstream_ping_timeout,
            misses: limits.upstream_ping_misses,
        }
    }

    /// Who we are to an upstream, with these capabilities.
    pub(super) fn identity(&self, capabilities: Box<RawValue>) -> Identity {
        Identity { info: self.info.clone(), capabilities }
    }

    /// Everything on offer.
    pub(super) fn catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.load_full()
    }

    /// Puts the catalogue together anew, and tells of what differs and of what was announced.
    pub(super) fn rebuild(&self, announced: &[Change]) {
        // The lock also keeps two rebuilds in order.
        let mut naming = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
        let Naming { assigned, reported } = &mut *naming;
        let offers: Vec<Offer> = self.upstreams().iter().map(|upstream| upstream.offer()).collect();
        let register = |label: &_, tool: &str| self.telemetry.register_tool(label, tool);
        let (notes, new) = assigned.update(&offers, &self.reserved.load());
        if !new.is_empty() {
            // What is dropped the store reports itself.
            let _noted = self.store.note_catalogue(CatalogueChange::Named(new.into()));
        }
        let next = catalogue::merge(&offers, assigned, &register);
        let before = self.catalogue.load_full();
        let mut changes = next.changes_since(&before);
        self.catalogue.store(Arc::new(next));
        for note in notes {
            if reported.insert(note.clone()) {
                self.report(&note);
            }
        }
        changes.extend(
            announced
                .iter()
                .filter(|change| !changes.contains(change))
                .cloned()
                .collect::<Vec<_>>(),
        );
        for change in changes {
            self.tell(change);
        }
    }

    /// What the store keeps of upstreams that are configured no more is of no use.
    pub(super) fn forget(&self, upstreams: impl IntoIterator<Item = Arc<str>>) {
        for upstream in upstreams {
            // What is dropped the store reports itself.
            let _noted = self.store.note_catalogue(CatalogueChange::Forgotten(upstream, None));
        }
    }

    /// The time before this process.
    pub(super) fn before(&self) -> Before {
        let last_alive = self.store.beginning().previous.map(|life| life.last_alive);
        Before { last_alive, now: now() }
    }

    /// Tells of a change.
    pub(super) fn tell(&self, change: Change) {
        // Fails only when nobody listens.
        let _listeners = self.changes.send(change);
    }

    /// All upstreams, in the order of the configuration.
    pub(super) fn upstreams(&self) -> Vec<Arc<Upstream>> {
        self.upstreams.load().iter().filter_map(Weak::upgrade).collect()
    }

    fn report(&self, note: &Note) {
        self.telemetry.emit(&match note {
            Note::Conflict { name, kept_by, renamed_to } => {
                Event::NameConflict { name, kept_by, renamed_to }
            }
            Note::Shortened { name, to } => Event::NameShortened { name, to },
        });
    }
}

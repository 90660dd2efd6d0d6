//! What the parts of one [`Client`](super::Client) share: where it stands, who waits, what it tells.

use super::{
    config::ClientConfig,
    event::{ClientEvent, State},
    line::Line,
    lists::Lists,
    orders::Orders,
    stats::{Ledger, Stats},
    wishes::Wishes,
};
use crate::{Budget, ClientError, Connection, Identity, ServerInfo, Sink};
use mcp_protocol::Revision;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::{
    sync::{Notify, broadcast, watch},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Most events that a slow reader may be behind.
const EVENTS: usize = 256;

/// Where the client stands.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) state: State,
    /// The connection, while it is connected.
    pub(super) live: Option<Live>,
    /// What went wrong last, while it is not.
    pub(super) why: Option<ClientError>,
}

/// A connection that works, as far as we know.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) connection: Connection,
    /// Which of the endpoints it leads to.
    pub(super) endpoint: usize,
    /// Counts how often the server was reached, or found to be there. Who had trouble waits for
    /// a later one.
    pub(super) epoch: u64,
}

/// All of one client.
pub(super) struct Shared {
    pub(super) config: ClientConfig,
    pub(super) identity: Identity,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) place: watch::Sender<Place>,
    /// The latest epoch in which somebody had trouble, and whether the server is surely away.
    pub(super) trouble: watch::Sender<(u64, bool)>,
    /// A call waits: try now.
    pub(super) wanted: Notify,
    /// The user says: try now.
    pub(super) wished: Notify,
    /// The lists may have changed.
    pub(super) stale: Notify,
    pub(super) closing: CancellationToken,
    pub(super) tasks: TaskTracker,
    pub(super) wishes: Mutex<Wishes>,
    /// Wishes for the same thing go one after the other.
    pub(super) orders: Orders,
    pub(super) lists: tokio::sync::Mutex<Lists>,
    known: Mutex<Option<Known>>,
    pub(super) line: Mutex<Line>,
    budget: Option<Mutex<Budget>>,
    ledger: Mutex<Ledger>,
    events: broadcast::Sender<ClientEvent>,
}

/// What the server said of itself when it was last reached, and at which endpoint.
struct Known {
    server: Arc<ServerInfo>,
    revision: Revision,
    endpoint: usize,
}

impl Shared {
    pub(super) fn new(config: ClientConfig, identity: Identity, sink: Arc<dyn Sink>) -> Self {
        let place = Place { state: State::Connecting, live: None, why: None };
        let line = Line::new(config.queue);
        Self {
            budget: config.budget.map(|rule| Mutex::new(Budget::new(rule, Instant::now()))),
            config,
            identity,
            sink,
            place: watch::Sender::new(place),
            trouble: watch::Sender::new((0, false)),
            wanted: Notify::new(),
            wished: Notify::new(),
            stale: Notify::new(),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
            wishes: Mutex::default(),
            orders: Orders::default(),
            lists: tokio::sync::Mutex::default(),
            known: Mutex::default(),
            line: Mutex::new(line),
            ledger: Mutex::default(),
            events: broadcast::Sender::new(EVENTS),
        }
    }

    /// Stands elsewhere from now on. Who waits is let go when that is connected, and told when it
    /// is nowhere.
    pub(super) fn stand(self: &Arc<Self>, place: Place) {
        let (to, why) = (place.state, place.why.clone());
        if let Some(live) = &place.live {
            *lock(&self.known) = Some(Known {
                server: Arc::new(live.connection.server().clone()),
                revision: live.connection.revision(),
                endpoint: live.endpoint,
            });
        }
        let from = self.place.send_replace(place).state;
        if from != to {
            self.tell(ClientEvent::State { from, to, why });
        }
        match to {
            State::Connected => self.next_turn(),
            State::Failed | State::Disconnected => self.dismiss(),
            State::Connecting | State::Reconnecting => {}
        }
    }

    /// What the server said of itself, and the revision, now or when it was last there.
    pub(super) fn known(&self) -> Option<(Arc<ServerInfo>, Revision)> {
        lock(&self.known).as_ref().map(|known| (Arc::clone(&known.server), known.revision))
    }

    /// The endpoint that was last reached.
    pub(super) fn endpoint(&self) -> usize {
        lock(&self.known).as_ref().map_or(0, |known| known.endpoint)
    }

    /// Somebody had trouble with the connection of this epoch.
    pub(super) fn report(&self, epoch: u64, surely: bool) {
        self.trouble.send_if_modified(|(latest, sure)| {
            let news = epoch > *latest || (epoch == *latest && surely && !*sure);
            if news {
                (*latest, *sure) = (epoch, surely);
            }
            news
        });
    }

    pub(super) fn tell(&self, event: ClientEvent) {
        // Nobody need listen.
        let _heard = self.events.send(event).is_ok();
    }

    pub(super) fn events(&self) -> broadcast::Receiver<ClientEvent> {
        self.events.subscribe()
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// A call was made: it pays into the budget.
    pub(super) fn earn(&self) {
        if let Some(budget) = &self.budget {
            lock(budget).earn();
        }
    }

    /// Whether the budget allows one more call to be sent again.
    pub(super) fn spend(&self) -> bool {
        self.budget.as_ref().is_none_or(|budget| lock(budget).spend(Instant::now()))
    }

    pub(super) fn stats(&self) -> Stats {
        let waiting = lock(&self.line).len();
        let state = self.place.borrow().state;
        self.ledger().stats(state, waiting)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

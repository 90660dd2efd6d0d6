//! What the parts of one [`Client`](super::Client) share: where it stands, who waits, what it tells.

use super::{
    budget::Budget,
    config::{ClientConfig, QueueRule},
    event::{ClientEvent, State},
    lists::Lists,
    queue::{Queue, Ticket},
    stats::{Ledger, Stats},
    wishes::Wishes,
};
use crate::{
    ClientError, Connection, Ending, Identity, Retry, ServerInfo, Sink, Unfinished, fate::closed,
};
use mcp_protocol::Revision;
use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, broadcast, oneshot, watch};
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
    pub(super) lists: tokio::sync::Mutex<Lists>,
    known: Mutex<Option<(Arc<ServerInfo>, Revision)>>,
    line: Mutex<Line>,
    budget: Option<Mutex<Budget>>,
    ledger: Mutex<Ledger>,
    events: broadcast::Sender<ClientEvent>,
}

/// Who waits for the server.
struct Line {
    queue: Queue<oneshot::Sender<Turn>>,
    /// They are being let go, one after the other; who comes now stands behind them.
    moving: bool,
}

/// Leave to send; the next one's turn comes when this is dropped.
pub(super) struct Turn {
    shared: Arc<Shared>,
    armed: bool,
}

/// How one asks for one's turn.
pub(super) enum Leave {
    /// Go.
    Go(Live, Option<Turn>),
    /// Wait for this.
    Wait(oneshot::Receiver<Turn>),
}

impl Shared {
    pub(super) fn new(config: ClientConfig, identity: Identity, sink: Arc<dyn Sink>) -> Self {
        let place = Place { state: State::Connecting, live: None, why: None };
        let queue =
            Queue::new(config.queue.unwrap_or(QueueRule { messages: 0, ..QueueRule::default() }));
        Self {
            budget: config.budget.map(|rule| Mutex::new(Budget::new(rule))),
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
            lists: tokio::sync::Mutex::default(),
            known: Mutex::default(),
            line: Mutex::new(Line { queue, moving: false }),
            ledger: Mutex::default(),
            events: broadcast::Sender::new(EVENTS),
        }
    }

    /// Stands elsewhere from now on. Who waits is let go when that is connected, and told when it
    /// is nowhere.
    pub(super) fn stand(self: &Arc<Self>, place: Place) {
        let (to, why) = (place.state, place.why.clone());
        if let Some(live) = &place.live {
            let server = Arc::new(live.connection.server().clone());
            *lock(&self.known) = Some((server, live.connection.revision()));
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

    /// Lets the one that has waited longest go, if we are connected.
    fn next_turn(self: &Arc<Self>) {
        loop {
            let oldest = {
                let mut line = lock(&self.line);
                let oldest =
                    self.place.borrow().live.is_some().then(|| line.queue.oldest()).flatten();
                line.moving = oldest.is_some();
                oldest
            };
            let Some(oldest) = oldest else { return };
            let turn = Turn { shared: Arc::clone(self), armed: true };
            match oldest.send(turn) {
                Ok(()) => return,
                // It waits no more.
                Err(mut turn) => turn.armed = false,
            }
        }
    }

    /// Nobody needs to wait any more: those who do find out why.
    fn dismiss(&self) {
        loop {
            let Some(_woken) = lock(&self.line).queue.oldest() else { return };
        }
    }

    /// A place in the order of calls.
    pub(super) fn ticket(&self) -> Ticket {
        lock(&self.line).queue.ticket()
    }

    /// What whose turn it is may use: a connection of a later epoch.
    pub(super) fn go(&self, after: u64, turn: Turn) -> Option<(Live, Turn)> {
        let live = self.place.borrow().live.clone().filter(|live| live.epoch > after)?;
        Some((live, turn))
    }

    /// Asks for a connection of a later epoch; waits for one's turn where there is none.
    pub(super) fn ask(
        &self,
        ticket: Ticket,
        after: u64,
        bytes: usize,
    ) -> Result<Leave, ClientError> {
        let mut line = lock(&self.line);
        let place = self.place.borrow().clone();
        match place.live {
            Some(live) if live.epoch > after && !line.moving => return Ok(Leave::Go(live, None)),
            Some(_) | None => {}
        }
        self.refuse_waiting(&place)?;
        let (turn, waiting) = oneshot::channel();
        line.queue.enter(ticket, bytes, turn).map_err(ClientError::Unfinished)?;
        drop(line);
        if place.state != State::Connected {
            self.wanted.notify_one();
        }
        Ok(Leave::Wait(waiting))
    }

    /// Why waiting makes no sense, if it does not.
    fn refuse_waiting(&self, place: &Place) -> Result<(), ClientError> {
        let why = place.why.clone().map(Box::new);
        match place.state {
            State::Disconnected => Err(closed(false, Ending::ByUs)),
            State::Failed if is_hopeless(place.why.as_ref()) => {
                Err(ClientError::Unfinished(Unfinished::GivenUp { why }))
            }
            _ if self.config.queue.is_none() => {
                if place.state == State::Failed {
                    self.wanted.notify_one();
                }
                Err(ClientError::Unfinished(Unfinished::Away { waited: Duration::ZERO, why }))
            }
            State::Failed | State::Connecting | State::Connected | State::Reconnecting => Ok(()),
        }
    }

    /// Why somebody who waited was sent away.
    pub(super) fn sent_away(&self) -> ClientError {
        let place = self.place.borrow().clone();
        match place.state {
            State::Disconnected => closed(false, Ending::ByUs),
            State::Connecting | State::Connected | State::Reconnecting | State::Failed => {
                let why = place.why.map(Box::new);
                ClientError::Unfinished(Unfinished::GivenUp { why })
            }
        }
    }

    /// What the server said of itself, and the revision, now or when it was last there.
    pub(super) fn known(&self) -> Option<(Arc<ServerInfo>, Revision)> {
        lock(&self.known).clone()
    }

    /// Waits no more.
    pub(super) fn leave(&self, ticket: Ticket) {
        let _left = lock(&self.line).queue.leave(ticket);
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
        self.budget.as_ref().is_none_or(|budget| lock(budget).spend())
    }

    pub(super) fn stats(&self) -> Stats {
        let waiting = lock(&self.line).queue.len();
        let state = self.place.borrow().state;
        self.ledger().stats(state, waiting)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.armed {
            self.shared.next_turn();
        }
    }
}

/// Whether only the user can help.
pub(super) fn is_hopeless(why: Option<&ClientError>) -> bool {
    why.is_some_and(|why| why.retry() == Retry::Never)
}

/// A number drawn evenly from 0 to 1.
pub(super) fn chance() -> f64 {
    // The standard library's own source of randomness, good enough to keep clients apart.
    let drawn = RandomState::new().hash_one(0) >> 32;
    #[expect(clippy::cast_precision_loss, reason = "32 bits fit")]
    let drawn = drawn as f64;
    drawn / f64::from(u32::MAX)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

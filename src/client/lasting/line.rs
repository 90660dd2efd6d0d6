//! Who waits for the server, and how they are let go: one after the other, the oldest first.

use super::{
    config::QueueRule,
    event::State,
    queue::{self, Queue, Ticket},
    shared::{Live, Place, Shared, lock},
};
use crate::{ClientError, Ending, Retry, Unfinished, fate::closed};
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// Who waits for the server.
pub(super) struct Line {
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

impl Line {
    /// Nobody waits. Without a rule nobody may.
    pub(super) fn new(rule: Option<QueueRule>) -> Self {
        let none = QueueRule { messages: 0, ..QueueRule::default() };
        Self { queue: Queue::new(rule.unwrap_or(none)), moving: false }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }
}

impl Shared {
    /// Lets the one that has waited longest go, if we are connected.
    pub(super) fn next_turn(self: &Arc<Self>) {
        loop {
            let oldest = {
                let mut line = lock(&self.line);
                let epoch = self.place.borrow().live.as_ref().map(|live| live.epoch);
                let oldest = epoch.and_then(|epoch| line.queue.oldest(epoch));
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
    pub(super) fn dismiss(&self) {
        loop {
            let Some(_woken) = lock(&self.line).queue.oldest(u64::MAX) else { return };
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
    pub(super) fn ask(&self, asked: queue::Place) -> Result<Leave, ClientError> {
        let mut line = lock(&self.line);
        let place = self.place.borrow().clone();
        match place.live {
            Some(live) if live.epoch > asked.after && !line.moving => {
                return Ok(Leave::Go(live, None));
            }
            Some(_) | None => {}
        }
        self.refuse_waiting(&place)?;
        let (turn, waiting) = oneshot::channel();
        line.queue.enter(asked, turn).map_err(ClientError::Unfinished)?;
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

    /// Waits no more.
    pub(super) fn leave(&self, ticket: Ticket) {
        let _left = lock(&self.line).queue.leave(ticket);
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

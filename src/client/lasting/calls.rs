//! One call to its end: parked while the server is away, sent, and sent again where that cannot
//! make it run twice. It never outlives its deadline.

use super::{
    ear::{CallEar, Ear},
    line::{Leave, Turn},
    queue::{Place, Ticket},
    shared::{Live, Shared, lock},
    wishes::Wish,
};
use crate::{
    ClientError, Correction, Next, OutCall, Ran, Sink, Stop, Tried, Trouble, Unfinished, chance,
};
use mcp_protocol::{Era, Payload, RpcError};
use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::{Instant, sleep_until, timeout_at};

/// What a call may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Longest time from now to its end (default 30 s).
    pub deadline: Duration,
    /// Whether it may run twice, as it does no harm: a read, or declared idempotent.
    pub may_repeat: bool,
    /// Whether the deadline counts anew with each progress notification.
    pub progress_extends: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(30), may_repeat: false, progress_extends: false }
    }
}

/// A call on its way.
pub(super) struct OneCall {
    shared: Arc<Shared>,
    call: OutCall,
    terms: Terms,
    began: Instant,
    /// When the deadline last began to count.
    last: Arc<Mutex<Instant>>,
    ticket: Ticket,
    /// What it sets, if it sets something that outlives the session.
    wish: Option<Wish>,
    /// How often it was sent again to a server that may have had it.
    resent: u32,
    /// How often it lost its session.
    lost: u32,
    /// Whether it may have run when it was sent before.
    may_have_run: bool,
    /// Whether it was sent again after a refusal.
    mended: bool,
}

/// How one sending ended.
enum Sent {
    Answer(Payload),
    Failed(ClientError),
    /// There was no time left; whether it was on its way.
    TooLate(bool),
}

impl OneCall {
    pub(super) fn new(shared: &Arc<Shared>, mut call: OutCall, terms: Terms) -> Self {
        let now = Instant::now();
        let last = Arc::new(Mutex::new(now));
        if terms.progress_extends {
            let shared = Arc::downgrade(shared);
            let sink = call.sink.take();
            let sink = sink.or_else(|| shared.upgrade().map(|all| Arc::clone(&all.sink)));
            if let Some(sink) = sink {
                let sink: Arc<dyn Sink> = Arc::new(Ear { shared, sink });
                let ear = CallEar { last: Arc::clone(&last), sink, progress: call.progress };
                call.sink = Some(Arc::new(ear));
                call.progress = true;
            }
        }
        let (shared, ticket) = (Arc::clone(shared), shared.ticket());
        let wish = Wish::of(&call.method, &call.params);
        Self {
            shared,
            call,
            terms,
            began: now,
            last,
            ticket,
            wish,
            resent: 0,
            lost: 0,
            may_have_run: false,
            mended: false,
        }
    }

    /// Runs it to its end. What it ends in speaks of all its sendings, not of the last alone.
    pub(super) async fn run(mut self) -> Result<Payload, ClientError> {
        self.shared.earn();
        let order = self.wish.as_ref().map(|wish| self.shared.orders.of(wish.subject()));
        let order = order.transpose().map_err(ClientError::Unfinished)?;
        let _turn = match &order {
            Some(order) => Some(order.turn(self.until()).await.ok_or_else(|| self.away())?),
            None => None,
        };
        let ended = self.sent_until_answered().await;
        ended.map_err(|error| match error.ran() {
            Ran::No if self.may_have_run => {
                ClientError::Unfinished(Unfinished::Unknown(Box::new(error)))
            }
            Ran::No | Ran::Unknown => error,
        })
    }

    async fn sent_until_answered(&mut self) -> Result<Payload, ClientError> {
        let mut after = 0;
        loop {
            let (live, turn) = self.turn(after).await?;
            let error = match self.send(&live, turn).await {
                Sent::Answer(Err(refused)) if self.is_mended(&live, &refused) => continue,
                Sent::Answer(payload) => return Ok(self.answered(&live, payload)),
                Sent::TooLate(false) => return Err(self.away()),
                Sent::TooLate(true) => {
                    let after = self.terms.deadline;
                    return Err(ClientError::Unfinished(Unfinished::NoAnswer { after }));
                }
                Sent::Failed(error) => error,
            };
            after = self.judge(&live, error).await?;
        }
    }

    /// Whether the server refused it unrun for what another sending mends. There is one.
    fn is_mended(&mut self, live: &Live, refused: &RpcError) -> bool {
        let is_modern = live.connection.era() == Era::Modern;
        let again = is_modern && Correction::of(refused) == Some(Correction::SendAgain);
        if !again || std::mem::replace(&mut self.mended, true) {
            return false;
        }
        self.shared.ledger().resent += 1;
        true
    }

    /// What becomes of it after a failed sending: the epoch after which it is sent again.
    async fn judge(&mut self, live: &Live, error: ClientError) -> Result<u64, ClientError> {
        self.may_have_run |= error.ran() == Ran::Unknown;
        self.lost += u32::from(error == ClientError::SessionLost);
        let trouble = error.trouble();
        if let Some(trouble) = trouble {
            self.shared.report(live.epoch, trouble == Trouble::Lost);
        }
        let tried = Tried {
            error: &error,
            may_repeat: self.terms.may_repeat,
            resent: self.resent,
            lost: self.lost,
            left: self.until().saturating_duration_since(Instant::now()),
            chance: chance(),
        };
        match tried.next(|| self.shared.spend()) {
            Next::Again { wait, counts } => {
                self.resent += u32::from(counts);
                self.shared.ledger().resent += 1;
                sleep_until(later(Instant::now(), wait).min(self.until())).await;
                Ok(if trouble.is_some() { live.epoch } else { 0 })
            }
            Next::Stop(why) => {
                self.shared.ledger().refused_unsafe += u64::from(why == Stop::Unsafe);
                Err(last(error))
            }
        }
    }

    /// Waits until it may be sent.
    async fn turn(&self, after: u64) -> Result<(Live, Option<Turn>), ClientError> {
        loop {
            let waiting = match self.shared.ask(self.place(after))? {
                Leave::Go(live, turn) => return Ok((live, turn)),
                Leave::Wait(waiting) => waiting,
            };
            let _place = Waiting { shared: &self.shared, ticket: self.ticket };
            let turn = timeout_at(self.parked_until(), waiting).await.map_err(|_| self.away())?;
            let turn = turn.map_err(|_| self.shared.sent_away())?;
            if let Some((live, turn)) = self.shared.go(after, turn) {
                return Ok((live, Some(turn)));
            }
        }
    }

    fn place(&self, after: u64) -> Place {
        let (ticket, bytes) = (self.ticket, self.call.params.get().len());
        Place { ticket, after, bytes, is_wish: self.wish.is_some() }
    }

    fn away(&self) -> ClientError {
        let why = self.shared.place.borrow().why.clone().map(Box::new);
        let waited = self.began.elapsed();
        ClientError::Unfinished(Unfinished::Away { waited, why })
    }

    /// Sends it once.
    async fn send(&self, live: &Live, mut turn: Option<Turn>) -> Sent {
        self.shared.ledger().sent(self.call.params.get().len());
        let departure = self.call.departure.of_try();
        let call = OutCall { departure: departure.clone(), ..self.call.clone() };
        let ended = {
            let mut exchange = pin!(live.connection.call(call));
            // The next one's turn comes once this one is on its way.
            let exchange = poll_fn(|cx| {
                let polled = exchange.as_mut().poll(cx);
                turn.take();
                polled
            });
            tokio::select! {
                biased;
                ended = exchange => Some(ended),
                () = self.too_late() => None,
            }
        };
        match ended {
            Some(ended) => ended.map_or_else(Sent::Failed, Sent::Answer),
            None => Sent::TooLate(departure.has_left()),
        }
    }

    fn answered(&self, live: &Live, payload: Payload) -> Payload {
        let bytes = payload.as_ref().map_or(0, |result| result.get().len());
        let mut ledger = self.shared.ledger();
        ledger.received(bytes);
        if self.shared.trouble.borrow().0 >= live.epoch {
            ledger.not_needed += 1;
        }
        drop(ledger);
        if let (true, Some(wish)) = (payload.is_ok(), &self.wish) {
            lock(&self.shared.wishes).granted(wish);
        }
        payload
    }

    /// Resolves at the deadline, wherever progress has put it.
    async fn too_late(&self) {
        while Instant::now() < self.until() {
            sleep_until(self.until()).await;
        }
    }

    fn until(&self) -> Instant {
        later(*lock(&self.last), self.terms.deadline)
    }

    /// How long it may wait for the server.
    fn parked_until(&self) -> Instant {
        let longest = self.shared.config.queue.map(|rule| rule.longest).unwrap_or_default();
        self.until().min(later(Instant::now(), longest))
    }
}

/// The error of a call that is not sent again.
fn last(error: ClientError) -> ClientError {
    match error.ran() {
        Ran::No => error,
        Ran::Unknown => ClientError::Unfinished(Unfinished::Unknown(Box::new(error))),
    }
}

/// Gives a place in the queue back.
struct Waiting<'a> {
    shared: &'a Shared,
    ticket: Ticket,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shared.leave(self.ticket);
    }
}

/// Later by that much; a time that no clock can show is a century.
pub(super) fn later(from: Instant, wait: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
    from.checked_add(wait.min(CENTURY)).unwrap_or(from)
}

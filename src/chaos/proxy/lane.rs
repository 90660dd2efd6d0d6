//! One direction of a connection: reads, asks the faults, and sends when each message's time has
//! come. What waits here is bounded in bytes; beyond that nothing more is read.

use super::{
    connection::until,
    queue::{Departure, Queue},
};
use crate::{
    Direction,
    book::{Active, Book, InForce},
    kind::{Deed, Share, Site},
    passing::{End, Fate, Memory, Passing, Scene},
    wire::{Asked, Exchange, Framer, Unit, View, said},
};
use bytes::{Bytes, BytesMut};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
    sync::{mpsc, watch},
    time::Instant,
};

/// Most bytes read at once.
const READ: usize = 16 << 10;

/// Why a direction stopped other than properly.
#[derive(Debug)]
pub(super) struct Stopped(pub(super) End);

impl From<io::Error> for Stopped {
    /// A side that went away is told to the other as it was told to us.
    fn from(_: io::Error) -> Self {
        Self(End::Reset)
    }
}

/// What both directions of a connection share.
pub(super) struct Shared {
    pub(super) connection: u64,
    pub(super) book: Arc<Book>,
    pub(super) exchange: Mutex<Exchange>,
    /// Answers of our own, to the client.
    pub(super) answers: mpsc::Sender<Bytes>,
}

/// One direction of a connection.
pub(super) struct Lane<'a> {
    direction: Direction,
    shared: &'a Shared,
    framer: Framer,
    answers: Option<mpsc::Receiver<Bytes>>,
    in_force: watch::Receiver<InForce>,
    faults: InForce,
    paused: bool,
    memories: BTreeMap<u64, Memory>,
    messages: u64,
    queue: Queue,
    /// A message that waits for one to go behind, and for how long.
    held: Option<(Instant, Bytes)>,
    /// What comes answers a request that a fault sent.
    in_copy: bool,
}

impl<'a> Lane<'a> {
    /// The direction of this framer. Down comes with the answers that are ours.
    pub(super) fn new(
        framer: Framer,
        shared: &'a Shared,
        answers: Option<mpsc::Receiver<Bytes>>,
    ) -> Self {
        let direction = match framer {
            Framer::Up(_) => Direction::Up,
            Framer::Down(_) => Direction::Down,
        };
        let mut lane = Self {
            direction,
            shared,
            framer,
            answers,
            in_force: shared.book.follow(),
            faults: Arc::new([]),
            paused: false,
            memories: BTreeMap::new(),
            messages: 0,
            queue: Queue::default(),
            held: None,
            in_copy: false,
        };
        lane.look();
        lane
    }

    /// Carries bytes until their source ends and all are sent.
    pub(super) async fn run(
        mut self,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
    ) -> Result<(), Stopped> {
        let (mut buffer, mut ended) = (BytesMut::new(), false);
        loop {
            let due = self.due();
            let reads = !ended && !self.paused && self.queue.has_room();
            buffer.reserve(READ);
            tokio::select! {
                biased;
                changed = self.in_force.changed() => {
                    // The proxy has ended.
                    if changed.is_err() { return Err(Stopped(End::Reset)); }
                    self.look();
                }
                () = until(due), if due.is_some() => {
                    self.let_go();
                    if self.send(&mut to).await? { return Ok(()); }
                }
                Some(answer) = answer(&mut self.answers) => self.queue.bytes(Instant::now(), answer),
                read = from.read_buf(&mut buffer), if reads => {
                    ended = read? == 0;
                    self.read(&buffer.split(), ended);
                    if self.send(&mut to).await? { return Ok(()); }
                }
            }
        }
    }

    /// When there is something to do here next.
    fn due(&self) -> Option<Instant> {
        let held = self.held.as_ref().map(|(until, _)| *until);
        let next = [self.queue.next(), held].into_iter().flatten().min();
        next.filter(|_| !self.paused)
    }

    /// Takes over the faults that are in force now.
    fn look(&mut self) {
        self.faults = Arc::clone(&self.in_force.borrow_and_update());
        let faults = &self.faults;
        self.memories.retain(|id, _| faults.iter().any(|active| active.id == *id));
        let Shared { book, connection, .. } = self.shared;
        self.paused = faults.iter().any(|active| {
            active.fault.kind.effect().site() == Site::Connection(Deed::Pause)
                && book.hits_connection(active, *connection)
        });
    }

    fn read(&mut self, bytes: &[u8], ended: bool) {
        let mut units = {
            let mut exchange = exchange(self.shared);
            self.framer.push(bytes, &mut exchange)
        };
        if ended {
            units.extend(self.framer.rest());
        }
        units.into_iter().for_each(|unit| self.take(unit));
        if ended {
            self.let_go_of_held();
            let linger = self.linger();
            self.queue.push(Instant::now() + linger, Departure::Shut);
        }
    }

    /// Lets one message through the faults, to where it waits for its time.
    fn take(&mut self, unit: Unit) {
        if let View::Response(answer) = &unit.view {
            self.in_copy = answer.asked.copy;
            if let Some(session) = &answer.session {
                self.shared.book.sessions().opened(session);
            }
        }
        if self.in_copy || unit.bytes.is_empty() {
            return;
        }
        if matches!(unit.view, View::Upkeep) {
            return self.queue.bytes(Instant::now() + self.lateness(), unit.bytes);
        }
        self.messages += 1;
        let methods = self.methods(&unit.view);
        let mut passing = Passing::new(unit, Instant::now(), methods);
        for active in &*Arc::clone(&self.faults) {
            self.strike(active, &mut passing);
            if passing.fate != Fate::Pass {
                break;
            }
        }
        self.queue_up(passing);
    }

    /// How late upkeep is. It has no ordinal of its own: when pings come decides nothing else.
    fn lateness(&self) -> Duration {
        let Shared { book, connection, .. } = self.shared;
        let late = |active: &Active| {
            let verdict = book.verdict(active, *connection, self.direction, self.messages);
            let hit =
                active.fault.direction.covers(self.direction) && verdict.hits(active.fault.share);
            hit.then(|| active.fault.kind.effect().delays(verdict))
        };
        self.faults.iter().filter_map(late).sum()
    }

    /// The methods of the requests that a WebSocket message answers, by id.
    fn methods(&self, view: &View) -> Vec<(String, String)> {
        let (View::Message(Some(text), _), Direction::Down) = (view, self.direction) else {
            return Vec::new();
        };
        let mut exchange = exchange(self.shared);
        let answered = said(text).into_iter().filter(|said| said.answers);
        let method = |id: String| exchange.methods.remove(&id).map(|method| (id, method));
        answered.filter_map(|said| said.id).filter_map(method).collect()
    }

    fn strike(&mut self, active: &Active, passing: &mut Passing) {
        let Shared { book, connection, .. } = self.shared;
        let effect = active.fault.kind.effect();
        if effect.site() != Site::Message || !active.fault.direction.covers(self.direction) {
            return;
        }
        let verdict = book.verdict(active, *connection, self.direction, self.messages);
        let hit = match effect.share() {
            Share::Messages => verdict.hits(active.fault.share),
            Share::Connections => book.hits_connection(active, *connection),
            Share::Own => true,
        };
        if !hit {
            return;
        }
        let mut scene = Scene {
            verdict,
            memory: self.memories.entry(active.id).or_default(),
            sessions: book.sessions(),
            seed: book.verdict(active, 0, Direction::Both, active.occurrence).bits(0),
            share: active.fault.share,
            since: active.since,
        };
        let struck = effect.strike(&mut scene, passing);
        let out_of_place = match passing.fate {
            Fate::Answered(_) => !self.is_only_one(passing.request()),
            // It is what another goes behind.
            Fate::Behind(_) => self.held.is_some(),
            Fate::Pass | Fate::Lost => false,
        };
        if out_of_place {
            passing.fate = Fate::Pass;
        } else if struck {
            book.injected(active, self.direction, Some(*connection), Some(self.messages));
        }
    }

    /// Whether a request is the only one that has no answer: else an answer of ours would be
    /// taken for that to another.
    fn is_only_one(&self, asked: Option<&Arc<Asked>>) -> bool {
        let exchange = exchange(self.shared);
        let same = |other: &Arc<Asked>| asked.is_some_and(|asked| Arc::ptr_eq(asked, other));
        exchange.asked.len() == 1 && exchange.asked.iter().all(same)
    }

    fn queue_up(&mut self, passing: Passing) {
        let again = passing.twice.then(|| passing.bytes.clone());
        let (leaves, end) = (passing.leaves, passing.end);
        match &passing.fate {
            Fate::Pass => {
                if let Some(asked) = passing.request().filter(|_| passing.twice) {
                    exchange(self.shared).asks(asked.copied());
                }
                self.queue.spread(passing);
                again.into_iter().for_each(|bytes| self.queue.bytes(leaves, bytes));
                self.let_go_of_held();
            }
            Fate::Lost => {}
            Fate::Answered(answer) => {
                exchange(self.shared).asked.pop_back();
                // Nobody sends so many requests before the first is answered.
                let _sent = self.shared.answers.try_send(answer.clone());
            }
            Fate::Behind(wait) => {
                self.held = Some((leaves + *wait, passing.bytes));
            }
        }
        if let Some(end) = end {
            self.queue.push(leaves, Departure::End(end));
        }
    }

    /// Lets a message go that waited long enough for another.
    fn let_go(&mut self) {
        let now = Instant::now();
        if self.held.as_ref().is_some_and(|(until, _)| *until <= now) {
            self.let_go_of_held();
        }
    }

    fn let_go_of_held(&mut self) {
        if let Some((_, bytes)) = self.held.take() {
            self.queue.bytes(Instant::now(), bytes);
        }
    }

    /// How long the end of this direction is held back; told when it is.
    fn linger(&self) -> Duration {
        let Shared { book, connection, .. } = self.shared;
        let mut longest = Duration::ZERO;
        for active in self.faults.iter() {
            let covers = active.fault.direction.covers(self.direction);
            if let Some(linger) = active.fault.kind.effect().linger().filter(|_| covers)
                && book.hits_connection(active, *connection)
            {
                book.injected(active, self.direction, Some(*connection), None);
                longest = longest.max(linger);
            }
        }
        longest
    }

    /// Sends what is due; true when this direction has ended.
    async fn send(&mut self, to: &mut WriteHalf<'_>) -> Result<bool, Stopped> {
        if self.paused {
            return Ok(false);
        }
        while let Some(departure) = self.queue.pop(Instant::now()) {
            match departure {
                Departure::Bytes(bytes) => to.write_all(&bytes).await?,
                Departure::End(end) => return Err(Stopped(end)),
                Departure::Shut => {
                    to.shutdown().await?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

fn exchange(shared: &Shared) -> MutexGuard<'_, Exchange> {
    shared.exchange.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The next answer of our own; `None` at once where there are none.
async fn answer(answers: &mut Option<mpsc::Receiver<Bytes>>) -> Option<Bytes> {
    match answers {
        Some(answers) => answers.recv().await,
        None => None,
    }
}

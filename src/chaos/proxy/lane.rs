//! One direction of a connection: reads, asks the faults, and sends when each message's time has
//! come. What waits here is bounded in bytes; beyond that nothing more is read.

use super::connection::until;
use crate::{
    Direction,
    book::{Active, Book, InForce},
    kind::{Deed, Memory, Passing, Site},
};
use bytes::{Bytes, BytesMut};
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::Arc,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
    sync::watch,
    time::Instant,
};

/// Most bytes that wait in one lane.
const MOST_WAITING: usize = 4 << 20;

/// Most bytes read at once.
const READ: usize = 64 << 10;

/// A side went away otherwise than properly.
#[derive(Debug)]
pub(super) struct Stopped;

impl From<io::Error> for Stopped {
    fn from(_: io::Error) -> Self {
        Self
    }
}

/// One direction of a connection.
pub(super) struct Lane {
    direction: Direction,
    connection: u64,
    book: Arc<Book>,
    in_force: watch::Receiver<InForce>,
    faults: InForce,
    memories: BTreeMap<u64, Memory>,
    messages: u64,
    waiting: VecDeque<(Instant, Bytes)>,
    waiting_bytes: usize,
    last: Option<Instant>,
}

impl Lane {
    pub(super) fn new(direction: Direction, connection: u64, book: Arc<Book>) -> Self {
        let mut in_force = book.follow();
        let faults = Arc::clone(&in_force.borrow_and_update());
        Self {
            direction,
            connection,
            book,
            in_force,
            faults,
            memories: BTreeMap::new(),
            messages: 0,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            last: None,
        }
    }

    /// Carries bytes until their source ends and all are sent.
    pub(super) async fn run(
        mut self,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
    ) -> Result<(), Stopped> {
        let (mut buffer, mut ended) = (BytesMut::new(), false);
        loop {
            if ended && self.waiting.is_empty() {
                to.shutdown().await?;
                return Ok(());
            }
            let paused = self.paused();
            let due = self.waiting.front().map(|(leaves, _)| *leaves).filter(|_| !paused);
            let reads = !ended && !paused && self.waiting_bytes < MOST_WAITING;
            buffer.reserve(READ);
            tokio::select! {
                biased;
                changed = self.in_force.changed() => {
                    if changed.is_err() { return Err(Stopped); }
                    self.look();
                }
                () = until(due), if due.is_some() => self.send(&mut to).await?,
                read = from.read_buf(&mut buffer), if reads => {
                    ended = read? == 0;
                    self.take(buffer.split().freeze());
                    self.send(&mut to).await?;
                }
            }
        }
    }

    /// Takes over the faults that are in force now.
    fn look(&mut self) {
        self.faults = Arc::clone(&self.in_force.borrow_and_update());
        let faults = &self.faults;
        self.memories.retain(|id, _| faults.iter().any(|active| active.id == *id));
    }

    fn paused(&self) -> bool {
        let pauses =
            |active: &&Active| active.fault.kind.effect().site() == Site::Connection(Deed::Pause);
        let mut pauses = self.faults.iter().filter(pauses);
        pauses.any(|active| self.book.hits_connection(active, self.connection))
    }

    /// Lets one message through the faults, to where it waits for its time.
    fn take(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.messages += 1;
        let came = Instant::now();
        let mut passing = Passing {
            bytes,
            #[cfg(test)]
            came,
            leaves: came,
        };
        for active in &*Arc::clone(&self.faults) {
            self.strike(active, &mut passing);
        }
        // Bytes of a connection keep their order.
        let leaves = self.last.map_or(passing.leaves, |last| last.max(passing.leaves));
        self.last = Some(leaves);
        self.waiting_bytes += passing.bytes.len();
        self.waiting.push_back((leaves, passing.bytes));
    }

    fn strike(&mut self, active: &Active, passing: &mut Passing) {
        let fault = &active.fault;
        let effect = fault.kind.effect();
        if effect.site() != Site::Message || !fault.direction.covers(self.direction) {
            return;
        }
        let verdict = self.book.verdict(active, self.connection, self.direction, self.messages);
        let memory = self.memories.entry(active.id).or_default();
        if verdict.hits(fault.share) && effect.strike(verdict, memory, passing) {
            let (connection, message) = (Some(self.connection), Some(self.messages));
            self.book.injected(active, self.direction, connection, message);
        }
    }

    /// Sends what is due.
    async fn send(&mut self, to: &mut WriteHalf<'_>) -> Result<(), Stopped> {
        let now = Instant::now();
        while let Some((_, bytes)) = self.waiting.pop_front_if(|(leaves, _)| *leaves <= now) {
            self.waiting_bytes -= bytes.len();
            to.write_all(&bytes).await?;
        }
        Ok(())
    }
}

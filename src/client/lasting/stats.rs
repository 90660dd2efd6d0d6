//! The figures of a [`Client`](super::Client).

use super::event::State;
use std::time::Duration;
use tokio::time::Instant;

/// The figures of a [`Client`](super::Client), since its start.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// Where it stands.
    pub state: State,
    /// Tries to reach the server.
    pub attempts: u64,
    /// Those that did.
    pub successes: u64,
    /// Those that did not.
    pub failures: u64,
    /// How long those that did took, on average.
    pub mean_connect: Option<Duration>,
    /// For how long it was connected, in all.
    pub uptime: Duration,
    /// How long the answer to the last ping took.
    pub latency: Option<Duration>,
    /// Pings sent.
    pub pings: u64,
    /// Pings that were not answered in time.
    pub lost_pings: u64,
    /// Calls and notifications sent; bytes of their params.
    pub sent: Traffic,
    /// Answers, notifications and requests received; bytes of their content.
    pub received: Traffic,
    /// Calls sent again.
    pub resent: u64,
    /// Calls not sent again because they may have run.
    pub refused_unsafe: u64,
    /// Calls whose connection was in trouble, and that were answered all the same.
    pub not_needed: u64,
    /// Messages that wait for the server now.
    pub waiting: usize,
    /// Notifications that were not sent.
    pub dropped: u64,
}

/// Messages and bytes one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Messages.
    pub messages: u64,
    /// Bytes, without what the transport adds.
    pub bytes: u64,
}

impl Traffic {
    const fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }
}

/// What the figures are made of.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) attempts: u64,
    pub(super) failures: u64,
    successes: u64,
    connecting: Duration,
    connected: Duration,
    since: Option<Instant>,
    latency: Option<Duration>,
    pings: u64,
    lost_pings: u64,
    sent: Traffic,
    received: Traffic,
    pub(super) resent: u64,
    pub(super) refused_unsafe: u64,
    pub(super) not_needed: u64,
    pub(super) dropped: u64,
}

impl Ledger {
    /// A try that began then reached the server.
    pub(super) fn reached(&mut self, began: Instant) {
        self.successes += 1;
        self.connecting += began.elapsed();
        self.since = Some(Instant::now());
    }

    /// The connection was lost.
    pub(super) fn lost(&mut self) {
        if let Some(since) = self.since.take() {
            self.connected += since.elapsed();
        }
    }

    /// A ping was answered, or not.
    pub(super) const fn pinged(&mut self, answer: Option<Duration>) {
        self.pings += 1;
        match answer {
            Some(latency) => self.latency = Some(latency),
            None => self.lost_pings += 1,
        }
    }

    /// A message went out.
    pub(super) const fn sent(&mut self, bytes: usize) {
        self.sent.add(bytes);
    }

    /// A message came in.
    pub(super) const fn received(&mut self, bytes: usize) {
        self.received.add(bytes);
    }

    /// The figures.
    pub(super) fn stats(&self, state: State, waiting: usize) -> Stats {
        let successes = u32::try_from(self.successes).unwrap_or(u32::MAX);
        let running = self.since.map(|since| since.elapsed()).unwrap_or_default();
        Stats {
            state,
            attempts: self.attempts,
            successes: self.successes,
            failures: self.failures,
            mean_connect: (successes > 0).then(|| self.connecting / successes),
            uptime: self.connected + running,
            latency: self.latency,
            pings: self.pings,
            lost_pings: self.lost_pings,
            sent: self.sent,
            received: self.received,
            resent: self.resent,
            refused_unsafe: self.refused_unsafe,
            not_needed: self.not_needed,
            waiting,
            dropped: self.dropped,
        }
    }
}

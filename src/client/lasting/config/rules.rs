//! What a [`Client`](crate::Client) is told: where its server is, and how much trouble it may make
//! to stay with it.

use crate::{Backoff, BudgetRule, Options, Pulse, Target};
use std::time::Duration;

/// How often the figures are told.
pub(super) const MONITORING: Duration = Duration::from_secs(60);

/// How a [`Client`](crate::Client) behaves.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Where the server is.
    pub target: Target,
    /// Where else it is: endpoints that serve the same. One is drawn by health, and another when it
    /// fails. Sessions do not move between them.
    pub others: Vec<Target>,
    /// Which era to speak.
    pub eras: Eras,
    /// Bounds on each connection.
    pub options: Options,
    /// How long to wait between tries.
    pub backoff: Backoff,
    /// How many tries to connect there may be in a time; `None` is no bound.
    pub connection_rate: Option<ConnectionRate>,
    /// When to leave a server alone that fails again and again; `None` is never.
    pub breaker: Option<BreakerRule>,
    /// How many calls may be sent again; `None` is no bound.
    pub budget: Option<BudgetRule>,
    /// How to find a connection that only looks open; `None` does not look.
    pub health: Option<Pulse>,
    /// How calls wait while the server is away; with `None` they end at once.
    pub queue: Option<QueueRule>,
    /// How often an event tells the statistics (default 60 s); `None` is never.
    pub monitoring: Option<Duration>,
    /// Whether to know the server's lists, and to say what changed in them while it was away
    /// (default yes).
    pub lists: bool,
}

/// Which era to speak where the server speaks both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Eras {
    /// The modern one, else the legacy one.
    #[default]
    PreferModern,
    /// The legacy one, whose streams can be resumed, else the modern one.
    PreferLegacy,
    /// Only this one.
    Only(mcp_protocol::Era),
}

/// How many tries to connect there may be in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionRate {
    /// Most tries (default 10) …
    pub tries: u32,
    /// … in any span of this length (default 60 s).
    pub within: Duration,
}

/// When to leave a server alone that fails again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerRule {
    /// After so many failed tries one after the other (default 5) …
    pub failures: u32,
    /// … it is left alone for this long (default 30 s). Then there is one try.
    pub pause: Duration,
}

/// How messages wait while the server is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueRule {
    /// Most messages (default 1,000).
    pub messages: usize,
    /// Most bytes of one message's params (default 1 MiB).
    pub message_bytes: usize,
    /// Most bytes of all (default 64 MiB).
    pub bytes: usize,
    /// Longest wait, if the deadline is later (default 5 min).
    pub longest: Duration,
}

impl Default for ConnectionRate {
    fn default() -> Self {
        Self { tries: 10, within: Duration::from_secs(60) }
    }
}

impl Default for BreakerRule {
    fn default() -> Self {
        Self { failures: 5, pause: Duration::from_secs(30) }
    }
}

impl Default for QueueRule {
    fn default() -> Self {
        Self {
            messages: 1_000,
            message_bytes: 1 << 20,
            bytes: 64 << 20,
            longest: Duration::from_secs(300),
        }
    }
}

impl ClientConfig {
    /// The defaults, for a server that others run: it gives up after ten tries, and hammers
    /// nobody.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            target,
            others: Vec::new(),
            eras: Eras::default(),
            options: Options::default(),
            backoff: Backoff::default(),
            connection_rate: Some(ConnectionRate::default()),
            breaker: Some(BreakerRule::default()),
            budget: Some(BudgetRule::default()),
            health: Some(Pulse::default()),
            queue: Some(QueueRule::default()),
            monitoring: Some(MONITORING),
            lists: true,
        }
    }

    /// All endpoints.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Target> {
        std::iter::once(&self.target).chain(&self.others)
    }

    /// One of the endpoints.
    pub(crate) fn endpoint(&self, at: usize) -> &Target {
        self.targets().nth(at).unwrap_or(&self.target)
    }

    /// For a server of one's own, that is never given up: tried every 500 ms at first, at once
    /// when a call wants it, without a bound on tries, in the era that can resume.
    #[must_use]
    pub fn patient(target: Target) -> Self {
        Self {
            eras: Eras::PreferLegacy,
            backoff: Backoff::patient(),
            connection_rate: None,
            breaker: None,
            ..Self::new(target)
        }
    }
}

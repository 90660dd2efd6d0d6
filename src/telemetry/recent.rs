//! What `/api/status` says beyond the metrics: latencies and handshakes of late, and how many
//! connections there are and were.

use crate::Direction;
use serde::Serialize;
use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

const LATENCIES: usize = 1_024;
const HANDSHAKES: usize = 1_000;

/// The durations of the last calls, in a ring without a lock.
pub(crate) struct Latencies {
    next: AtomicUsize,
    /// Microseconds plus one; zero is an empty place.
    ring: Box<[AtomicU64]>,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            next: AtomicUsize::new(0),
            ring: (0..LATENCIES).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Latencies {
    pub(crate) fn push(&self, elapsed: Duration) {
        let place = self.next.fetch_add(1, Ordering::Relaxed) % LATENCIES;
        self.ring[place].store(micros(elapsed).saturating_add(1), Ordering::Relaxed);
    }

    pub(crate) fn latency(&self) -> Latency {
        let mut values: Vec<u64> = self
            .ring
            .iter()
            .filter_map(|place| place.load(Ordering::Relaxed).checked_sub(1))
            .collect();
        values.sort_unstable();
        let count = values.len().max(1) as u64;
        let rank = (values.len() * 95).div_ceil(100).saturating_sub(1);
        Latency {
            mean_ms: millis(values.iter().sum()) / millis(count * 1_000),
            p95_ms: millis(values.get(rank).copied().unwrap_or(0)),
        }
    }
}

/// The last handshakes.
#[derive(Default)]
pub(crate) struct Handshakes(Mutex<VecDeque<(bool, u64)>>);

impl Handshakes {
    pub(crate) fn push(&self, ok: bool, elapsed: Duration) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.len() == HANDSHAKES {
            ring.pop_front();
        }
        ring.push_back((ok, micros(elapsed)));
    }

    pub(crate) fn metrics(&self) -> HandshakeMetrics {
        let ring: Vec<(bool, u64)> =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        let succeeded = ring.iter().filter(|(ok, _)| *ok).count() as u64;
        let mut times: Vec<u64> = ring.iter().map(|(_, time)| *time).collect();
        times.sort_unstable();
        let upper = times.get(times.len() / 2).copied().unwrap_or(0);
        let lower = times.get(times.len().saturating_sub(1) / 2).copied().unwrap_or(0);
        HandshakeMetrics {
            total: ring.len() as u64,
            succeeded,
            failed: ring.len() as u64 - succeeded,
            median_ms: (millis(lower) + millis(upper)) / 2.0,
            max_ms: millis(times.last().copied().unwrap_or(0)),
        }
    }
}

/// Connections and messages, counted for the snapshot.
#[derive(Default)]
pub(crate) struct Population {
    active: AtomicI64,
    peak: AtomicI64,
    total: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
}

impl Population {
    pub(crate) fn arrived(&self) {
        self.total.fetch_add(1, Ordering::Relaxed);
        let active = self.active.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(active, Ordering::Relaxed);
    }

    pub(crate) fn left(&self) {
        self.active.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn message(&self, direction: Direction) {
        let counter = match direction {
            Direction::In => &self.received,
            Direction::Out => &self.sent,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connections(&self) -> Connections {
        let count = |value: &AtomicI64| u64::try_from(value.load(Ordering::Relaxed)).unwrap_or(0);
        Connections {
            active: count(&self.active),
            total: self.total.load(Ordering::Relaxed),
            peak: count(&self.peak),
        }
    }

    pub(crate) fn messages(&self, errors: u64) -> Messages {
        let processed = self.received.load(Ordering::Relaxed);
        Messages { processed, errors, sent: self.sent.load(Ordering::Relaxed) }
    }
}

/// The state of things for `/api/status`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Clients' connections.
    pub connections: Connections,
    /// MCP messages.
    pub messages: Messages,
    /// How long calls took.
    pub latency: Latency,
    /// Resident memory, in bytes; zero where the system does not tell.
    pub memory_bytes: u64,
}

/// How many connections there are and were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Connections {
    /// Open now.
    pub active: u64,
    /// Accepted since start.
    pub total: u64,
    /// Most at once since start.
    pub peak: u64,
}

/// How many messages there were since start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Messages {
    /// Read from clients.
    pub processed: u64,
    /// Calls that ended otherwise than well.
    pub errors: u64,
    /// Written to clients.
    pub sent: u64,
}

/// How long the last 1,024 calls took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// The mean.
    pub mean_ms: f64,
    /// 95 of 100 took no longer.
    pub p95_ms: f64,
}

/// The last 1,000 handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HandshakeMetrics {
    /// How many are told of here, at most 1,000.
    pub total: u64,
    /// How many of them succeeded.
    pub succeeded: u64,
    /// How many failed.
    pub failed: u64,
    /// Median duration in milliseconds.
    pub median_ms: f64,
    /// Longest duration in milliseconds.
    pub max_ms: f64,
}

/// Resident memory of this process, in bytes.
pub(crate) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes: Option<u64> =
        line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kilobytes.unwrap_or(0) * 1_024
}

fn micros(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX - 1)
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds for people to read")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handshakes_are_those_of_the_last_thousand() {
        let ring = Handshakes::default();
        ring.push(false, Duration::from_secs(9));
        for millis in 1..=1_000 {
            ring.push(millis > 10, Duration::from_millis(millis));
        }
        let expected = HandshakeMetrics {
            total: 1_000,
            succeeded: 990,
            failed: 10,
            median_ms: 500.5,
            max_ms: 1_000.0,
        };
        assert_eq!(ring.metrics(), expected);
        assert_eq!(Handshakes::default().metrics().median_ms, 0.0);
    }

    #[test]
    fn latency_is_mean_and_95th_percentile() {
        let ring = Latencies::default();
        assert_eq!(ring.latency(), Latency { mean_ms: 0.0, p95_ms: 0.0 });
        (1..=100).for_each(|millis| ring.push(Duration::from_millis(millis)));
        assert_eq!(ring.latency(), Latency { mean_ms: 50.5, p95_ms: 95.0 });
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_is_told() {
        assert!(resident_bytes() > 1_000_000);
    }
}

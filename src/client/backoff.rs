//! How long to wait before the next try. No clock and no chance of its own: both are passed in.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};
use tokio::time::Instant;

/// The rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The first wait.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// For how long after the first failure every wait is the first one; then each is twice the
    /// one before.
    pub steady: Duration,
    /// Whether a wait is drawn evenly from zero to its length ("full jitter"), so that many
    /// clients of one server do not all come back at once.
    pub jitter: bool,
    /// Most tries that fail one after the other; `None` is no bound.
    pub attempts: Option<u32>,
}

impl Default for Backoff {
    /// 1 s, doubling up to 30 s, with full jitter, 10 attempts.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(30),
            steady: Duration::ZERO,
            jitter: true,
            attempts: Some(10),
        }
    }
}

impl Backoff {
    /// For who must not give up: every 500 ms for ten minutes, then doubling up to 30 s, for ever.
    #[must_use]
    pub const fn patient() -> Self {
        Self {
            first: Duration::from_millis(500),
            longest: Duration::from_secs(30),
            steady: Duration::from_secs(600),
            jitter: false,
            attempts: None,
        }
    }
}

/// Tries that failed one after the other.
#[derive(Debug, Clone)]
pub struct Tries {
    backoff: Backoff,
    failed: u32,
    /// Failures after the steady time.
    doubled: u32,
    since: Option<Instant>,
}

impl Tries {
    /// None yet.
    #[must_use]
    pub const fn new(backoff: Backoff) -> Self {
        Self { backoff, failed: 0, doubled: 0, since: None }
    }

    /// How many have failed since the last success.
    #[must_use]
    pub const fn failed(&self) -> u32 {
        self.failed
    }

    /// One failed: how long to wait before the next, or `None` when there shall be none. `chance`
    /// is drawn evenly from 0 to 1.
    pub fn fail(&mut self, now: Instant, chance: f64) -> Option<Duration> {
        self.failed = self.failed.saturating_add(1);
        if self.backoff.attempts.is_some_and(|most| self.failed >= most) {
            return None;
        }
        let since = *self.since.get_or_insert(now);
        if self.failed > 1 && now.saturating_duration_since(since) >= self.backoff.steady {
            self.doubled = self.doubled.saturating_add(1);
        }
        // Beyond 2^31 every wait is the longest.
        let doubled = 2_u32.saturating_pow(self.doubled.min(31));
        let wait = self.backoff.first.saturating_mul(doubled).min(self.backoff.longest);
        Some(if self.backoff.jitter { wait.mul_f64(chance.clamp(0.0, 1.0)) } else { wait })
    }

    /// The server was reached: the next failure is the first again.
    pub fn reset(&mut self) {
        *self = Self::new(self.backoff);
    }
}

/// A number drawn evenly from 0 to 1: for waits, not for secrets.
#[must_use]
pub fn chance() -> f64 {
    // The standard library's own source of randomness, good enough to keep clients apart.
    let drawn = RandomState::new().hash_one(0) >> 32;
    #[expect(clippy::cast_precision_loss, reason = "32 bits fit")]
    let drawn = drawn as f64;
    drawn / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn waits(backoff: Backoff, every: Duration, count: u32) -> Vec<Option<u128>> {
        let begun = Instant::now();
        let mut tries = Tries::new(backoff);
        (0..count)
            .map(|n| tries.fail(begun + every * n, 1.0).map(|wait| wait.as_millis()))
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn waits_double_up_to_the_longest_and_tries_end() {
        let second = Duration::from_secs(1);
        let found = waits(Backoff::default(), second, 10);
        let expected = [1, 2, 4, 8, 16, 30, 30, 30, 30].map(|wait| Some(wait * 1_000));
        assert_eq!(found[..9], expected);
        assert_eq!(found[9], None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_patient_tries_often_for_ten_minutes_and_then_for_ever() {
        let found = waits(Backoff::patient(), Duration::from_secs(60), 30);
        assert!(found[..10].iter().all(|wait| *wait == Some(500)), "{found:?}");
        assert_eq!(found[10..13], [Some(1_000), Some(2_000), Some(4_000)]);
        assert_eq!(found[29], Some(30_000));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_success_it_begins_anew() {
        let mut tries = Tries::new(Backoff::default());
        let now = Instant::now();
        for _ in 0..5 {
            tries.fail(now, 1.0);
        }
        tries.reset();
        assert_eq!(tries.failed(), 0);
        assert_eq!(tries.fail(now, 1.0), Some(Duration::from_secs(1)));
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_the_longest_and_none_shrinks(
            first in 1u64..5_000,
            longest in 1u64..60_000,
            steady in 0u64..100_000,
            steps in prop::collection::vec((0u64..100_000, -1.0f64..2.0), 1..200),
            jitter: bool,
        ) {
            let millis = Duration::from_millis;
            let backoff = Backoff {
                first: millis(first),
                longest: millis(longest),
                steady: millis(steady),
                jitter,
                attempts: None,
            };
            let (mut tries, mut now) = (Tries::new(backoff), Instant::now());
            let mut before = Duration::ZERO;
            for (passed, chance) in steps {
                now += millis(passed);
                let wait = tries.fail(now, chance).expect("there is no bound");
                prop_assert!(wait <= backoff.longest);
                if !jitter {
                    prop_assert!(wait >= before);
                    before = wait;
                }
            }
        }
    }
}

//! Leaves a server alone that fails again and again. Decides only; the clock is passed in.

use super::config::BreakerRule;
use std::time::Duration;
use tokio::time::Instant;

/// Closed lets tries pass, open does not, and half open lets one pass to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Circuit {
    Closed { failures: u32 },
    Open { until: Instant },
    HalfOpen,
}

/// The circuit breaker of one server.
#[derive(Debug, Clone)]
pub(super) struct Breaker {
    rule: BreakerRule,
    circuit: Circuit,
}

impl Breaker {
    /// Closed.
    pub(super) const fn new(rule: BreakerRule) -> Self {
        Self { rule, circuit: Circuit::Closed { failures: 0 } }
    }

    /// How long to wait before a try may pass; zero when it may now.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        match self.circuit {
            Circuit::Open { until } => until.saturating_duration_since(now),
            Circuit::Closed { .. } | Circuit::HalfOpen => Duration::ZERO,
        }
    }

    /// A try begins.
    pub(super) fn begin(&mut self, now: Instant) {
        if matches!(self.circuit, Circuit::Open { until } if until <= now) {
            self.circuit = Circuit::HalfOpen;
        }
    }

    /// It failed.
    pub(super) fn fail(&mut self, now: Instant) {
        let failures = match self.circuit {
            Circuit::Closed { failures } => failures.saturating_add(1),
            Circuit::HalfOpen => self.rule.failures,
            Circuit::Open { .. } => return,
        };
        self.circuit = if failures >= self.rule.failures {
            Circuit::Open { until: now + self.rule.pause }
        } else {
            Circuit::Closed { failures }
        };
    }

    /// It succeeded.
    pub(super) const fn succeed(&mut self) {
        self.circuit = Circuit::Closed { failures: 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULE: BreakerRule = BreakerRule { failures: 3, pause: Duration::from_secs(30) };

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_failures_in_a_row_and_lets_one_try_pass_after_its_pause() {
        let (mut breaker, mut now) = (Breaker::new(RULE), Instant::now());
        for _ in 0..3 {
            assert_eq!(breaker.wait(now), Duration::ZERO);
            breaker.begin(now);
            breaker.fail(now);
        }
        assert_eq!(breaker.wait(now), RULE.pause);
        now += RULE.pause;
        assert_eq!(breaker.wait(now), Duration::ZERO);
        breaker.begin(now);
        breaker.fail(now);
        assert_eq!(breaker.wait(now), RULE.pause, "one failure opens it again");
        now += RULE.pause;
        breaker.begin(now);
        breaker.succeed();
        breaker.fail(now);
        assert_eq!(breaker.wait(now), Duration::ZERO, "it counts anew");
    }

    proptest! {
        /// Whatever happens, a wait is no longer than the pause, and behind `failures` failures in
        /// a row each one is at least the pause after the one before.
        #[test]
        fn a_dead_server_is_tried_no_more_often_than_the_rule_says(
            failures in 1u32..10,
            pause in 1u64..100_000,
            steps in prop::collection::vec((0u64..50_000, prop::bool::weighted(0.9)), 1..300),
        ) {
            let rule = BreakerRule { failures, pause: Duration::from_millis(pause) };
            let (mut breaker, mut now) = (Breaker::new(rule), Instant::now());
            let mut row: Vec<Instant> = Vec::new();
            for (passed, fails) in steps {
                now += Duration::from_millis(passed);
                let wait = breaker.wait(now);
                prop_assert!(wait <= rule.pause);
                if wait > Duration::ZERO {
                    continue;
                }
                if row.len() >= failures as usize {
                    prop_assert!(now - row[row.len() - 1] >= rule.pause);
                }
                breaker.begin(now);
                if fails {
                    breaker.fail(now);
                    row.push(now);
                } else {
                    breaker.succeed();
                    row.clear();
                }
            }
        }
    }
}

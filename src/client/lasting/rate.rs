//! A bound on tries in any span of time. Decides only; the clock is passed in.

use super::config::ConnectionRate;
use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

/// When the last tries were.
#[derive(Debug, Clone)]
pub(super) struct Rate {
    rule: ConnectionRate,
    tries: VecDeque<Instant>,
}

impl Rate {
    /// None yet.
    pub(super) const fn new(rule: ConnectionRate) -> Self {
        Self { rule, tries: VecDeque::new() }
    }

    /// How long to wait before the next try; zero when it may be now.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let most = self.rule.tries.max(1) as usize;
        let oldest = self.tries.len().checked_sub(most).and_then(|at| self.tries.get(at));
        oldest.map_or(Duration::ZERO, |oldest| {
            (*oldest + self.rule.within).saturating_duration_since(now)
        })
    }

    /// A try begins.
    pub(super) fn begin(&mut self, now: Instant) {
        self.tries.push_back(now);
        if self.tries.len() > self.rule.tries.max(1) as usize {
            self.tries.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_span_holds_more_tries_than_allowed_and_no_wait_is_longer_than_the_span(
            tries in 1u32..20,
            within in 1u64..100_000,
            steps in prop::collection::vec(0u64..20_000, 1..300),
        ) {
            let rule = ConnectionRate { tries, within: Duration::from_millis(within) };
            let (mut rate, mut now) = (Rate::new(rule), Instant::now());
            let mut begun: Vec<Instant> = Vec::new();
            for passed in steps {
                now += Duration::from_millis(passed);
                let wait = rate.wait(now);
                prop_assert!(wait <= rule.within);
                now += wait;
                rate.begin(now);
                begun.push(now);
                if let Some(first) = begun.len().checked_sub(tries as usize + 1) {
                    prop_assert!(now - begun[first] >= rule.within);
                }
            }
        }
    }
}

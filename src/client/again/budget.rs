//! How many calls may be sent again: a share of all calls, and a reserve.

use std::time::Duration;
use tokio::time::Instant;

/// How many reserves may be put by.
const SAVED: f64 = 10.0;

/// How many calls may be sent again to a server that may have had them. It keeps a server that is
/// in trouble from getting every call several times. What never left us costs nothing: coming back
/// to a server is bounded itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetRule {
    /// What each call adds (default 0.1): one in ten may be sent again.
    pub share: f64,
    /// How many may be sent again at once, however few calls there were (default 10). What is
    /// spent of it comes back at one a second. At most ten times as many are put by.
    pub reserve: u32,
}

impl Default for BudgetRule {
    fn default() -> Self {
        Self { share: 0.1, reserve: 10 }
    }
}

/// What is left to spend.
#[derive(Debug, Clone)]
pub struct Budget {
    rule: BudgetRule,
    left: f64,
    at: Instant,
}

impl Budget {
    /// The whole reserve.
    #[must_use]
    pub fn new(rule: BudgetRule, now: Instant) -> Self {
        Self { rule, left: f64::from(rule.reserve), at: now }
    }

    /// A call was sent for the first time: its share is added.
    pub fn earn(&mut self) {
        let most = f64::from(self.rule.reserve) * SAVED;
        self.left = (self.left + self.rule.share.max(0.0)).min(most);
    }

    /// Whether one may be sent again; then it is taken off.
    pub fn spend(&mut self, now: Instant) -> bool {
        let reserve = f64::from(self.rule.reserve);
        if self.left < reserve {
            let passed: Duration = now.saturating_duration_since(self.at);
            self.left = (self.left + passed.as_secs_f64()).min(reserve);
        }
        self.at = now;
        let enough = self.left >= 1.0;
        if enough {
            self.left -= 1.0;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_more_is_spent_than_the_reserve_the_share_of_the_calls_and_one_a_second(
            share in 0.0f64..1.0,
            reserve in 0u32..50,
            steps in prop::collection::vec((0u64..3_000, any::<bool>()), 0..500),
        ) {
            let begun = Instant::now();
            let (mut budget, mut now) = (Budget::new(BudgetRule { share, reserve }, begun), begun);
            let (mut calls, mut spent) = (0.0, 0.0);
            for (passed, is_call) in steps {
                now += Duration::from_millis(passed);
                if is_call {
                    budget.earn();
                    calls += 1.0;
                } else if budget.spend(now) {
                    spent += 1.0;
                }
                let seconds = (now - begun).as_secs_f64();
                prop_assert!(spent <= f64::from(reserve) + calls * share + seconds + 1e-6);
                prop_assert!(reserve > 0 || spent == 0.0);
            }
        }

        #[test]
        fn a_quiet_server_gets_its_reserve_back(spent in 0u32..200, reserve in 0u32..50) {
            let begun = Instant::now();
            let mut budget = Budget::new(BudgetRule { share: 0.2, reserve }, begun);
            for _ in 0..spent {
                budget.spend(begun);
            }
            let later = begun + Duration::from_secs(60);
            for _ in 0..reserve {
                prop_assert!(budget.spend(later));
            }
            prop_assert!(!budget.spend(later));
        }
    }

    #[test]
    fn a_share_of_one_in_ten_earns_one_with_ten_calls() {
        let now = Instant::now();
        let mut budget = Budget::new(BudgetRule { share: 0.1, reserve: 1 }, now);
        assert!(budget.spend(now) && !budget.spend(now));
        for _ in 0..9 {
            budget.earn();
        }
        assert!(!budget.spend(now));
        budget.earn();
        budget.earn();
        assert!(budget.spend(now));
    }
}

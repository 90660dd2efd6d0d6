//! How many calls may be sent again: a share of all calls, and a reserve. Decides only.

use super::config::BudgetRule;

/// What is left to spend.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    rule: BudgetRule,
    left: f64,
}

impl Budget {
    /// The whole reserve.
    pub(super) fn new(rule: BudgetRule) -> Self {
        Self { rule, left: f64::from(rule.reserve) }
    }

    /// A call was made: its share is added, up to the reserve.
    pub(super) fn earn(&mut self) {
        self.left = (self.left + self.rule.share.max(0.0)).min(f64::from(self.rule.reserve));
    }

    /// Whether one more may be sent again; then it is spent.
    pub(super) fn spend(&mut self) -> bool {
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
        fn no_more_is_spent_than_the_reserve_and_the_share_of_the_calls(
            share in 0.0f64..1.0,
            reserve in 0u32..50,
            steps in prop::collection::vec(any::<bool>(), 0..500),
        ) {
            let mut budget = Budget::new(BudgetRule { share, reserve });
            let (mut calls, mut spent) = (0.0, 0.0);
            for is_call in steps {
                if is_call {
                    budget.earn();
                    calls += 1.0;
                } else if budget.spend() {
                    spent += 1.0;
                }
                prop_assert!(spent <= f64::from(reserve) + calls * share + 1e-6);
            }
        }
    }

    #[test]
    fn a_share_of_one_in_ten_earns_one_with_ten_calls() {
        let mut budget = Budget::new(BudgetRule { share: 0.1, reserve: 1 });
        assert!(budget.spend() && !budget.spend());
        for _ in 0..9 {
            budget.earn();
        }
        assert!(!budget.spend());
        budget.earn();
        budget.earn();
        assert!(budget.spend());
    }
}

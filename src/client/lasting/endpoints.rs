//! Several endpoints of one server: which to try. Decides only; clock and chance are passed in.
//!
//! Each has a health from 0 to 1, which falls with failures and comes back with time and success.
//! One is drawn by health, so that many clients spread over those that are well. Who has just
//! failed is not drawn again while there are others.

use std::time::Duration;
use tokio::time::Instant;

/// After this long without a failure half of what was lost is back.
const HALF_BACK: Duration = Duration::from_secs(30);
/// However ill, it is tried now and then.
const LEAST: f64 = 0.01;

#[derive(Debug, Clone, Copy)]
struct Endpoint {
    health: f64,
    at: Option<Instant>,
}

/// The endpoints of one server; there is at least one.
#[derive(Debug)]
pub(super) struct Endpoints {
    all: Vec<Endpoint>,
    current: usize,
    failed: bool,
}

impl Endpoints {
    /// So many, all well.
    pub(super) fn new(count: usize) -> Self {
        let well = Endpoint { health: 1.0, at: None };
        Self { all: vec![well; count.max(1)], current: 0, failed: false }
    }

    /// The one drawn last.
    pub(super) const fn current(&self) -> usize {
        self.current
    }

    /// Whether there is more than one.
    pub(super) fn has_others(&self) -> bool {
        self.all.len() > 1
    }

    /// Draws one; `chance` is drawn evenly from 0 to 1.
    pub(super) fn draw(&mut self, now: Instant, chance: f64) -> usize {
        let skip = (self.failed && self.has_others()).then_some(self.current);
        let candidates = || (0..self.all.len()).filter(|at| Some(*at) != skip);
        let weight = |at: usize| self.all.get(at).map_or(0.0, |one| one.now(now).max(LEAST));
        let mut left = candidates().map(weight).sum::<f64>() * chance.clamp(0.0, 1.0);
        let drawn = candidates().find(|at| {
            left -= weight(*at);
            left <= 0.0
        });
        self.current = drawn.or_else(|| candidates().next_back()).unwrap_or_default();
        self.failed = false;
        self.current
    }

    /// The one drawn last failed.
    pub(super) fn fail(&mut self, now: Instant) {
        self.failed = true;
        self.set(now, |health| health / 4.0);
    }

    /// The one drawn last was reached.
    pub(super) fn succeed(&mut self, now: Instant) {
        self.failed = false;
        self.set(now, |health| f64::midpoint(health, 1.0));
    }

    fn set(&mut self, now: Instant, change: impl Fn(f64) -> f64) {
        if let Some(one) = self.all.get_mut(self.current) {
            *one = Endpoint { health: change(one.now(now)), at: Some(now) };
        }
    }
}

impl Endpoint {
    /// Its health by now.
    fn now(&self, now: Instant) -> f64 {
        let passed = self.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let lost = (1.0 - self.health) * 0.5_f64.powf(passed.div_duration_f64(HALF_BACK));
        1.0 - lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn share(endpoints: &Endpoints, now: Instant, wanted: usize) -> usize {
        let draw = |chance: usize| {
            let all = endpoints.all.clone();
            Endpoints { all, current: endpoints.current, failed: false }
                .draw(now, chance as f64 / 1_000.0)
        };
        (0..1_000).filter(|chance| draw(*chance) == wanted).count()
    }

    #[tokio::test(start_paused = true)]
    async fn the_healthy_are_drawn_more_often_and_the_ill_recover() {
        let (mut endpoints, now) = (Endpoints::new(2), Instant::now());
        assert!((400..600).contains(&share(&endpoints, now, 0)));
        for _ in 0..3 {
            endpoints.current = 0;
            endpoints.fail(now);
        }
        assert!(share(&endpoints, now, 0) < 50);
        let later = share(&endpoints, now + HALF_BACK, 0);
        assert!((250..450).contains(&later), "{later}");
        assert!((480..520).contains(&share(&endpoints, now + HALF_BACK * 10, 0)));
    }

    proptest! {
        #[test]
        fn one_of_them_is_drawn_and_never_the_one_that_just_failed(
            count in 1usize..6,
            steps in prop::collection::vec((0u64..60_000, 0.0f64..=1.0, any::<bool>()), 1..100),
        ) {
            let (mut endpoints, mut now) = (Endpoints::new(count), Instant::now());
            let mut before = None;
            for (passed, chance, fails) in steps {
                now += Duration::from_millis(passed);
                let drawn = endpoints.draw(now, chance);
                prop_assert!(drawn < count);
                prop_assert!(count == 1 || before != Some(drawn));
                if fails {
                    endpoints.fail(now);
                } else {
                    endpoints.succeed(now);
                }
                before = fails.then_some(drawn);
                prop_assert!(endpoints.all.iter().all(|one| (0.0..=1.0).contains(&one.now(now))));
            }
        }
    }
}

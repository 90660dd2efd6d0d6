//! Messages come later: by a delay, evenly spread around it, each like the one before as far as
//! is wanted.

use super::{Effect, Passing, Scene};
use crate::{span, verdict::Verdict};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How many messages back a correlation is followed: what is older weighs less than 1 in 1,000 up
/// to a correlation of 0.9.
const REACH: u64 = 64;

/// Messages come later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// By how much.
    #[serde(with = "span")]
    pub delay: Duration,
    /// How far the delay strays to either side.
    #[serde(default, with = "span", skip_serializing_if = "Duration::is_zero")]
    pub jitter: Duration,
    /// How much a delay is like the one before, from 0 to below 1.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub correlation: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

impl Latency {
    /// Always the same delay.
    #[must_use]
    pub const fn of(delay: Duration) -> Self {
        Self { delay, jitter: Duration::ZERO, correlation: 0.0 }
    }

    /// The delay of a message.
    fn delay(&self, verdict: Verdict) -> Duration {
        let strays = self.jitter.as_secs_f64() * (2.0 * self.level(verdict) - 1.0);
        Duration::try_from_secs_f64(self.delay.as_secs_f64() + strays).unwrap_or_default()
    }

    /// Where in its range a delay stands, from 0 to 1: its own draw, and the level before it.
    fn level(&self, verdict: Verdict) -> f64 {
        let reach = if self.correlation > 0.0 { REACH } else { 0 };
        let start = (0..=reach).rev().find_map(|by| verdict.earlier(by).map(|first| (by, first)));
        let Some((reach, first)) = start else { return verdict.draw(1) };
        (0..reach).rev().filter_map(|by| verdict.earlier(by)).fold(first.draw(1), |level, next| {
            level * self.correlation + next.draw(1) * (1.0 - self.correlation)
        })
    }
}

impl Effect for Latency {
    fn strike(&self, scene: &mut Scene<'_>, passing: &mut Passing) -> bool {
        passing.leaves += self.delay(scene.verdict);
        true
    }

    fn delays(&self, verdict: Verdict) -> Duration {
        self.delay(verdict)
    }

    fn check(&self) -> Result<(), String> {
        match () {
            () if self.jitter > self.delay => {
                Err("`jitter` must not be more than `delay`".to_owned())
            }
            () if !(0.0..1.0).contains(&self.correlation) => {
                Err("`correlation` is a number from 0 to below 1".to_owned())
            }
            () => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passing::testing::through;

    fn delays(latency: &Latency) -> Vec<f64> {
        let passed = through(latency, &[100; 5_000]);
        passed.iter().map(|passed| (passed.leaves - passed.came).as_secs_f64() * 1e3).collect()
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    /// How much each value tells of the next.
    fn correlation(values: &[f64]) -> f64 {
        let mean = mean(values);
        let spread: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let along: f64 = values.windows(2).map(|two| (two[0] - mean) * (two[1] - mean)).sum();
        along / spread
    }

    #[test]
    fn without_jitter_every_message_is_as_late() {
        let delays = delays(&Latency::of(Duration::from_millis(20)));
        assert!(delays.iter().all(|delay| (delay - 20.0).abs() < 0.001));
    }

    #[test]
    fn with_jitter_delays_are_spread_evenly_around_the_delay() {
        let delays = delays(&Latency {
            jitter: Duration::from_millis(50),
            ..Latency::of(Duration::from_millis(100))
        });
        assert!(delays.iter().all(|delay| (50.0..=150.0).contains(delay)));
        assert!((mean(&delays) - 100.0).abs() < 2.0, "{}", mean(&delays));
        let lower = delays.iter().filter(|delay| **delay < 75.0).count();
        assert!((1_100..1_400).contains(&lower), "a quarter in the lowest quarter: {lower}");
        assert!(correlation(&delays).abs() < 0.05);
    }

    #[test]
    fn with_correlation_a_delay_is_like_the_one_before() {
        let latency = Latency {
            jitter: Duration::from_millis(50),
            correlation: 0.75,
            ..Latency::of(Duration::from_millis(100))
        };
        let measured = correlation(&delays(&latency));
        assert!((measured - 0.75).abs() < 0.05, "{measured}");
    }

    #[test]
    fn more_jitter_than_delay_is_refused() {
        let jitter = Duration::from_millis(2);
        assert!(Latency { jitter, ..Latency::of(Duration::from_millis(1)) }.check().is_err());
        let correlation = 1.0;
        assert!(Latency { correlation, ..Latency::of(jitter) }.check().is_err());
    }
}

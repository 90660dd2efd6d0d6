//! Loss as TCP shows it: nothing is missing, but what was lost is sent again after a retransmission
//! timeout, which doubles each time, and all that is behind it waits.

use super::{Effect, Passing, Scene};
use crate::span;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Bytes of a message in one segment: those of Ethernet.
const SEGMENT: usize = 1_448;

/// Most times that one segment is lost: a TCP gives up after some 15.
const MOST_TRIES: u32 = 8;

/// Segments are lost and sent again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// The share of segments that is lost, from 0 to 1; of those sent again too.
    pub rate: f64,
    /// The time until the first is sent again.
    #[serde(default = "usual", with = "span")]
    pub timeout: Duration,
}

/// The shortest that Linux waits.
const fn usual() -> Duration {
    Duration::from_millis(200)
}

impl Loss {
    /// A loss of this share, with the usual timeout.
    #[must_use]
    pub const fn of(rate: f64) -> Self {
        Self { rate, timeout: usual() }
    }
}

impl Effect for Loss {
    fn strike(&self, scene: &mut Scene<'_>, passing: &mut Passing) -> bool {
        let (mut stall, mut draw) = (Duration::ZERO, 0);
        for _ in 0..passing.bytes.len().div_ceil(SEGMENT) {
            let mut timeout = self.timeout;
            for _ in 0..MOST_TRIES {
                draw += 1;
                if scene.verdict.draw(draw) >= self.rate {
                    break;
                }
                stall += timeout;
                timeout *= 2;
            }
        }
        passing.leaves += stall;
        !stall.is_zero()
    }

    fn check(&self) -> Result<(), String> {
        match () {
            () if !(0.0..=1.0).contains(&self.rate) => {
                Err("`rate` is a number from 0 to 1".to_owned())
            }
            () if self.timeout.is_zero() || self.timeout > Duration::from_mins(1) => {
                Err("`timeout` is more than 0 and at most 60s".to_owned())
            }
            () => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passing::testing::through;

    fn stalls(rate: f64, size: usize) -> Vec<u128> {
        let passed = through(&Loss::of(rate), &[size; 20_000]);
        passed.iter().map(|passed| (passed.leaves - passed.came).as_millis()).collect()
    }

    fn share(stalls: &[u128], of: impl Fn(u128) -> bool) -> f64 {
        stalls.iter().filter(|stall| of(**stall)).count() as f64 / stalls.len() as f64
    }

    #[test]
    fn so_many_messages_stall_and_each_loss_doubles_the_time() {
        let stalls = stalls(0.2, 100);
        let expected = [(0, 0.8), (200, 0.16), (600, 0.032), (1_400, 0.0064)];
        for (stall, expected) in expected {
            let measured = share(&stalls, |other| other == stall);
            assert!((measured - expected).abs() < 0.01, "{stall} ms: {measured}");
        }
    }

    #[test]
    fn every_segment_of_a_message_can_be_lost() {
        let measured = share(&stalls(0.05, 4 * SEGMENT), |stall| stall > 0);
        let expected = 1.0 - 0.95f64.powi(4);
        assert!((measured - expected).abs() < 0.01, "{measured} of {expected}");
    }

    #[test]
    fn all_lost_is_late_and_not_for_ever() {
        let longest = usual() * (2u32.pow(MOST_TRIES) - 1);
        assert!(stalls(1.0, 1).iter().all(|stall| *stall == longest.as_millis()));
        assert!(Loss::of(1.5).check().is_err());
    }
}

//! So many bytes a second: the bytes of a message are spread over the time they take, and the next
//! message begins after it.

use super::{Effect, Passing, Scene, Share};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A line that takes so many bytes a second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bandwidth {
    /// Bytes a second, for each connection.
    pub rate: u64,
}

impl Effect for Bandwidth {
    fn share(&self) -> Share {
        Share::Connections
    }

    fn strike(&self, scene: &mut Scene<'_>, passing: &mut Passing) -> bool {
        let from = scene.memory.busy_until.map_or(passing.leaves, |busy| busy.max(passing.leaves));
        #[expect(clippy::cast_precision_loss, reason = "no message is near 2^53 bytes")]
        let seconds = passing.bytes.len() as f64 / self.rate as f64;
        passing.takes = Duration::from_secs_f64(seconds);
        passing.leaves = from + passing.takes;
        scene.memory.busy_until = Some(passing.leaves);
        true
    }

    fn check(&self) -> Result<(), String> {
        if self.rate == 0 {
            return Err("`rate` must not be 0: `pause` lets nothing through".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passing::testing::through;

    #[test]
    fn what_passes_together_takes_as_long_as_its_bytes() {
        let passed = through(&Bandwidth { rate: 1_000 }, &[500, 1_000, 250]);
        let left: Vec<u128> =
            passed.iter().map(|passed| (passed.leaves - passed.came).as_millis()).collect();
        assert_eq!(left, [500, 1_500, 1_750]);
    }

    #[test]
    fn no_rate_is_refused() {
        assert!(Bandwidth { rate: 0 }.check().is_err());
    }
}

//! The end of a connection is told late: the other side thinks that somebody is still there.

use super::{Effect, Share};
use crate::span;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The end of a connection is told late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowClose {
    /// How late.
    #[serde(with = "span")]
    pub delay: Duration,
}

impl Effect for SlowClose {
    fn share(&self) -> Share {
        Share::Connections
    }

    fn linger(&self) -> Option<Duration> {
        Some(self.delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passing::testing::through;

    #[test]
    fn only_the_end_is_late() {
        let slow = SlowClose { delay: Duration::from_secs(1) };
        assert_eq!(slow.linger(), Some(Duration::from_secs(1)));
        let passed = &through(&slow, &[1])[0];
        assert_eq!(passed.leaves, passed.came);
    }
}

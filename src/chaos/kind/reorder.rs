//! Messages change places: one goes behind the next. Only what may come in any order as far as the
//! transport goes: events and WebSocket messages.

use super::{Effect, Fate, Passing, Scene};
use crate::span;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Messages change places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reorder {
    /// How long a message waits for one to go behind.
    #[serde(default = "second", with = "span")]
    pub wait: Duration,
}

const fn second() -> Duration {
    Duration::from_secs(1)
}

impl Default for Reorder {
    fn default() -> Self {
        Self { wait: second() }
    }
}

impl Effect for Reorder {
    fn strike(&self, _scene: &mut Scene<'_>, passing: &mut Passing) -> bool {
        if passing.stands_alone() {
            passing.fate = Fate::Behind(self.wait);
        }
        passing.stands_alone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passing::testing::{event, pass, through};

    #[test]
    fn what_stands_alone_goes_behind_the_next() {
        let passed = pass(&Reorder::default(), vec![event("{}")]);
        assert_eq!(passed[0].1.fate, Fate::Behind(second()));
        assert_eq!(through(&Reorder::default(), &[10])[0].fate, Fate::Pass);
    }
}

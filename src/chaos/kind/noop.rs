//! Nothing: the reference that every other fault is measured against. It counts what it sees.

use super::{Effect, Passing, Scene};
use serde::{Deserialize, Serialize};

/// Does nothing to a message, and tells so.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noop {}

impl Effect for Noop {
    fn strike(&self, _scene: &mut Scene<'_>, _passing: &mut Passing) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passing::testing::through;

    #[test]
    fn it_changes_nothing() {
        for passed in through(&Noop {}, &[1, 100]) {
            assert_eq!(passed.leaves, passed.came);
            assert!(passed.bytes.iter().all(|byte| *byte == b'x'));
        }
    }
}

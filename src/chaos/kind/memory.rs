//! Memory is taken: so much of it that others on the machine have less.

use super::{Act, Effect, Site};
use serde::{Deserialize, Serialize};

/// Most that is taken, in MiB.
const MOST: u64 = 1 << 20;

/// Memory is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// How much, in MiB.
    pub mebibytes: u64,
}

impl Effect for Memory {
    fn site(&self) -> Site {
        Site::Process(Act::Memory(self.mebibytes << 20))
    }

    fn check(&self) -> Result<(), String> {
        if (1..=MOST).contains(&self.mebibytes) {
            return Ok(());
        }
        Err(format!("`mebibytes` is from 1 to {MOST}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_done_to_the_machine() {
        assert_eq!(Memory { mebibytes: 2 }.site(), Site::Process(Act::Memory(2 << 20)));
        assert!(Memory { mebibytes: 0 }.check().is_err());
    }
}

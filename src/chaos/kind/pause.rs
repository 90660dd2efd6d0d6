//! Everything stops and nothing closes: bytes wait where they are, and go on when the fault ends.

use super::{Deed, Effect, Site};
use serde::{Deserialize, Serialize};

/// Nothing passes, and nothing is lost.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {}

impl Effect for Pause {
    fn site(&self) -> Site {
        Site::Connection(Deed::Pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_done_to_connections() {
        assert_eq!(Pause {}.site(), Site::Connection(Deed::Pause));
    }
}

//! Connections are refused: who connects is reset before a byte was exchanged. Connections that
//! are open stay so.

use super::{Deed, Effect, Site};
use serde::{Deserialize, Serialize};

/// New connections are refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refuse {}

impl Effect for Refuse {
    fn site(&self) -> Site {
        Site::Connection(Deed::Refuse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_done_to_connections() {
        assert_eq!(Refuse {}.site(), Site::Connection(Deed::Refuse));
    }
}

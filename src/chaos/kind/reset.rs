//! Connections are reset: both sides are told by RST that nothing holds any more, and what was on
//! its way is lost.

use super::{Deed, Effect, Site};
use crate::span;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Connections are reset.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    /// How long after the fault began, or after a later connection was opened.
    #[serde(default, with = "span", skip_serializing_if = "Duration::is_zero")]
    pub after: Duration,
}

impl Effect for Reset {
    fn site(&self) -> Site {
        Site::Connection(Deed::Reset(self.after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_done_to_connections_after_its_time() {
        let after = Duration::from_secs(3);
        assert_eq!(Reset { after }.site(), Site::Connection(Deed::Reset(after)));
    }
}

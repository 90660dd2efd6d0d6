//! Connections stay open and say nothing: what is sent is taken and lost, as by a host that has
//! vanished behind a router that still answers. When the fault ends they are reset, as by a host
//! that came back and knows nothing of them.

use super::{Deed, Effect, Site};
use crate::span;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Connections stay open and say nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HalfOpen {
    /// How long until such a connection is closed; until the fault ends if absent.
    #[serde(default, with = "span::option", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

impl Effect for HalfOpen {
    fn site(&self) -> Site {
        Site::Connection(Deed::Silence(self.timeout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_done_to_connections_until_its_time() {
        let timeout = Some(Duration::from_secs(3));
        assert_eq!(HalfOpen { timeout }.site(), Site::Connection(Deed::Silence(timeout)));
        assert_eq!(HalfOpen::default().site(), Site::Connection(Deed::Silence(None)));
    }
}

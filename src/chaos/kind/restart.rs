//! The process is asked to end (SIGTERM) and started again as soon as it has, as by a deployment.

use super::{Act, Effect, Site};
use serde::{Deserialize, Serialize};

/// The process is started anew.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {}

impl Effect for Restart {
    fn site(&self) -> Site {
        Site::Process(Act::Restart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_done_to_the_process() {
        assert_eq!(Restart {}.site(), Site::Process(Act::Restart));
    }
}

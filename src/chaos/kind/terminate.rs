//! The process is asked to end (SIGTERM), as by an orderly shutdown. When the fault ends it is
//! started again, where we started it.

use super::{Act, Effect, Site};
use serde::{Deserialize, Serialize};

/// The process is asked to end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terminate {}

impl Effect for Terminate {
    fn site(&self) -> Site {
        Site::Process(Act::Terminate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_done_to_the_process() {
        assert_eq!(Terminate {}.site(), Site::Process(Act::Terminate));
    }
}

//! The process is stopped (SIGSTOP) and goes on when the fault ends (SIGCONT): its sockets stay, the
//! system accepts for it, and nothing is answered.

use super::{Act, Effect, Site};
use serde::{Deserialize, Serialize};

/// The process is stopped and goes on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {}

impl Effect for Stop {
    fn site(&self) -> Site {
        Site::Process(Act::Stop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_done_to_the_process() {
        assert_eq!(Stop {}.site(), Site::Process(Act::Stop));
    }
}

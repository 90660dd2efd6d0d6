//! The process is killed (SIGKILL), with its children: it can say nothing and save nothing. When the
//! fault ends it is started again, where we started it.

use super::{Act, Effect, Site};
use serde::{Deserialize, Serialize};

/// The process is killed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kill {}

impl Effect for Kill {
    fn site(&self) -> Site {
        Site::Process(Act::Kill)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_done_to_the_process() {
        assert_eq!(Kill {}.site(), Site::Process(Act::Kill));
    }
}

//! Messages come twice: an event or a WebSocket message to either side, or a POST to the server,
//! which then runs twice and of whose answers the client sees the first.

use super::{Effect, Passing, Scene};
use serde::{Deserialize, Serialize};

/// Messages come twice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duplicate {}

impl Effect for Duplicate {
    fn strike(&self, _scene: &mut Scene<'_>, passing: &mut Passing) -> bool {
        let posts = passing.request().is_some_and(|asked| asked.method == "POST");
        passing.twice |= posts || passing.stands_alone();
        passing.twice
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passing::testing::{event, message, pass, through};

    #[test]
    fn what_stands_alone_comes_twice() {
        let passed = pass(&Duplicate {}, vec![event("{}"), message("{}")]);
        assert!(passed.iter().all(|(hit, passed)| *hit && passed.twice));
        assert!(!through(&Duplicate {}, &[10])[0].twice, "bytes are no message");
    }
}

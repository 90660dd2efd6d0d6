//! Word that a list changed is lost: the client goes on with the tools that it knows.

use super::{Direction, Effect, Fate, Passing, Scene};
use serde::{Deserialize, Serialize};

/// Word that a list changed is lost.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListChangedLost {}

impl Effect for ListChangedLost {
    fn directions(&self) -> &'static [Direction] {
        &[Direction::Down]
    }

    fn strike(&self, _scene: &mut Scene<'_>, passing: &mut Passing) -> bool {
        let changed = |method: String| {
            method.starts_with("notifications/") && method.ends_with("/list_changed")
        };
        let lost = passing.stands_alone()
            && passing.says().into_iter().any(|said| said.method.is_some_and(changed));
        if lost {
            passing.fate = Fate::Lost;
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passing::testing::{event, message, pass};

    #[test]
    fn word_of_any_list_is_lost_and_nothing_else() {
        let units = vec![
            event(r#"{"method":"notifications/tools/list_changed"}"#),
            message(r#"{"method":"notifications/prompts/list_changed"}"#),
            message(r#"{"method":"notifications/message"}"#),
            message(r#"{"id":1,"result":{"method":"notifications/tools/list_changed"}}"#),
        ];
        let hit = pass(&ListChangedLost {}, units).into_iter().map(|(hit, _)| hit);
        assert_eq!(hit.collect::<Vec<_>>(), [true, true, false, false]);
    }
}

//! The server has forgotten sessions: every request that names one of them is answered 404, for
//! good. Sessions opened since the fault began are not touched, so a client can open a new one.

use super::{Direction, Effect, Fate, Passing, Scene, Share};
use crate::{passing::answer, sessions::Session, verdict};
use serde::{Deserialize, Serialize};

/// Sessions are forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionLost {}

const BODY: &str =
    r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}"#;

impl Effect for SessionLost {
    fn share(&self) -> Share {
        Share::Own
    }

    fn directions(&self) -> &'static [Direction] {
        &[Direction::Up]
    }

    fn strike(&self, scene: &mut Scene<'_>, passing: &mut Passing) -> bool {
        let Some(id) = passing.request().and_then(|asked| asked.session.as_deref()) else {
            return false;
        };
        let hit = |session: &mut Session| {
            let older = session.opened.is_none_or(|opened| opened < scene.since);
            let drawn = verdict(scene.seed, "session_lost", session.ordinal, Direction::Up, 1);
            session.lost |= older && drawn.hits(scene.share);
            session.lost
        };
        if !scene.sessions.named(id, hit) {
            return false;
        }
        passing.fate = Fate::Answered(answer("404 Not Found", "", BODY));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        passing::testing::{message, pass},
        wire::{Asked, Unit, View},
    };

    fn request(session: Option<&str>) -> Unit {
        let session = session.map(str::to_owned);
        let asked = Asked { method: "POST".to_owned(), session, ..Asked::default() };
        Unit { bytes: "x".into(), view: View::Request(asked.into()) }
    }

    #[test]
    fn only_who_names_a_session_is_told_that_it_is_lost() {
        let units = vec![request(Some("a")), request(None), request(Some("b")), message("{}")];
        let passed = pass(&SessionLost {}, units);
        let hit: Vec<bool> = passed.iter().map(|(hit, _)| *hit).collect();
        assert_eq!(hit, [true, false, true, false]);
        let Fate::Answered(answer) = &passed[0].1.fate else { panic!("an answer") };
        assert!(answer.starts_with(b"HTTP/1.1 404 Not Found\r\n"));
    }
}

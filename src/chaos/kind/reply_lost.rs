//! A call ran, and its reply is lost: the server has done what it was asked, and the client cannot
//! know. The connection ends in the place of the reply, or nothing at all comes.

use super::{Direction, Effect, End, Fate, Passing, Scene};
use serde::{Deserialize, Serialize};

/// A call ran and its reply is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplyLost {
    /// Of which methods.
    #[serde(default = "calls")]
    pub methods: Vec<String>,
    /// What comes in its place.
    #[serde(default)]
    pub how: Instead,
}

/// What comes in the place of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instead {
    /// An RST.
    #[default]
    Reset,
    /// A FIN.
    Close,
    /// Nothing; the connection stays.
    Silence,
}

fn calls() -> Vec<String> {
    vec!["tools/call".to_owned()]
}

impl Default for ReplyLost {
    fn default() -> Self {
        Self { methods: calls(), how: Instead::default() }
    }
}

impl Effect for ReplyLost {
    fn directions(&self) -> &'static [Direction] {
        &[Direction::Down]
    }

    fn strike(&self, _scene: &mut Scene<'_>, passing: &mut Passing) -> bool {
        if !passing.answers().iter().any(|method| self.methods.contains(method)) {
            return false;
        }
        passing.fate = Fate::Lost;
        passing.end = match self.how {
            Instead::Reset => Some(End::Reset),
            Instead::Close => Some(End::Close),
            Instead::Silence => None,
        };
        true
    }

    fn check(&self) -> Result<(), String> {
        if self.methods.is_empty() {
            return Err("`methods` must name a method".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passing::testing::{event, message, pass};

    #[test]
    fn the_reply_of_a_call_is_lost_and_nothing_else() {
        let units = vec![
            message(r#"{"id":8,"result":{}}"#),
            message(r#"{"method":"notifications/progress"}"#),
            event(r#"{"id":9,"result":{}}"#),
        ];
        let passed = pass(&ReplyLost::default(), units);
        let seen: Vec<_> = passed.iter().map(|(hit, passed)| (*hit, passed.end)).collect();
        assert_eq!(seen, [(false, None), (false, None), (true, Some(End::Reset))]);
        assert_eq!(passed[2].1.fate, Fate::Lost);
    }
}

//! What is known of clients in the field, and what each does after a failure. No clock, no chance, no
//! I/O: a failure comes in, a decision comes out.

use mcp_client::{ClientError, Ran};
use std::time::Duration;

/// A persona.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Habits {
    /// Its name on the command line.
    pub name: &'static str,
    /// Who behaves like this, in a sentence.
    pub about: &'static str,
    /// What it does when its server is in trouble.
    pub nature: Nature,
}

/// What a persona does when its server is in trouble.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Nature {
    /// It is this project's client library.
    Own,
    /// It follows a rule.
    Rule(Rule),
}

/// How often and when a persona tries again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Most tries after the first one, one after the other; `None` is no bound.
    pub retries: Option<u32>,
    /// How long it waits before the first of them.
    pub first: Duration,
    /// What each further wait is multiplied with.
    pub factor: f64,
    /// Its longest wait.
    pub longest: Duration,
    /// What it does when the server has forgotten its session.
    pub session_lost: SessionLost,
    /// Whether it sends again what may have run.
    pub repeats_unknown: bool,
}

/// What a client does when the server has forgotten its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionLost {
    /// Shakes hands again and goes on.
    Initialize,
    /// Is of no more use until somebody starts it anew.
    GiveUp,
}

/// What a client remembers from failure to failure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct State {
    /// Failures one after the other.
    pub failed: u32,
    /// Whether it does not try any more.
    pub gave_up: bool,
}

/// What a client can tell of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// The server was not reached, or the connection broke; what was sent did not run.
    Unreached,
    /// The same, but it may have run.
    Unknown,
    /// The server does not know the session.
    SessionLost,
    /// The server said no, for a reason that time does not change.
    Refused,
}

/// What is done next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Next {
    /// The same again, after a wait.
    Again(Duration),
    /// A handshake, then the same again, after a wait.
    Anew(Duration),
    /// Nothing: this call has failed, the next one may work.
    End,
    /// Nothing, ever.
    GiveUp,
}

impl Failed {
    /// What kind of failure an error is.
    #[must_use]
    pub fn of(error: &ClientError) -> Self {
        match (error, error.ran()) {
            (ClientError::SessionLost, _) => Self::SessionLost,
            (ClientError::Auth { .. } | ClientError::Invalid(_) | ClientError::Refused(_), _) => {
                Self::Refused
            }
            (_, Ran::No) => Self::Unreached,
            (_, Ran::Unknown) => Self::Unknown,
        }
    }
}

impl Rule {
    /// What is done after a failure, and what is remembered of it.
    #[must_use]
    pub fn next(&self, state: State, failed: Failed) -> (Next, State) {
        let after = State { failed: state.failed.saturating_add(1), ..state };
        let spent = self.retries.is_some_and(|most| state.failed >= most);
        match failed {
            _ if state.gave_up => (Next::GiveUp, state),
            Failed::SessionLost if self.session_lost == SessionLost::GiveUp => {
                (Next::GiveUp, State { gave_up: true, ..after })
            }
            Failed::Refused => (Next::End, after),
            Failed::Unknown if !self.repeats_unknown => (Next::End, State::default()),
            _ if spent => (Next::GiveUp, State { gave_up: true, ..after }),
            Failed::SessionLost => (Next::Anew(self.wait(state.failed)), after),
            Failed::Unreached | Failed::Unknown => (Next::Again(self.wait(state.failed)), after),
        }
    }

    /// The wait before the try after so many failures.
    fn wait(&self, failed: u32) -> Duration {
        let factor = self.factor.powi(i32::try_from(failed).unwrap_or(i32::MAX));
        let wait = self.first.as_secs_f64() * factor;
        Duration::from_secs_f64(wait.min(self.longest.as_secs_f64()))
    }
}

const ALL: &[Habits] = &[
    Habits {
        name: "own",
        about: "This project's client library: waits for the server and comes back by itself",
        nature: Nature::Own,
    },
    Habits {
        name: "typescript-sdk",
        about: "The TypeScript SDK: 2 retries from 1 s, each wait 1.5 times the one before, then \
                gives up; a lost session is lost",
        nature: Nature::Rule(Rule {
            retries: Some(2),
            first: Duration::from_secs(1),
            factor: 1.5,
            longest: Duration::from_secs(30),
            session_lost: SessionLost::GiveUp,
            repeats_unknown: false,
        }),
    },
];

/// All personas.
#[must_use]
pub const fn all() -> &'static [Habits] {
    ALL
}

/// The persona of that name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Habits> {
    ALL.iter().find(|habits| habits.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str) -> Rule {
        match by_name(name).expect("a persona").nature {
            Nature::Rule(rule) => rule,
            Nature::Own => panic!("{name} follows no rule"),
        }
    }

    #[test]
    fn the_typescript_sdk_tries_twice_more_and_then_never_again() {
        let rule = rule("typescript-sdk");
        let (first, state) = rule.next(State::default(), Failed::Unreached);
        assert_eq!(first, Next::Again(Duration::from_secs(1)));
        let (second, state) = rule.next(state, Failed::Unreached);
        assert_eq!(second, Next::Again(Duration::from_millis(1_500)));
        let (third, state) = rule.next(state, Failed::Unreached);
        assert_eq!(third, Next::GiveUp);
        assert_eq!(rule.next(state, Failed::Refused).0, Next::GiveUp);
    }

    #[test]
    fn what_may_have_run_is_sent_again_by_nobody_who_does_not_repeat() {
        let rule = rule("typescript-sdk");
        assert_eq!(rule.next(State::default(), Failed::Unknown).0, Next::End);
        let careless = Rule { repeats_unknown: true, ..rule };
        assert!(matches!(careless.next(State::default(), Failed::Unknown).0, Next::Again(_)));
    }

    #[test]
    fn a_lost_session_is_opened_anew_or_the_end() {
        let rule = rule("typescript-sdk");
        assert_eq!(rule.next(State::default(), Failed::SessionLost).0, Next::GiveUp);
        let patient = Rule { session_lost: SessionLost::Initialize, retries: None, ..rule };
        assert!(matches!(patient.next(State::default(), Failed::SessionLost).0, Next::Anew(_)));
    }

    #[test]
    fn waits_never_exceed_the_longest() {
        let rule = Rule { retries: None, ..rule("typescript-sdk") };
        let state = State { failed: 4_000_000, gave_up: false };
        assert_eq!(rule.next(state, Failed::Unreached).0, Next::Again(rule.longest));
    }
}

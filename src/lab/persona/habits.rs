//! What is known of clients in the field, and what each does after a failure. No clock, no chance, no
//! I/O: a failure comes in, a decision comes out.

use mcp_client::{ClientError, Ending, Ran};
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
    /// What it does when its connection has failed.
    pub after_failure: AfterFailure,
    /// What it does when its tries are spent.
    pub spent: Spent,
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

/// What a client does when its connection has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// It goes on in the session that it has; a process that ended stays away for good.
    GoOn,
    /// It makes another connection, which begins with a handshake.
    Reconnect,
}

/// What a client does when its tries are spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// The call fails; the next one has tries of its own.
    CallFails,
    /// Is of no more use until somebody starts it anew.
    GiveUp,
}

/// What a client remembers from failure to failure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct State {
    /// Failures one after the other, those of calls side by side counted once.
    pub failed: u32,
    /// When it tries again after the last of them, by the clock that decisions are made by.
    pub next_try: Duration,
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
    /// The process ended that the connection was with; whether what was sent may have run.
    Ended(Ran),
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
    /// Nothing: this call has failed, and the next one begins with a handshake.
    Leave,
    /// Nothing, ever.
    GiveUp,
}

impl Failed {
    /// What kind of failure an error is.
    #[must_use]
    pub fn of(error: &ClientError) -> Self {
        match (error, error.ran()) {
            (ClientError::SessionLost, _) => Self::SessionLost,
            (ClientError::Closed { ending: Ending::Exited(_), .. }, ran) => Self::Ended(ran),
            (ClientError::Auth { .. } | ClientError::Invalid(_) | ClientError::Refused(_), _) => {
                Self::Refused
            }
            (_, Ran::No) => Self::Unreached,
            (_, Ran::Unknown) => Self::Unknown,
        }
    }
}

impl Rule {
    /// What is done after a failure that is known at `now`, and what is remembered of it.
    #[must_use]
    pub fn next(&self, state: State, failed: Failed, now: Duration) -> (Next, State) {
        let for_good = (Next::GiveUp, State { gave_up: true, ..state });
        match failed {
            _ if state.gave_up => for_good,
            Failed::SessionLost if self.session_lost == SessionLost::GiveUp => for_good,
            Failed::Ended(_) if self.after_failure == AfterFailure::GoOn => for_good,
            Failed::Refused => (Next::End, state),
            Failed::Unknown if !self.repeats_unknown => (Next::End, State::default()),
            // Its process is gone: the next call begins with a handshake.
            Failed::Ended(Ran::Unknown) if !self.repeats_unknown => (Next::Leave, State::default()),
            // A call beside this one failed before: both wait for the same try.
            _ if now < state.next_try => (self.again(failed, state.next_try - now), state),
            _ if self.retries.is_some_and(|most| state.failed >= most) => match self.spent {
                Spent::GiveUp => for_good,
                Spent::CallFails => (self.end(), State::default()),
            },
            Failed::Unreached | Failed::Unknown | Failed::SessionLost | Failed::Ended(_) => {
                let wait = self.wait(state.failed);
                let failures = state.failed.saturating_add(1);
                let after = State { failed: failures, next_try: now.saturating_add(wait), ..state };
                (self.again(failed, wait), after)
            }
        }
    }

    fn again(&self, failed: Failed, wait: Duration) -> Next {
        let is_gone = matches!(failed, Failed::SessionLost | Failed::Ended(_));
        if is_gone || self.after_failure == AfterFailure::Reconnect {
            Next::Anew(wait)
        } else {
            Next::Again(wait)
        }
    }

    const fn end(&self) -> Next {
        match self.after_failure {
            AfterFailure::GoOn => Next::End,
            AfterFailure::Reconnect => Next::Leave,
        }
    }

    /// The wait before the try after so many failures.
    fn wait(&self, failed: u32) -> Duration {
        let factor = self.factor.powi(i32::try_from(failed).unwrap_or(i32::MAX));
        let wait = self.first.as_secs_f64() * factor;
        Duration::from_secs_f64(wait.min(self.longest.as_secs_f64()))
    }
}

//! One thing tried until it works, or until a rule says that it does not.

use super::habits::{Failed, Next, Rule, State};
use mcp_client::ClientError;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::{Instant, sleep_until};

/// What a client knows of its tries, over all its calls.
pub(super) struct Tries {
    rule: Rule,
    began: Instant,
    state: Mutex<State>,
}

/// Why nothing came of something, and whether its connection is of any more use.
pub(super) struct Failure {
    pub(super) error: ClientError,
    /// Whether the next call begins with a handshake.
    pub(super) leave: bool,
}

impl Tries {
    pub(super) fn new(rule: Rule) -> Self {
        Self { rule, began: Instant::now(), state: Mutex::default() }
    }

    /// Whether nothing is tried any more.
    pub(super) fn gave_up(&self) -> bool {
        self.state().gave_up
    }

    /// Tries it again and again, at most until then. It is told whether to begin with a handshake.
    pub(super) async fn until<T, F>(
        &self,
        until: Instant,
        mut once: impl FnMut(bool) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let mut anew = false;
        loop {
            let error = match once(anew).await {
                Ok(done) => {
                    *self.state() = State::default();
                    return Ok(done);
                }
                Err(error) => error,
            };
            let (wait, shakes_hands) = match self.next(&error) {
                Next::Again(wait) => (wait, false),
                Next::Anew(wait) => (wait, true),
                Next::End | Next::GiveUp => return Err(Failure { error, leave: false }),
                Next::Leave => return Err(Failure { error, leave: true }),
            };
            anew = shakes_hands;
            let next = Instant::now() + wait;
            if next >= until {
                return Err(Failure { error, leave: anew });
            }
            sleep_until(next).await;
        }
    }

    fn next(&self, error: &ClientError) -> Next {
        // A call that ran out of time is over, whatever the rule.
        if matches!(error, ClientError::Unfinished(_)) {
            return Next::End;
        }
        let now = self.began.elapsed();
        let mut state = self.state();
        let (next, after) = self.rule.next(*state, Failed::of(error), now);
        *state = after;
        next
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persona::{Nature, by_name};
    use std::{cell::Cell, time::Duration};

    fn tries(name: &str) -> Tries {
        match by_name(name).expect("a persona").nature {
            Nature::Rule(rule) => Tries::new(rule),
            Nature::Own => panic!("{name} follows no rule"),
        }
    }

    fn away() -> ClientError {
        ClientError::Connect("nobody there".to_owned())
    }

    fn after(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    /// A server that is away for so many seconds from now: when it was asked, and how it ended.
    async fn outage(tries: &Tries, seconds: u64, deadline: u64) -> (Vec<f64>, bool) {
        let (began, back, asked) = (Instant::now(), after(seconds), Cell::new(Vec::new()));
        let once = |_| {
            let mut times = asked.take();
            times.push(began.elapsed().as_secs_f64());
            asked.set(times);
            let there = Instant::now() >= back;
            async move { if there { Ok(()) } else { Err(away()) } }
        };
        let ended = tries.until(after(deadline), once).await.is_ok();
        (asked.into_inner(), ended)
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_lived_through_or_not_as_the_rule_has_it() {
        let of = |name, seconds| async move { outage(&tries(name), seconds, 600).await };
        assert_eq!(of("typescript-sdk", 2).await, (vec![0.0, 1.0, 2.5], true));
        assert_eq!(of("typescript-sdk", 3).await, (vec![0.0, 1.0, 2.5], false));
        assert_eq!(of("python-sdk", 2).await, (vec![0.0, 1.0, 2.0], true));
        assert_eq!(of("claude-code-http", 30).await.0, [0.0, 1.0, 3.0, 7.0, 15.0, 31.0]);
        assert_eq!(of("claude-code-stdio", 1).await, (vec![0.0], false));
        assert_eq!(of("vscode", 1).await, (vec![0.0], false));
        assert!(of("rmcp", 100).await.1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gave_up_asks_nobody_and_who_did_not_comes_back() {
        let claude = tries("claude-code-http");
        assert!(!outage(&claude, 60, 600).await.1);
        assert!(claude.gave_up());
        let python = tries("python-sdk");
        assert!(!outage(&python, 60, 600).await.1);
        assert!(!python.gave_up());
        assert_eq!(outage(&python, 1, 600).await, (vec![0.0, 1.0], true));
    }

    #[tokio::test(start_paused = true)]
    async fn no_try_is_made_after_the_deadline() {
        let began = Instant::now();
        assert_eq!(outage(&tries("rmcp"), 600, 4).await, (vec![0.0, 1.0, 3.0], false));
        assert_eq!(began.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_try_after_a_lost_session_begins_with_a_handshake() {
        let lost = Cell::new(true);
        let once = |anew| {
            let fails = lost.replace(false);
            async move { if fails { Err(ClientError::SessionLost) } else { Ok(anew) } }
        };
        assert!(tries("rmcp").until(after(60), once).await.is_ok_and(|anew| anew));
    }
}

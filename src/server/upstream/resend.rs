//! What to do with a call after a try that got no answer. Pure: time and state are passed in.

use mcp_client::{ClientError, Ran};
use mcp_telemetry::Replay;
use std::time::Duration;
use tokio::time::Instant;

/// Most times that a call is sent again to a server that may have had it already.
const MOST: u32 = 3;
/// Wait before that, unless the server said.
const PAUSE: Duration = Duration::from_millis(250);
/// What each call of an upstream adds to what may be sent again: a fifth of a call.
const SHARE: f64 = 0.2;
/// What may be sent again however few calls there were, regained at one a second.
const FLOOR: f64 = 10.0;
/// Most that is put by.
const MOST_SAVED: f64 = 100.0;

/// How much may be sent again to one upstream: a fifth of its calls, and a little more. It keeps a
/// server that is in trouble from getting every call several times.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    saved: f64,
    at: Instant,
}

impl Budget {
    /// The floor is there from the start.
    pub(super) const fn new(now: Instant) -> Self {
        Self { saved: FLOOR, at: now }
    }

    /// A call was sent for the first time.
    pub(super) fn earn(&mut self) {
        self.saved = (self.saved + SHARE).min(MOST_SAVED);
    }

    /// Whether one may be sent again; then it is taken off.
    pub(super) fn spend(&mut self, now: Instant) -> bool {
        if self.saved < FLOOR {
            let regained = now.saturating_duration_since(self.at).as_secs_f64();
            self.saved = (self.saved + regained).min(FLOOR);
        }
        self.at = now;
        let enough = self.saved >= 1.0;
        if enough {
            self.saved -= 1.0;
        }
        enough
    }
}

/// A call that was tried, and got no answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tried<'a> {
    /// Why.
    pub(super) error: &'a ClientError,
    /// Whether running it twice does no harm.
    pub(super) is_repeatable: bool,
    /// How often it was sent again to a server that may have had it.
    pub(super) resent: u32,
    /// How often a session of its client's own failed it, this time included.
    pub(super) lost: u32,
    /// How long it may still take.
    pub(super) left: Duration,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It is sent again, after this wait.
    Again {
        /// How long to wait.
        wait: Duration,
        /// Whether the server may have had it: then it counts.
        counts: bool,
    },
    /// It is not sent again.
    Stop(Replay),
}

impl Next {
    /// What is counted.
    pub(super) const fn decision(self) -> Replay {
        match self {
            Self::Again { .. } => Replay::Resent,
            Self::Stop(why) => why,
        }
    }
}

/// Decides. `spend` asks the budget, and is asked only when everything else allows it.
pub(super) fn next(tried: Tried<'_>, spend: impl FnOnce() -> bool) -> Next {
    let ran = tried.error.ran();
    if ran == Ran::Unknown && !tried.is_repeatable {
        return Next::Stop(Replay::RefusedUnsafe);
    }
    let Some(wait) = pause(tried.error, tried.lost) else { return Next::Stop(Replay::NotNeeded) };
    // What never left waits for a link, which is bounded elsewhere and troubles nobody.
    let counts = ran == Ran::Unknown || matches!(tried.error, ClientError::Http { .. });
    let may = !counts || (tried.resent < MOST && wait < tried.left && spend());
    if may { Next::Again { wait, counts } } else { Next::Stop(Replay::NotNeeded) }
}

/// How long to wait before a call is sent again; `None` if it would end the same way. Nobody
/// paces the sessions of a client's own, so from the second that was lost on it is done here.
fn pause(error: &ClientError, lost: u32) -> Option<Duration> {
    let at_once = if lost < 2 { Duration::ZERO } else { PAUSE };
    match error {
        ClientError::SessionLost | ClientError::Connect(_) | ClientError::Tls(_) => Some(at_once),
        ClientError::Closed { sent, .. } => Some(if *sent { PAUSE } else { at_once }),
        ClientError::Http { status: 429 | 502..=504, retry_after } => {
            Some(retry_after.unwrap_or(PAUSE).max(PAUSE))
        }
        ClientError::Http { .. }
        | ClientError::Spawn { .. }
        | ClientError::Timeout { .. }
        | ClientError::Refused(_)
        | ClientError::Auth { .. }
        | ClientError::Protocol(_)
        | ClientError::TooLarge { .. }
        | ClientError::Invalid(_)
        | ClientError::Busy
        | ClientError::Unfinished(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_client::Ending;
    use proptest::prelude::*;

    fn closed(sent: bool) -> ClientError {
        ClientError::Closed { sent, ending: Ending::Lost("reset".to_owned()) }
    }

    fn http(status: u16) -> ClientError {
        ClientError::Http { status, retry_after: None }
    }

    fn after(error: &ClientError, is_repeatable: bool) -> Replay {
        let left = Duration::from_secs(30);
        next(Tried { error, is_repeatable, resent: 0, lost: 0, left }, || true).decision()
    }

    #[test]
    fn what_may_have_run_is_sent_again_only_if_that_does_no_harm() {
        for error in [closed(true), http(502), http(503)] {
            assert_eq!(after(&error, false), Replay::RefusedUnsafe, "{error}");
            assert_eq!(after(&error, true), Replay::Resent, "{error}");
        }
        let refused = ClientError::Connect("refused".to_owned());
        for error in [closed(false), http(429), ClientError::SessionLost, refused] {
            assert_eq!(after(&error, false), Replay::Resent, "{error}");
        }
        assert_eq!(after(&ClientError::Auth { status: 401 }, true), Replay::NotNeeded);
        assert_eq!(after(&ClientError::Auth { status: 403 }, false), Replay::RefusedUnsafe);
    }

    fn errors() -> impl Strategy<Value = ClientError> {
        prop_oneof![
            any::<bool>().prop_map(closed),
            (400u16..600).prop_map(http),
            Just(ClientError::SessionLost),
            Just(ClientError::Busy),
            Just(ClientError::Connect("refused".to_owned())),
            Just(ClientError::Auth { status: 403 }),
            Just(ClientError::Protocol("no answer".to_owned())),
            Just(ClientError::TooLarge { limit: 1 }),
        ]
    }

    proptest! {
        #[test]
        fn nothing_runs_twice_and_nothing_goes_on_for_ever(
            error in errors(),
            is_repeatable: bool,
            resent in 0u32..10,
            lost in 0u32..4,
            left in 0u64..10_000,
            budget: bool,
        ) {
            let left = Duration::from_millis(left);
            let mut asked = false;
            let found = next(Tried { error: &error, is_repeatable, resent, lost, left }, || {
                asked = true;
                budget
            });
            if let Next::Again { wait, counts } = found {
                prop_assert!(error.ran() == Ran::No || is_repeatable);
                prop_assert!(!counts || (budget && resent < MOST && wait < left));
                prop_assert!(counts || error.ran() == Ran::No);
                prop_assert!(lost < 2 || wait >= PAUSE, "no session after session at once");
            } else {
                prop_assert!(!asked || !budget, "what is not sent costs nothing");
            }
        }

        #[test]
        fn no_more_is_sent_again_than_a_fifth_and_the_floor(
            steps in prop::collection::vec((0u64..3_000, any::<bool>()), 1..400),
        ) {
            let begun = Instant::now();
            let (mut budget, mut now) = (Budget::new(begun), begun);
            let (mut calls, mut granted) = (0.0, 0.0);
            for (passed, is_call) in steps {
                now += Duration::from_millis(passed);
                if is_call {
                    budget.earn();
                    calls += 1.0;
                } else if budget.spend(now) {
                    granted += 1.0;
                }
                let seconds = (now - begun).as_secs_f64();
                prop_assert!(granted <= FLOOR + SHARE * calls + seconds + 1e-6);
            }
        }

        #[test]
        fn a_quiet_upstream_gets_its_floor_back(spent in 0u32..200) {
            let begun = Instant::now();
            let mut budget = Budget::new(begun);
            for _ in 0..spent {
                budget.spend(begun);
            }
            let later = begun + Duration::from_secs(60);
            for _ in 0..10 {
                prop_assert!(budget.spend(later));
            }
        }
    }
}

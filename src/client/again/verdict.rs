//! What to do with a call after a try that got no answer.

use crate::{ClientError, Ran};
use std::time::Duration;

/// Most times that a call is sent again to a server that may have had it already.
const MOST: u32 = 3;
/// Wait before the first of them, unless the server said: between this and twice as long; each
/// further one waits twice as long as the one before.
const PAUSE: Duration = Duration::from_millis(250);

/// A call that was tried, and got no answer.
#[derive(Debug, Clone, Copy)]
pub struct Tried<'a> {
    /// Why.
    pub error: &'a ClientError,
    /// Whether running it twice does no harm.
    pub may_repeat: bool,
    /// How often it was sent again to a server that may have had it: how often
    /// [`Next::Again::counts`] was said of it.
    pub resent: u32,
    /// How often it lost a session, or a connection that nobody else paces, this time included.
    pub lost: u32,
    /// How long it may still take.
    pub left: Duration,
    /// Drawn evenly from 0 to 1, so that calls that failed together do not come back together.
    pub chance: f64,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is sent again, after this wait, once there is a connection.
    Again {
        /// How long to wait.
        wait: Duration,
        /// Whether the server may have had it: then it counts.
        counts: bool,
    },
    /// It is not sent again.
    Stop(Stop),
}

/// Why a call is not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It may have run, and may not run twice.
    Unsafe,
    /// The same would come of it, or it was sent often enough.
    Useless,
}

impl Tried<'_> {
    /// Decides. `spend` asks the [`Budget`](crate::Budget), and is asked only when everything
    /// else allows it.
    pub fn next(self, spend: impl FnOnce() -> bool) -> Next {
        let ran = self.error.ran();
        if ran == Ran::Unknown && !self.may_repeat {
            return Next::Stop(Stop::Unsafe);
        }
        let Some(wait) = self.pause() else { return Next::Stop(Stop::Useless) };
        // What never left waits for a connection, which is bounded elsewhere and troubles nobody.
        let counts = ran == Ran::Unknown || self.loses_sessions() || is_answer(self.error);
        // Sent at its deadline, it might run after all.
        let is_in_time = wait.is_zero() || wait < self.left;
        let may = is_in_time && (!counts || (self.resent < MOST && spend()));
        if may { Next::Again { wait, counts } } else { Next::Stop(Stop::Useless) }
    }

    /// How long to wait before it is sent again; `None` if it would end the same way. Who opens
    /// connections paces that, but not one session after another.
    fn pause(&self) -> Option<Duration> {
        let pause = PAUSE.saturating_mul(1 << self.resent.min(MOST));
        let pause = pause.mul_f64(1.0 + self.chance.clamp(0.0, 1.0));
        let at_once = if self.lost < 2 { Duration::ZERO } else { pause };
        match self.error {
            ClientError::SessionLost | ClientError::Connect(_) | ClientError::Tls(_) => {
                Some(at_once)
            }
            ClientError::Closed { sent, .. } => Some(if *sent { pause } else { at_once }),
            ClientError::Http { status: 429 | 502..=504, retry_after } => {
                Some(retry_after.unwrap_or_default().max(pause))
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

    /// Whether one session after another is lost: such a server opens them, and knows none.
    const fn loses_sessions(&self) -> bool {
        matches!(self.error, ClientError::SessionLost) && self.lost >= 2
    }
}

const fn is_answer(error: &ClientError) -> bool {
    matches!(error, ClientError::Http { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ending;
    use proptest::prelude::*;

    fn closed(sent: bool, ending: Ending) -> ClientError {
        ClientError::Closed { sent, ending }
    }

    fn lost(sent: bool) -> ClientError {
        closed(sent, Ending::Lost("reset".to_owned()))
    }

    const fn http(status: u16) -> ClientError {
        ClientError::Http { status, retry_after: None }
    }

    fn tried(error: &ClientError, may_repeat: bool) -> Tried<'_> {
        let left = Duration::from_secs(30);
        Tried { error, may_repeat, resent: 0, lost: 0, left, chance: 0.5 }
    }

    #[test]
    fn only_what_did_not_run_or_may_run_twice_is_sent_again() {
        use Stop::{Unsafe, Useless};
        let again = None;
        // The failure; why it is not sent again; why not where it may run twice.
        let table = [
            (ClientError::Connect("refused".into()), again, again),
            (ClientError::Tls("expired".into()), again, again),
            (ClientError::SessionLost, again, again),
            (lost(false), again, again),
            (lost(true), Some(Unsafe), again),
            (closed(true, Ending::Exited("1".into())), Some(Unsafe), again),
            (closed(true, Ending::ByUs), Some(Unsafe), again),
            (closed(true, Ending::Withdrawn), Some(Unsafe), again),
            (http(429), again, again),
            (http(502), Some(Unsafe), again),
            (http(503), Some(Unsafe), again),
            (http(500), Some(Unsafe), Some(Useless)),
            (ClientError::Auth { status: 401 }, Some(Useless), Some(Useless)),
            (ClientError::Auth { status: 403 }, Some(Unsafe), Some(Useless)),
            (ClientError::Protocol("x".into()), Some(Unsafe), Some(Useless)),
            (ClientError::TooLarge { limit: 1 }, Some(Unsafe), Some(Useless)),
            (ClientError::Invalid("x".into()), Some(Useless), Some(Useless)),
            (ClientError::Busy, Some(Useless), Some(Useless)),
        ];
        for (error, once, repeatable) in table {
            for (may_repeat, expected) in [(false, once), (true, repeatable)] {
                let found = match tried(&error, may_repeat).next(|| true) {
                    Next::Again { .. } => None,
                    Next::Stop(why) => Some(why),
                };
                assert_eq!(found, expected, "{error:?} {may_repeat}");
            }
        }
    }

    #[test]
    fn who_asks_for_time_gets_it_and_waits_grow() {
        let asked = ClientError::Http { status: 503, retry_after: Some(Duration::from_secs(7)) };
        let wait = |tried: Tried<'_>| match tried.next(|| true) {
            Next::Again { wait, .. } => wait.as_millis(),
            Next::Stop(why) => panic!("{why:?}"),
        };
        assert_eq!(wait(tried(&asked, true)), 7_000);
        let error = http(503);
        let waits = [0, 1, 2].map(|resent| wait(Tried { resent, ..tried(&error, true) }));
        assert_eq!(waits, [375, 750, 1_500]);
    }

    fn errors() -> impl Strategy<Value = ClientError> {
        prop_oneof![
            any::<bool>().prop_map(lost),
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
            may_repeat: bool,
            resent in 0u32..10,
            lost in 0u32..4,
            left in 0u64..10_000,
            chance in -1.0f64..2.0,
            budget: bool,
        ) {
            let left = Duration::from_millis(left);
            let mut asked = false;
            let tried = Tried { error: &error, may_repeat, resent, lost, left, chance };
            let found = tried.next(|| {
                asked = true;
                budget
            });
            if let Next::Again { wait, counts } = found {
                prop_assert!(error.ran() == Ran::No || may_repeat);
                prop_assert!(!counts || (budget && resent < MOST && wait < left));
                prop_assert!(counts || error.ran() == Ran::No);
                prop_assert!(lost < 2 || wait >= PAUSE, "no session after session at once");
                prop_assert!(counts || lost < 2 || error != ClientError::SessionLost);
            } else {
                prop_assert!(!asked || !budget, "what is not sent costs nothing");
            }
        }
    }
}

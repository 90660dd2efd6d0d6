//! When to try to reach the server next: after how it failed, the waits between tries, the bound on
//! their number and the breaker. Decides only; clock and chance are passed in.

use super::{breaker::Breaker, config::ClientConfig, rate::Rate};
use crate::{ClientError, Retry, Tries};
use std::time::Duration;
use tokio::time::Instant;

/// Tries that calls ask for are at least this far apart: many calls that come at once make one.
const AT_ONCE: Duration = Duration::from_millis(100);
/// A connection that lived this long counts as a success.
const HEALTHY: Duration = Duration::from_secs(10);
/// The longest time that a server may ask us to stay away.
const LONGEST_STAY_AWAY: Duration = Duration::from_secs(3_600);

/// What to do after a failed try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Try again by oneself then.
    At(Instant),
    /// Only when somebody uses the client.
    OnUse,
    /// Only when the user says so: the server does not let us in.
    OnWish,
}

/// The pace of one client.
#[derive(Debug)]
pub(super) struct Pace {
    tries: Tries,
    rate: Option<Rate>,
    breaker: Option<Breaker>,
    /// When it was last reached, if it has not been lost since.
    reached: Option<Instant>,
    /// Not before, as the server asked.
    stay_away: Option<Instant>,
    last: Option<Instant>,
}

impl Pace {
    /// Nothing tried yet.
    pub(super) fn new(config: &ClientConfig) -> Self {
        Self {
            tries: Tries::new(config.backoff),
            rate: config.connection_rate.map(Rate::new),
            breaker: config.breaker.map(Breaker::new),
            reached: None,
            stay_away: None,
            last: None,
        }
    }

    /// The first moment at which a try may be, whoever asks for it.
    pub(super) fn earliest(&self, now: Instant) -> Instant {
        let rate = self.rate.as_ref().map(|rate| now + rate.wait(now));
        let breaker = self.breaker.as_ref().map(|breaker| now + breaker.wait(now));
        let spaced = self.last.map(|last| last + AT_ONCE);
        [rate, breaker, spaced, self.stay_away].into_iter().flatten().fold(now, Instant::max)
    }

    /// A try begins.
    pub(super) fn begin(&mut self, now: Instant) {
        self.last = Some(now);
        if let Some(rate) = &mut self.rate {
            rate.begin(now);
        }
        if let Some(breaker) = &mut self.breaker {
            breaker.begin(now);
        }
    }

    /// It failed; `chance` is drawn evenly from 0 to 1.
    pub(super) fn fail(&mut self, error: &ClientError, now: Instant, chance: f64) -> Next {
        if let Some(breaker) = &mut self.breaker {
            breaker.fail(now);
        }
        self.stay_away = error.retry_after().map(|wait| now + wait.min(LONGEST_STAY_AWAY));
        let wait = self.tries.fail(now, chance);
        match (error.retry(), wait) {
            (Retry::Never, _) => Next::OnWish,
            (Retry::Now | Retry::Later, Some(wait)) => Next::At(now + wait),
            (Retry::Now | Retry::Later, None) => Next::OnUse,
        }
    }

    /// It succeeded.
    pub(super) fn succeed(&mut self, now: Instant) {
        self.reached = Some(now);
        self.stay_away = None;
        if let Some(breaker) = &mut self.breaker {
            breaker.succeed();
        }
    }

    /// A connection was lost. The next try comes at once, unless one after the other is lost soon:
    /// a server that lets us in and then knows nothing of us is tried as one that fails.
    pub(super) fn lose(&mut self, now: Instant, chance: f64) -> Next {
        let lived = self.reached.take().map(|reached| now.saturating_duration_since(reached));
        if lived.is_none_or(|lived| lived >= HEALTHY) {
            self.tries.reset();
            return Next::At(now);
        }
        let is_first = self.tries.failed() == 0;
        match self.tries.fail(now, chance) {
            _ if is_first => Next::At(now),
            // What ends a connection is no word on the next one.
            Some(wait) => Next::At(now + wait),
            None => Next::OnUse,
        }
    }

    /// How many have failed since it was last there for a while.
    pub(super) const fn failed(&self) -> u32 {
        self.tries.failed()
    }

    /// The user wants another row of tries.
    pub(super) fn again(&mut self) {
        self.tries.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Backoff, Target};
    use std::collections::BTreeMap;

    fn pace(backoff: Backoff) -> Pace {
        let target = Target::http("http://a.test/", BTreeMap::new()).expect("a URL");
        let config = ClientConfig { backoff, ..ClientConfig::patient(target) };
        Pace::new(&config)
    }

    /// Lost so many times, each time after so long; the waits that follow.
    fn waits(pace: &mut Pace, times: u32, lived: Duration) -> Vec<Option<u64>> {
        let mut now = Instant::now();
        let mut lose = || {
            pace.succeed(now);
            now += lived;
            match pace.lose(now, 1.0) {
                Next::At(at) => {
                    let wait = at - now;
                    now = at;
                    Some(wait.as_millis().try_into().expect("short"))
                }
                Next::OnUse | Next::OnWish => None,
            }
        };
        (0..times).map(|_| lose()).collect()
    }

    #[test]
    fn who_is_let_in_and_lost_at_once_comes_back_less_and_less_often() {
        let mut patient = pace(Backoff::patient());
        let found = waits(&mut patient, 1_300, Duration::ZERO);
        assert_eq!(found[..3], [Some(0), Some(500), Some(500)]);
        assert_eq!(found.last(), Some(&Some(30_000)));
        let found = waits(&mut pace(Backoff::default()), 10, Duration::from_secs(9));
        assert_eq!(found[..4], [Some(0), Some(2_000), Some(4_000), Some(8_000)]);
        assert_eq!(found[9], None);
    }

    #[test]
    fn who_was_there_for_a_while_is_come_back_to_at_once() {
        let mut pace = pace(Backoff::patient());
        waits(&mut pace, 1_300, Duration::ZERO);
        assert_eq!(waits(&mut pace, 3, HEALTHY), [Some(0); 3]);
        assert_eq!(pace.failed(), 0);
    }
}

//! When to try to reach the server next: after how it failed, the waits between tries, the bound on
//! their number and the breaker. Decides only; clock and chance are passed in.

use super::{breaker::Breaker, config::ClientConfig, rate::Rate};
use crate::{Backoff, ClientError, Retry, Tries};
use std::time::Duration;
use tokio::time::Instant;

/// Tries that calls ask for are at least this far apart: many calls that come at once make one.
const AT_ONCE: Duration = Duration::from_millis(100);
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
    pub(super) fn succeed(&mut self) {
        self.tries.reset();
        self.stay_away = None;
        if let Some(breaker) = &mut self.breaker {
            breaker.succeed();
        }
    }

    /// How many have failed since the last success.
    pub(super) const fn failed(&self) -> u32 {
        self.tries.failed()
    }

    /// The user wants another row of tries.
    pub(super) fn again(&mut self) {
        self.tries.reset();
    }
}

/// The wait before a call that was answered with trouble is sent again.
pub(super) fn resend_wait(error: &ClientError, resends: u32, chance: f64) -> Duration {
    let doubled = Backoff { steady: Duration::ZERO, ..Backoff::default() };
    let longest = doubled.first.saturating_mul(2_u32.saturating_pow(resends.min(16)));
    let wait = longest.min(doubled.longest).mul_f64(chance.clamp(0.0, 1.0)) / 4;
    error.retry_after().unwrap_or_default().max(wait)
}

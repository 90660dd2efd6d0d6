//! When an upstream that is away is tried again: every half second for ten minutes, then less and
//! less often, for ever, and soon when a call wants it. One that is reached and lost again and again
//! (a process that starts and crashes) is no better off.
//!
//! There is no circuit breaker on top. It would keep calls from a dead server, and none goes to
//! one: they wait for the link, which only the supervisor opens, one try at a time.

use super::lane::Lane;
use futures_util::future::select_all;
use mcp_client::{Backoff, ClientError, Tries};
use std::{pin::pin, time::Duration};
use tokio::time::{Instant, sleep};

/// Shortest wait between two tries: however many calls want the upstream, they make one try.
const SOONEST: Duration = Duration::from_millis(250);
/// Longest wait that a server may ask for.
const LONGEST: Duration = Duration::from_secs(30);

/// A link that lived this long counts as healthy: when it is lost, the next try comes at once.
const HEALTHY: Duration = Duration::from_secs(10);

/// The tries of one lane since it was last healthy.
pub(super) struct Retry {
    /// Those since the upstream was last reached.
    away: Tries,
    /// Those that reached it, in vain.
    reached: Tries,
}

/// A wait before the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pause {
    /// How long it is when no call comes.
    pub(super) longest: Duration,
    /// How long it is at least.
    shortest: Duration,
}

impl Retry {
    /// None yet.
    pub(super) const fn new() -> Self {
        Self { away: Tries::new(Backoff::patient()), reached: Tries::new(Backoff::patient()) }
    }

    /// A link that lived so long was lost: how long to wait before the next try.
    pub(super) fn lost(&mut self, error: &ClientError, lived: Duration) -> Option<Pause> {
        if lived >= HEALTHY {
            *self = Self::new();
            return None;
        }
        self.away.reset();
        Some(self.failed(error))
    }

    /// One failed: how long to wait before the next. A server that was reached is on its way
    /// back: its tries count from the first again, but for ten minutes only. One that asks for time, or does not take our
    /// credentials, is not hurried by calls.
    pub(super) fn failed(&mut self, error: &ClientError) -> Pause {
        // Without jitter chance has no say; without a bound there is always a next try.
        let fail = |tries: &mut Tries| tries.fail(Instant::now(), 1.0).unwrap_or(LONGEST);
        let wait = if was_reached(error) {
            self.away.reset();
            fail(&mut self.away).max(fail(&mut self.reached))
        } else {
            fail(&mut self.away)
        };
        let asked = if matches!(error, ClientError::Auth { .. }) {
            Some(LONGEST)
        } else {
            error.retry_after().map(|after| after.clamp(SOONEST, LONGEST))
        };
        match asked {
            Some(asked) => Pause { longest: asked.max(wait), shortest: asked },
            None => Pause { longest: wait, shortest: wait.min(SOONEST) },
        }
    }
}

impl Pause {
    /// Waits until it is over; a call that needs one of these lanes cuts it short.
    pub(super) async fn over<const N: usize>(self, lanes: [&Lane; N]) {
        sleep(self.shortest).await;
        let missed = select_all(lanes.map(|lane| Box::pin(lane.missed())));
        let mut missed = pin!(missed);
        tokio::select! {
            () = sleep(self.longest.saturating_sub(self.shortest)) => {}
            _called = &mut missed => {}
        }
    }
}

/// Whether a connection was accepted, or a process started, before it went wrong.
const fn was_reached(error: &ClientError) -> bool {
    !matches!(error, ClientError::Connect(_) | ClientError::Spawn { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::Era;

    fn refused() -> ClientError {
        ClientError::Connect("refused".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_port_is_tried_less_and_less_often_and_a_live_one_soon() {
        let mut retry = Retry::new();
        let half = Duration::from_millis(500);
        assert_eq!(retry.failed(&refused()).longest, half);
        tokio::time::advance(Duration::from_secs(3_600)).await;
        let waits: Vec<_> = (0..9).map(|_| retry.failed(&refused()).longest.as_millis()).collect();
        assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000]);
        let reached = ClientError::Timeout { method: "initialize", after: half };
        assert_eq!(retry.failed(&reached).longest, half);
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_starts_and_crashes_is_tried_less_and_less_often() {
        let ending = mcp_client::Ending::Exited("exit status: 1".to_owned());
        let crashed = ClientError::Closed { sent: false, ending };
        let mut retry = Retry::new();
        let (began, mut tries) = (Instant::now(), 0);
        while began.elapsed() < Duration::from_secs(3_600) {
            // Half of them crash after the handshake.
            let pause = if tries % 2 == 0 {
                retry.failed(&crashed)
            } else {
                retry.lost(&crashed, Duration::from_secs(9)).expect("it did not live long")
            };
            tokio::time::advance(pause.longest).await;
            tries += 1;
        }
        assert!((1_200..1_320).contains(&tries), "{tries} tries in an hour");
        assert_eq!(retry.failed(&crashed).longest, LONGEST);
        assert_eq!(retry.failed(&refused()).longest, Duration::from_millis(500));
        assert_eq!(retry.lost(&crashed, HEALTHY), None);
        assert_eq!(retry.failed(&crashed).longest, Duration::from_millis(500));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_calls_makes_one_try() {
        let lane = Lane::new(Era::Legacy);
        let mut retry = Retry::new();
        retry.failed(&refused());
        tokio::time::advance(Duration::from_secs(3_600)).await;
        let pause = retry.failed(&refused());
        for _ in 0..1_000 {
            lane.miss();
        }
        let began = Instant::now();
        pause.over([&lane]).await;
        assert_eq!(began.elapsed(), SOONEST);
        pause.over([&lane]).await;
        assert_eq!(began.elapsed(), SOONEST + pause.longest);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_time_gets_it() {
        let lane = Lane::new(Era::Legacy);
        let busy = |seconds| ClientError::Http {
            status: 503,
            retry_after: Some(Duration::from_secs(seconds)),
        };
        for (error, waited) in
            [(busy(4), 4), (busy(4_000), 30), (ClientError::Auth { status: 401 }, 30)]
        {
            lane.miss();
            let began = Instant::now();
            Retry::new().failed(&error).over([&lane]).await;
            assert_eq!(began.elapsed(), Duration::from_secs(waited), "{error}");
        }
    }
}

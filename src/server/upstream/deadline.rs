//! Until when a call may take: progress moves the end, up to a ceiling.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep_until, timeout_at};

/// Until when one call may take.
#[derive(Debug)]
pub(super) struct Deadline {
    at: Mutex<Instant>,
    /// How long it may take from here, and from each report of progress.
    pub(super) limit: Duration,
    ceiling: Instant,
}

impl Deadline {
    /// From now on; never later than after `ceiling`, unless `limit` is longer.
    pub(super) fn new(limit: Duration, ceiling: Duration) -> Self {
        let now = Instant::now();
        Self { at: Mutex::new(now + limit), limit, ceiling: now + ceiling.max(limit) }
    }

    /// When it is over, as it stands.
    pub(super) fn at(&self) -> Instant {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long it may still take.
    pub(super) fn left(&self) -> Duration {
        self.at().saturating_duration_since(Instant::now())
    }

    /// There was progress: it may take its limit again.
    pub(super) fn extend(&self) {
        let next = (Instant::now() + self.limit).min(self.ceiling);
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }

    /// What comes within it; `None` when the time is over.
    pub(super) async fn within<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = std::pin::pin!(future);
        let mut at = self.at();
        loop {
            if let Ok(output) = timeout_at(at, &mut future).await {
                return Some(output);
            }
            let moved = self.at();
            if moved <= at {
                return None;
            }
            at = moved;
        }
    }

    /// Waits, but not beyond it.
    pub(super) async fn sleep(&self, wait: Duration) {
        sleep_until((Instant::now() + wait).min(self.at())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    #[tokio::test(start_paused = true)]
    async fn progress_moves_the_end_up_to_the_ceiling() {
        let seconds = Duration::from_secs;
        let (began, deadline) = (Instant::now(), Deadline::new(seconds(10), seconds(25)));
        let call = async {
            for _ in 0..100 {
                sleep(seconds(6)).await;
                deadline.extend();
            }
        };
        assert!(deadline.within(call).await.is_none());
        assert_eq!(began.elapsed(), seconds(25));
    }

    #[tokio::test(start_paused = true)]
    async fn without_progress_it_is_the_limit() {
        let (began, limit) = (Instant::now(), Duration::from_secs(10));
        let deadline = Deadline::new(limit, Duration::ZERO);
        assert!(deadline.within(std::future::pending::<()>()).await.is_none());
        assert_eq!(began.elapsed(), limit);
        assert_eq!(
            deadline.within(std::future::ready(1)).await,
            Some(1),
            "an answer in time counts"
        );
    }
}

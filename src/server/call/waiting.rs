//! Waiting, as a call does it: what is ready at once costs no timer, and who has to be told of
//! something is woken for it.

use futures_util::task::AtomicWaker;
use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::atomic::{AtomicBool, Ordering},
    task::Poll,
    time::Duration,
};
use tokio::time::{error::Elapsed, timeout};

/// What a future gives at its first poll, if it gives anything then.
pub(crate) async fn at_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    poll_fn(|task| match Pin::new(&mut *future).poll(task) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Waits for a future, for no longer than `limit`.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    match at_once(&mut future).await {
        Some(output) => Ok(output),
        None => timeout(limit, future).await,
    }
}

/// A client takes a call back. Said by anybody, heard by the one task that runs the call.
#[derive(Debug, Default)]
pub(crate) struct Withdrawal {
    said: AtomicBool,
    waker: AtomicWaker,
}

impl Withdrawal {
    pub(crate) fn say(&self) {
        self.said.store(true, Ordering::Release);
        self.waker.wake();
    }

    fn is_said(&self) -> bool {
        self.said.load(Ordering::Acquire)
    }

    /// Runs a call; `None` when it is withdrawn before its end.
    pub(crate) async fn or<F: Future + Unpin>(&self, mut call: F) -> Option<F::Output> {
        poll_fn(|task| {
            if self.is_said() {
                return Poll::Ready(None);
            }
            if let Poll::Ready(output) = Pin::new(&mut call).poll(task) {
                return Poll::Ready(Some(output));
            }
            self.waker.register(task.waker());
            if self.is_said() { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    #[tokio::test(start_paused = true)]
    async fn what_is_ready_is_given_and_what_is_not_is_waited_for_in_bounds() {
        assert_eq!(within(Duration::ZERO, ready(7)).await.ok(), Some(7));
        let limit = Duration::from_secs(1);
        let soon = tokio::time::sleep(limit / 2);
        assert!(within(limit, soon).await.is_ok());
        assert!(within(limit, pending::<()>()).await.is_err());
        assert_eq!(at_once(&mut pending::<()>()).await, None);
    }

    #[tokio::test]
    async fn a_call_is_withdrawn_before_and_while_it_runs_and_not_after() {
        let withdrawal = Withdrawal::default();
        assert_eq!(withdrawal.or(ready(7)).await, Some(7));
        let (ended, ()) = tokio::join!(withdrawal.or(pending::<()>()), async {
            tokio::task::yield_now().await;
            withdrawal.say();
        });
        assert_eq!(ended, None);
        assert_eq!(withdrawal.or(ready(7)).await, None);
    }
}

//! Waiting with a bound, so that a test that fails also ends.

use std::{future::Future, time::Duration};
use tokio::time::{Instant, sleep, timeout};

/// Asks every 20 ms until the answer is yes; fails the test after 20 s.
pub async fn until<F, Fut>(what: &str, ask: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    until_within(20, what, ask).await;
}

/// The same with another bound, in seconds.
pub async fn until_within<F, Fut>(seconds: u64, what: &str, mut ask: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let end = Instant::now() + Duration::from_secs(seconds);
    while !ask().await {
        assert!(Instant::now() < end, "within {seconds} s: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for `future`; fails the test when it takes longer than `seconds`.
pub async fn within<F: Future>(seconds: u64, what: &str, future: F) -> F::Output {
    match timeout(Duration::from_secs(seconds), future).await {
        Ok(output) => output,
        Err(_) => panic!("within {seconds} s: {what}"),
    }
}

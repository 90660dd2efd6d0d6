//! Who is to be there before the script and the load begin.

use std::{collections::HashSet, time::Duration};
use tokio::{sync::watch, time::timeout};

/// Longest wait for them.
const TO_COME: Duration = Duration::from_secs(30);

/// Those of them who have not come yet.
pub(super) struct Awaited(watch::Sender<HashSet<String>>);

/// Somebody who is on the way. Who drops this has come, or never will.
#[must_use]
pub(super) struct Coming<'a>(&'a Awaited, String);

impl Awaited {
    pub(super) fn new(names: HashSet<String>) -> Self {
        Self(watch::Sender::new(names))
    }

    /// Somebody of that name is on the way.
    pub(super) fn coming(&self, name: impl Into<String>) -> Coming<'_> {
        Coming(self, name.into())
    }

    /// Somebody of that name has come, or has failed to.
    pub(super) fn has_come(&self, name: &str) {
        self.0.send_if_modified(|awaited| awaited.remove(name));
    }

    /// Waits until all have come. On a busy machine the script would else be over before anybody
    /// saw it.
    pub(super) async fn all_have_come(&self) {
        let mut awaited = self.0.subscribe();
        // Who takes longer is not waited for.
        let _in_time = timeout(TO_COME, awaited.wait_for(HashSet::is_empty)).await;
    }
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        self.0.has_come(&self.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    async fn waited(awaited: &Awaited) -> Duration {
        let from = Instant::now();
        awaited.all_have_come().await;
        from.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn who_fails_on_the_way_is_not_waited_for() {
        let awaited = Awaited::new(["a", "b"].map(str::to_owned).into());
        let b = awaited.coming("b");
        let fails = async {
            let _coming = awaited.coming("a");
            Err::<(), _>("no way")?;
            Ok::<_, &str>(())
        };
        fails.await.expect_err("it fails");
        assert_eq!(waited(&awaited).await, TO_COME, "b is still on the way");
        drop(b);
        assert_eq!(waited(&awaited).await, Duration::ZERO);
    }
}

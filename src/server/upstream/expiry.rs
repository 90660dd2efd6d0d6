//! What changes by time alone: tools of upstreams that are away for too long go, and the time for
//! which tools could be called is counted.

use super::{report::now, shared::Shared};
use std::{sync::Arc, time::Duration};
use tokio::time::MissedTickBehavior;

/// How often that is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Looks until everything ends.
pub(super) async fn watch(shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        for upstream in shared.upstreams() {
            upstream.expire(now());
            upstream.count_time();
        }
    }
}

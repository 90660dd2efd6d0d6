//! Handshakes that wait for `notifications/initialized`, in the order in which they began.

use super::lock;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

/// Ids of sessions by the time they were opened. Those whose handshake was completed meanwhile
/// stay until their time comes; whoever takes an id looks.
#[derive(Debug, Default)]
pub(super) struct HalfOpen(Mutex<VecDeque<(Instant, Arc<str>)>>);

impl HalfOpen {
    /// Notes a session that was opened now.
    pub(super) fn add(&self, id: &Arc<str>) {
        lock(&self.0).push_back((Instant::now(), Arc::clone(id)));
    }

    /// Takes the oldest.
    pub(super) fn pop(&self) -> Option<Arc<str>> {
        lock(&self.0).pop_front().map(|(_, id)| id)
    }

    /// Takes the oldest if it was opened longer than `limit` ago.
    pub(super) fn pop_older(&self, limit: Duration) -> Option<Arc<str>> {
        let now = Instant::now();
        let mut waiting = lock(&self.0);
        let is_due =
            |(at, _): &mut (Instant, Arc<str>)| now.saturating_duration_since(*at) >= limit;
        waiting.pop_front_if(is_due).map(|(_, id)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_oldest_come_first_and_only_when_they_are_due() {
        let half_open = HalfOpen::default();
        half_open.add(&"a".into());
        tokio::time::advance(Duration::from_secs(3)).await;
        half_open.add(&"b".into());
        let limit = Duration::from_secs(5);
        assert_eq!(half_open.pop_older(limit), None);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(half_open.pop_older(limit).as_deref(), Some("a"));
        assert_eq!(half_open.pop_older(limit), None);
        assert_eq!(half_open.pop().as_deref(), Some("b"));
        assert_eq!(half_open.pop(), None);
    }
}

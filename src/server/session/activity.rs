//! Whether anything happens in a session, what was counted in it, and when something last did.

use super::{Session, lock, record};
use mcp_store::{Counts, UtcMillis};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::Instant;

/// An open stream of a session; closed when dropped.
pub(crate) struct OpenStream(Arc<Session>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open_streams.fetch_sub(1, Ordering::Relaxed);
        self.0.touch();
    }
}

impl Session {
    pub(crate) fn touch(&self) {
        *lock(&self.last_active) = Instant::now();
        self.stirred.store(true, Ordering::Relaxed);
    }

    /// Whether nothing has happened for `limit`: no request, no call in flight, no open stream.
    pub(super) fn is_idle(&self, now: Instant, limit: Duration) -> bool {
        self.open_streams.load(Ordering::Relaxed) == 0
            && now.saturating_duration_since(*lock(&self.last_active)) >= limit
            && lock(&self.calls).running.is_empty()
    }

    pub(crate) fn open_stream(self: &Arc<Self>) -> OpenStream {
        self.open_streams.fetch_add(1, Ordering::Relaxed);
        OpenStream(Arc::clone(self))
    }

    /// Counts a call that ended.
    pub(crate) fn count(&self, ok: bool) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if !ok {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            requests: self.requests.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
        }
    }

    pub(super) fn last_activity(&self) -> UtcMillis {
        record::now().before(lock(&self.last_active).elapsed())
    }

    /// Notes in the store that something happened, if it did.
    pub(crate) fn note_activity(&self) {
        if self.stirred.swap(false, Ordering::Relaxed) {
            self.record.active(self.last_activity(), self.counts());
        }
    }
}

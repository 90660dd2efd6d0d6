//! What a session's client wants to hear of: log messages from a level on, changes of resources.

use super::{LogLevel, Session, lock};
use std::sync::atomic::Ordering;

impl Session {
    pub(crate) fn log_level(&self) -> LogLevel {
        LogLevel::from_rank(self.log_level.load(Ordering::Relaxed))
    }

    pub(crate) fn set_log_level(&self, level: LogLevel) {
        self.log_level.store(level.rank(), Ordering::Relaxed);
        self.record.log_level(level);
    }

    /// Notes a subscription; whether it is new and there is room for it.
    pub(crate) fn subscribe(&self, uri: &str) -> bool {
        const MOST: usize = 1_000;
        let mut subscriptions = lock(&self.subscriptions);
        let is_new = subscriptions.len() < MOST && subscriptions.insert(uri.to_owned());
        if is_new {
            self.record.subscriptions(&subscriptions);
        }
        is_new
    }

    pub(crate) fn unsubscribe(&self, uri: &str) {
        let mut subscriptions = lock(&self.subscriptions);
        if subscriptions.remove(uri) {
            self.record.subscriptions(&subscriptions);
        }
    }

    /// The resources it subscribes to.
    pub(crate) fn subscribed(&self) -> Vec<String> {
        lock(&self.subscriptions).iter().cloned().collect()
    }

    pub(crate) fn is_subscribed(&self, uri: &str) -> bool {
        lock(&self.subscriptions).contains(uri)
    }
}

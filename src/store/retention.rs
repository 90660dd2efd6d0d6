//! How long things are kept, and how much of them.

use std::time::Duration;

/// How long things are kept, and how much of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How long history and disconnected sessions are kept.
    pub history: Duration,
    /// How long an event waits for its client.
    pub events: Duration,
    /// Most bytes of all events together; beyond it the oldest go first.
    pub event_bytes: u64,
}

impl Default for Retention {
    /// 7 days; 5 minutes and 256 MiB.
    fn default() -> Self {
        Self {
            history: Duration::from_secs(7 * 24 * 3_600),
            events: Duration::from_secs(300),
            event_bytes: 256 * 1024 * 1024,
        }
    }
}

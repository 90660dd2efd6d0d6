//! Tasks of clients of the modern era: calls that survive a cut of their connection.

use super::seconds;
use serde::Deserialize;
use std::time::Duration;

/// The tasks extension for clients of the modern era.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TasksConfig {
    /// Serve it (default true).
    pub enabled: bool,
    /// Most tasks that we keep for clients, ended ones among them (default 1,000). Beyond, a call
    /// is answered as any other.
    pub most: usize,
    /// Most of them that are of one principal (default 500).
    pub most_per_principal: usize,
    /// How long a task is kept after it has ended, or has asked its client something (default 1 h).
    #[serde(deserialize_with = "seconds")]
    pub ttl: Duration,
}

impl Default for TasksConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            most: 1_000,
            most_per_principal: 500,
            ttl: Duration::from_secs(3_600),
        }
    }
}

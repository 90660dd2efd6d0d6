//! Log levels: what each legacy session asked for, and what that means for others' connections.

use mcp_client::OutCall;
use mcp_protocol::{RawObject, RawValue, raw_value};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::link::Link;

/// The levels of MCP (syslog's), lowest first.
const LEVELS: [&str; 8] =
    ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];
/// Longest time to wait for an upstream to take a new level.
const LIMIT: Duration = Duration::from_secs(2);

/// A level of log messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Level(usize);

impl Level {
    /// The level of that name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        LEVELS.iter().position(|level| *level == name).map(Self)
    }

    /// Its name.
    pub(super) fn as_str(self) -> &'static str {
        LEVELS[self.0]
    }
}

/// Which log messages a caller gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    /// All that come.
    All,
    /// None.
    Nothing,
    /// Those of this level and above.
    From(Level),
}

impl Filter {
    /// Whether a `notifications/message` with these params passes.
    pub(super) fn passes(self, params: Option<&RawValue>) -> bool {
        match self {
            Self::All => true,
            Self::Nothing => false,
            Self::From(lowest) => {
                let level =
                    params.and_then(RawObject::parse).and_then(|params| params.get_str("level"));
                // An unknown level is passed on: the client may know it.
                level.as_deref().and_then(Level::parse).is_none_or(|level| level >= lowest)
            }
        }
    }
}

/// What each legacy session asked for. Bounded by the number of sessions.
#[derive(Default)]
pub(super) struct Levels(Mutex<HashMap<Arc<str>, Level>>);

impl Levels {
    /// Keeps what a session asked for; the lowest level of all sessions.
    pub(super) fn set(&self, session: &Arc<str>, level: Level) -> Level {
        let mut levels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        levels.insert(session.clone(), level);
        levels.values().min().copied().unwrap_or(level)
    }

    /// What a session asked for.
    pub(super) fn of(&self, session: &str) -> Option<Level> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(session).copied()
    }

    /// The lowest level that any session asked for.
    pub(super) fn lowest(&self) -> Option<Level> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().min().copied()
    }

    /// Forgets a session.
    pub(super) fn forget(&self, session: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(session);
    }
}

/// Sets the level of a legacy link, if its upstream logs. What it answers changes nothing.
pub(super) async fn set(link: &Link, level: Level) {
    if link.offers.logging {
        let params = raw_value(&serde_json::json!({ "level": level.as_str() }));
        let call = link.connection.call(OutCall::new("logging/setLevel", params));
        let _answer = tokio::time::timeout(LIMIT, call).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::raw;

    #[test]
    fn the_lowest_of_all_sessions() {
        let levels = Levels::default();
        let level = |name| Level::parse(name).unwrap();
        assert_eq!(levels.lowest(), None);
        assert_eq!(levels.set(&"a".into(), level("error")).as_str(), "error");
        assert_eq!(levels.set(&"b".into(), level("debug")).as_str(), "debug");
        assert_eq!(levels.of("a"), Some(level("error")));
        levels.forget("b");
        assert_eq!(levels.lowest(), Some(level("error")));
        assert_eq!(Level::parse("loud"), None);
    }

    #[test]
    fn lower_messages_do_not_pass() {
        let passes = |filter: Filter, level: &str| {
            filter.passes(raw(&format!(r#"{{"level":"{level}","data":1}}"#)).as_deref())
        };
        let warning = Filter::From(Level::parse("warning").unwrap());
        assert!(!passes(warning, "info") && passes(warning, "warning") && passes(warning, "alert"));
        assert!(passes(Filter::All, "debug") && !passes(Filter::Nothing, "emergency"));
    }
}

//! The ways back to a client: from one of its calls, from its session, from a modern call.

use super::Session;
use crate::call::{BoxFuture, Downstream, EventLog, Question};
use mcp_protocol::{Method, Payload, RawObject, RawValue, RpcError, encode_notification};
use std::sync::{Arc, Weak};

/// Levels of log messages, as MCP names them after RFC 5424.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogLevel(u8);

const LEVELS: [&str; 8] =
    ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

impl LogLevel {
    /// Everything.
    pub(crate) const LOWEST: Self = Self(0);

    pub(crate) fn parse(name: &str) -> Option<Self> {
        let rank = LEVELS.iter().position(|level| *level == name)?;
        u8::try_from(rank).ok().map(Self)
    }

    pub(crate) const fn from_rank(rank: u8) -> Self {
        Self(rank)
    }

    /// Whether it lets everything through.
    pub(crate) fn is_lowest(self) -> bool {
        self == Self::LOWEST
    }

    /// The level's name.
    pub(crate) fn name(self) -> &'static str {
        LEVELS[usize::from(self.0).min(LEVELS.len() - 1)]
    }

    pub(crate) const fn rank(self) -> u8 {
        self.0
    }

    /// Whether a notification may pass: it is no log message, or one of at least this level.
    fn admits(self, method: &str, params: Option<&RawValue>) -> bool {
        if method != Method::LogMessage.as_str() {
            return true;
        }
        let level = params.and_then(RawObject::parse).and_then(|params| params.get_str("level"));
        level.and_then(|level| Self::parse(&level)).is_none_or(|level| level >= self)
    }
}

/// From a call of a legacy session.
pub(crate) struct CallOutlet {
    session: Arc<Session>,
    log: Arc<EventLog>,
}

impl CallOutlet {
    pub(crate) fn new(session: &Arc<Session>, log: &Arc<EventLog>) -> Self {
        Self { session: Arc::clone(session), log: Arc::clone(log) }
    }
}

impl Downstream for CallOutlet {
    fn notify(&self, method: &str, params: Option<Box<RawValue>>) {
        if self.session.log_level().admits(method, params.as_deref()) {
            self.log.push(encode_notification(method, params.as_deref()));
        }
    }

    fn ask(&self, question: Question<'_>) -> BoxFuture<'static, Payload> {
        self.session.questions.ask(Arc::clone(&self.log), question)
    }
}

/// From a session as a whole. Holds the session weakly: an upstream that keeps this must not
/// keep the session.
pub(crate) struct SessionOutlet(Weak<Session>);

impl SessionOutlet {
    pub(crate) fn new(session: &Arc<Session>) -> Self {
        Self(Arc::downgrade(session))
    }
}

impl Downstream for SessionOutlet {
    fn notify(&self, method: &str, params: Option<Box<RawValue>>) {
        let Some(session) = self.0.upgrade() else { return };
        if session.log_level().admits(method, params.as_deref()) {
            let json = encode_notification(method, params.as_deref());
            if !session.some_stream().push(json.clone()) {
                session.general.push(json);
            }
        }
    }

    fn ask(&self, question: Question<'_>) -> BoxFuture<'static, Payload> {
        match self.0.upgrade() {
            Some(session) => session.questions.ask(session.some_stream(), question),
            None => Box::pin(std::future::ready(Err(RpcError::new(
                mcp_protocol::code::INTERNAL,
                "The client that would answer has gone.",
            )))),
        }
    }
}

/// From a modern call: notifications on its own stream, log messages only if it asked for
/// them, and never a question.
pub(crate) struct ModernOutlet {
    log: Arc<EventLog>,
    level: Option<LogLevel>,
}

impl ModernOutlet {
    pub(crate) fn new(log: &Arc<EventLog>, level: Option<LogLevel>) -> Self {
        Self { log: Arc::clone(log), level }
    }
}

impl Downstream for ModernOutlet {
    fn notify(&self, method: &str, params: Option<Box<RawValue>>) {
        let admitted = match self.level {
            Some(level) => level.admits(method, params.as_deref()),
            None => method != Method::LogMessage.as_str(),
        };
        if admitted {
            self.log.push(encode_notification(method, params.as_deref()));
        }
    }

    fn ask(&self, question: Question<'_>) -> BoxFuture<'static, Payload> {
        Box::pin(std::future::ready(Err(RpcError::method_not_found(question.method))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_log_messages_below_the_level_are_held_back() {
        let warning = LogLevel::parse("warning").expect("a level");
        let params = |level: &str| mcp_protocol::raw(&format!(r#"{{"level":"{level}","data":1}}"#));
        assert!(!warning.admits("notifications/message", params("info").as_deref()));
        assert!(warning.admits("notifications/message", params("warning").as_deref()));
        assert!(warning.admits("notifications/message", params("alert").as_deref()));
        assert!(warning.admits("notifications/progress", params("debug").as_deref()));
        assert!(LogLevel::parse("loud").is_none());
    }
}

//! What can go wrong between us and a server, and whether the call may have run.

use crate::Unfinished;
use mcp_protocol::RpcError;
use std::time::Duration;

/// Why there is no answer. Never shows a header or a query of the target.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ClientError {
    /// The child process could not be started.
    #[error("cannot start `{command}`: {reason}")]
    Spawn {
        /// The program.
        command: String,
        /// What the system said.
        reason: String,
    },
    /// The HTTP server could not be reached; nothing was sent.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The server was reached, but no secure connection with it could be made; nothing was sent.
    #[error("no secure connection: {0}")]
    Tls(String),
    /// The handshake was not answered in time. Only [`Connection::open`] gives this.
    ///
    /// [`Connection::open`]: crate::Connection::open
    #[error("no answer to `{method}` within {} s", after.as_secs_f32())]
    Timeout {
        /// What was asked.
        method: &'static str,
        /// How long we waited.
        after: Duration,
    },
    /// The handshake was answered with an error. Only [`Connection::open`] gives this.
    ///
    /// [`Connection::open`]: crate::Connection::open
    #[error("the server refused the handshake: {0}")]
    Refused(RpcError),
    /// The server does not know our session any more. The connection is dead.
    #[error("the server has lost the session")]
    SessionLost,
    /// The server wants other credentials.
    #[error("the server refused our credentials (HTTP {status})")]
    Auth {
        /// 401 or 403.
        status: u16,
    },
    /// Another HTTP status that is no answer to a call.
    #[error("the server answered HTTP {status}")]
    Http {
        /// The status.
        status: u16,
        /// What `Retry-After` said, if it gave seconds.
        retry_after: Option<Duration>,
    },
    /// The server said something that MCP does not allow.
    #[error("the server does not follow the protocol: {0}")]
    Protocol(String),
    /// The answer is larger than [`Options::max_message`](crate::Options::max_message).
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The bound, in bytes.
        limit: usize,
    },
    /// The call itself cannot be sent.
    #[error("the call cannot be sent: {0}")]
    Invalid(String),
    /// [`Options::max_calls`](crate::Options::max_calls) calls are in flight already.
    #[error("too many calls in flight on this connection")]
    Busy,
    /// The connection ended before the answer came.
    #[error("the connection is closed: {ending}")]
    Closed {
        /// Whether any byte of the call may have been written.
        sent: bool,
        /// How it ended.
        ending: Ending,
    },
    /// A [`Client`](crate::Client) has no answer to the call, over all connections it tried.
    #[error("{0}")]
    Unfinished(Unfinished),
}

/// How a connection, or the stream of one call, ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ending {
    /// The child process ended by itself; the text says how.
    #[error("the process ended ({0})")]
    Exited(String),
    /// The peer closed, or the transport failed; the text says how.
    #[error("{0}")]
    Lost(String),
    /// It does not answer any more ([`Pulse`](crate::Pulse)).
    #[error("it left {missed} questions in a row unanswered")]
    Silent {
        /// How many.
        missed: u32,
    },
    /// The server ended this one call without an answer.
    #[error("the server withdrew the call")]
    Withdrawn,
    /// We closed it.
    #[error("closed by us")]
    ByUs,
}

/// Whether a call that has no answer may have run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    /// It provably did not.
    No,
    /// Nobody can tell.
    Unknown,
}

impl ClientError {
    /// Whether the call may have run. Errors of [`Connection::open`](crate::Connection::open)
    /// come before any call, whatever this says.
    #[must_use]
    pub const fn ran(&self) -> Ran {
        match self {
            Self::Spawn { .. }
            | Self::Connect(_)
            | Self::Tls(_)
            | Self::Timeout { .. }
            | Self::Refused(_)
            | Self::SessionLost
            | Self::Busy
            | Self::Invalid(_)
            | Self::Auth { status: 401 }
            | Self::Http { status: 429, .. }
            | Self::Closed { sent: false, .. } => Ran::No,
            Self::Auth { .. }
            | Self::Http { .. }
            | Self::Protocol(_)
            | Self::TooLarge { .. }
            | Self::Closed { sent: true, .. } => Ran::Unknown,
            Self::Unfinished(unfinished) => unfinished.ran(),
        }
    }

    /// How long the server asked us to stay away, if it did.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Http { retry_after, .. } => *retry_after,
            Self::Spawn { .. }
            | Self::Connect(_)
            | Self::Tls(_)
            | Self::Timeout { .. }
            | Self::Refused(_)
            | Self::SessionLost
            | Self::Auth { .. }
            | Self::Protocol(_)
            | Self::TooLarge { .. }
            | Self::Busy
            | Self::Invalid(_)
            | Self::Closed { .. }
            | Self::Unfinished(_) => None,
        }
    }
}

/// What the system says, without the number that it adds.
pub(crate) fn plainly(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let number = text.rfind(" (os error ").filter(|at| {
        let rest = text[*at..].trim_start_matches(" (os error ");
        rest.strip_suffix(')').is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
    });
    if let Some(at) = number {
        text.truncate(at);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_number_is_left_out_and_nothing_else() {
        let refused = std::io::Error::from_raw_os_error(111);
        assert!(refused.to_string().contains("(os error 111)"), "{refused}");
        assert_eq!(plainly(&refused), "Connection refused");
        for text in ["7 bytes are too many (os error of ours)", "no (os error 1) or so", ""] {
            assert_eq!(plainly(&std::io::Error::other(text)), text);
        }
    }

    #[test]
    fn only_what_provably_did_not_run_says_so() {
        let closed = |sent| ClientError::Closed { sent, ending: Ending::Lost("reset".into()) };
        let http = |status| ClientError::Http { status, retry_after: None };
        for error in
            [closed(false), http(429), ClientError::Auth { status: 401 }, ClientError::SessionLost]
        {
            assert_eq!(error.ran(), Ran::No, "{error}");
        }
        for error in
            [closed(true), http(502), http(503), http(500), ClientError::Auth { status: 403 }]
        {
            assert_eq!(error.ran(), Ran::Unknown, "{error}");
        }
    }
}

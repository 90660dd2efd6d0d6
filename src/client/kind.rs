//! Errors sorted: what kind, who made it, and whether trying again can help.

use crate::{ClientError, Ending, Unfinished};

/// What kind of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The server cannot be reached, or the connection broke.
    Network,
    /// Nothing came in time.
    Timeout,
    /// Somebody said what MCP does not allow.
    Protocol,
    /// The server wants other credentials.
    Authentication,
    /// Too much at once: for the server, or for our own bounds.
    RateLimit,
    /// The secure connection could not be made.
    Tls,
    /// The server answered that it is in trouble, or its process ended.
    Server,
    /// It cannot work the way it is configured or called.
    Config,
}

/// Who made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorSource {
    /// We did, before anything was sent.
    Client,
    /// What lies between.
    Transport,
    /// The server did.
    Server,
}

/// Whether trying again can help; whether a call *may* be sent again is
/// [`ClientError::ran`]'s to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// At once.
    Now,
    /// After a wait.
    Later,
    /// Not before somebody changes something.
    Never,
}

/// What an error says of the connection it came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// It is of no use any more.
    Lost,
    /// It may be; one of several sockets broke.
    Doubted,
}

impl ClientError {
    /// What kind of trouble it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.sorted().0
    }

    /// Who made it.
    #[must_use]
    pub fn source_of(&self) -> ErrorSource {
        self.sorted().1
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.sorted().2
    }

    /// Whether the connection it came over may be lost, and if so whether it surely is.
    #[must_use]
    pub const fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Closed { ending: Ending::Withdrawn, .. } => None,
            Self::Connect(_)
            | Self::Tls(_)
            | Self::SessionLost
            | Self::Closed { sent: false, .. } => Some(Trouble::Lost),
            Self::Closed { sent: true, .. } => Some(Trouble::Doubted),
            Self::Spawn { .. }
            | Self::Timeout { .. }
            | Self::Refused(_)
            | Self::Auth { .. }
            | Self::Http { .. }
            | Self::Protocol(_)
            | Self::TooLarge { .. }
            | Self::Invalid(_)
            | Self::Busy
            | Self::Unfinished(_) => None,
        }
    }

    /// One table for all three.
    fn sorted(&self) -> (ErrorKind, ErrorSource, Retry) {
        use ErrorKind as Kind;
        use ErrorSource::{Client, Server, Transport};
        match self {
            Self::Spawn { .. } => (Kind::Config, Client, Retry::Later),
            Self::Connect(_) => (Kind::Network, Transport, Retry::Now),
            Self::Tls(_) => (Kind::Tls, Transport, Retry::Later),
            Self::Timeout { .. } => (Kind::Timeout, Server, Retry::Now),
            Self::Refused(_) => (Kind::Protocol, Server, Retry::Later),
            Self::SessionLost => (Kind::Server, Server, Retry::Now),
            Self::Auth { .. } => (Kind::Authentication, Server, Retry::Never),
            Self::Http { status: 429, .. } => (Kind::RateLimit, Server, Retry::Later),
            Self::Http { status: 500.., .. } => (Kind::Server, Server, Retry::Later),
            Self::Http { .. } | Self::Protocol(_) => (Kind::Protocol, Server, Retry::Later),
            Self::TooLarge { .. } => (Kind::Protocol, Server, Retry::Never),
            Self::Invalid(_) => (Kind::Config, Client, Retry::Never),
            Self::Busy => (Kind::RateLimit, Client, Retry::Later),
            Self::Closed { ending, .. } => ending.sorted(),
            Self::Unfinished(unfinished) => unfinished.sorted(),
        }
    }
}

impl Ending {
    const fn sorted(&self) -> (ErrorKind, ErrorSource, Retry) {
        match self {
            Self::Exited(_) => (ErrorKind::Server, ErrorSource::Server, Retry::Now),
            Self::Lost(_) => (ErrorKind::Network, ErrorSource::Transport, Retry::Now),
            Self::Silent { .. } => (ErrorKind::Timeout, ErrorSource::Transport, Retry::Now),
            Self::Withdrawn => (ErrorKind::Server, ErrorSource::Server, Retry::Later),
            Self::ByUs => (ErrorKind::Config, ErrorSource::Client, Retry::Never),
        }
    }
}

impl Unfinished {
    fn sorted(&self) -> (ErrorKind, ErrorSource, Retry) {
        let caused = |other| self.cause().map_or(other, ClientError::sorted);
        match self {
            Self::QueueFull { .. } => (ErrorKind::RateLimit, ErrorSource::Client, Retry::Later),
            Self::TooLargeToWait { .. } => (ErrorKind::Config, ErrorSource::Client, Retry::Later),
            Self::NoAnswer { .. } => (ErrorKind::Timeout, ErrorSource::Server, Retry::Later),
            Self::Away { .. } | Self::GivenUp { .. } | Self::Unknown(_) => {
                caused((ErrorKind::Network, ErrorSource::Transport, Retry::Later))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::RpcError;
    use std::time::Duration;

    #[test]
    fn every_error_has_its_kind_its_source_and_its_word_on_trying_again() {
        use ErrorKind as Kind;
        use ErrorSource::{Client, Server, Transport};
        let closed = |ending| ClientError::Closed { sent: true, ending };
        let http = |status| ClientError::Http { status, retry_after: None };
        let text = String::new;
        let table = [
            (
                ClientError::Spawn { command: text(), reason: text() },
                (Kind::Config, Client, Retry::Later),
            ),
            (ClientError::Connect(text()), (Kind::Network, Transport, Retry::Now)),
            (ClientError::Tls(text()), (Kind::Tls, Transport, Retry::Later)),
            (
                ClientError::Timeout { method: "ping", after: Duration::ZERO },
                (Kind::Timeout, Server, Retry::Now),
            ),
            (ClientError::Refused(RpcError::new(1, "")), (Kind::Protocol, Server, Retry::Later)),
            (ClientError::SessionLost, (Kind::Server, Server, Retry::Now)),
            (ClientError::Auth { status: 401 }, (Kind::Authentication, Server, Retry::Never)),
            (http(429), (Kind::RateLimit, Server, Retry::Later)),
            (http(503), (Kind::Server, Server, Retry::Later)),
            (http(404), (Kind::Protocol, Server, Retry::Later)),
            (ClientError::Protocol(text()), (Kind::Protocol, Server, Retry::Later)),
            (ClientError::TooLarge { limit: 1 }, (Kind::Protocol, Server, Retry::Never)),
            (ClientError::Invalid(text()), (Kind::Config, Client, Retry::Never)),
            (ClientError::Busy, (Kind::RateLimit, Client, Retry::Later)),
            (closed(Ending::Exited(text())), (Kind::Server, Server, Retry::Now)),
            (closed(Ending::Lost(text())), (Kind::Network, Transport, Retry::Now)),
            (closed(Ending::Silent { missed: 3 }), (Kind::Timeout, Transport, Retry::Now)),
            (closed(Ending::Withdrawn), (Kind::Server, Server, Retry::Later)),
            (closed(Ending::ByUs), (Kind::Config, Client, Retry::Never)),
        ];
        for (error, sorted) in table {
            assert_eq!((error.kind(), error.source_of(), error.retry()), sorted, "{error:?}");
            let unknown = ClientError::Unfinished(Unfinished::Unknown(Box::new(error)));
            assert_eq!((unknown.kind(), unknown.source_of()), (sorted.0, sorted.1));
        }
    }

    #[test]
    fn every_end_without_an_answer_has_its_kind() {
        let why = || Some(Box::new(ClientError::Auth { status: 401 }));
        for (unfinished, kind) in [
            (Unfinished::QueueFull { messages: 1 }, ErrorKind::RateLimit),
            (Unfinished::TooLargeToWait { bytes: 2, most: 1 }, ErrorKind::Config),
            (Unfinished::NoAnswer { after: Duration::ZERO }, ErrorKind::Timeout),
            (Unfinished::Away { waited: Duration::ZERO, why: None }, ErrorKind::Network),
            (Unfinished::GivenUp { why: why() }, ErrorKind::Authentication),
        ] {
            assert_eq!(ClientError::Unfinished(unfinished).kind(), kind);
        }
    }
}

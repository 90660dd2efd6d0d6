//! Why a socket ends, and what its client is told of it.

use crate::transport::patient::is_too_slow;
use mcp_telemetry::{Limit, Reason};
use tokio_tungstenite::tungstenite::{Error, protocol::frame::coding::CloseCode};

/// The close code for a client whose session has moved to another socket. From 4000 on they are
/// for private use.
const SUPERSEDED: CloseCode = CloseCode::Library(4001);

/// Why a socket ends, and what its client is told.
pub(super) struct Ending {
    pub(super) reason: Reason,
    pub(super) close: Option<(CloseCode, &'static str)>,
    /// The limit that was reached, if that is why.
    pub(super) limit: Option<Limit>,
}

impl Ending {
    pub(super) const fn gone(reason: Reason) -> Self {
        Self { reason, close: None, limit: None }
    }

    pub(super) const fn told(reason: Reason, code: CloseCode, sentence: &'static str) -> Self {
        Self { reason, close: Some((code, sentence)), limit: None }
    }

    pub(super) const fn because_of(mut self, limit: Limit) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The session of the socket has ended for that reason, or has moved to another one.
    pub(super) const fn of_session(reason: Option<Reason>) -> Self {
        match reason {
            None => {
                let sentence = "the session goes on on another connection";
                Self::told(Reason::Superseded, SUPERSEDED, sentence)
            }
            Some(Reason::HandshakeTimeout) => too_late(),
            Some(Reason::ServerShutdown) => server_closes(),
            Some(reason) => Self::told(reason, CloseCode::Away, "the session has ended"),
        }
    }

    /// Whether the client may have lost its connection only, and nothing that was sent to it.
    pub(super) fn client_may_return(&self) -> bool {
        match self.reason {
            Reason::ClientGone | Reason::HeartbeatLost => true,
            // A write that waited too long; what follows it is still in the log.
            Reason::SlowConsumer => self.close.is_none(),
            Reason::ClientClosed
            | Reason::ClientDeleted
            | Reason::TimeoutNoActivity
            | Reason::HandshakeTimeout
            | Reason::ServerShutdown
            | Reason::Superseded
            | Reason::ProtocolError
            | Reason::Error => false,
        }
    }
}

pub(super) const fn server_closes() -> Ending {
    Ending::told(Reason::ServerShutdown, CloseCode::Away, "the server stops")
}

pub(super) const fn too_late() -> Ending {
    let sentence = "the handshake was not completed in time";
    Ending::told(Reason::HandshakeTimeout, CloseCode::Policy, sentence)
}

pub(super) const fn slow() -> Ending {
    Ending::told(Reason::SlowConsumer, CloseCode::Again, "messages are not read fast enough")
}

/// A client that reads nothing would not read why, either.
pub(super) const fn unread() -> Ending {
    Ending::gone(Reason::SlowConsumer).because_of(Limit::WriteTimeout)
}

pub(super) fn lost(error: &Error) -> Ending {
    if let Error::Io(error) = error
        && is_too_slow(error)
    {
        return unread();
    }
    Ending::gone(Reason::ClientGone)
}

//! One live connection to one server, in one era.

use crate::{ClientError, Ending, Identity, Options, OutCall, Sink, Target};
use mcp_protocol::{Era, Payload, RawValue, Revision};
use std::sync::Arc;

/// What a server said of itself in the handshake.
#[derive(Debug, Clone)]
pub struct ServerInfo {
    /// Its `Implementation`, if it said.
    pub info: Option<Box<RawValue>>,
    /// Its capabilities: the text of an object.
    pub capabilities: Box<RawValue>,
    /// What it tells a model about itself.
    pub instructions: Option<String>,
    /// The revisions it speaks, as far as it said.
    pub supported: Vec<String>,
}

/// One live connection. Clones share it; when the last is dropped, a child process is killed
/// and HTTP streams are closed at once.
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

struct Inner {
    revision: Revision,
    server: ServerInfo,
}

impl Connection {
    /// Reaches the server and agrees on a revision. `era` as `None` finds out:
    /// `server/discover` first, else `initialize`.
    ///
    /// # Errors
    /// When the server cannot be reached, does not answer, or speaks no revision we know.
    pub async fn open(
        target: &Target,
        _era: Option<Era>,
        _identity: &Identity,
        _sink: Arc<dyn Sink>,
        _options: &Options,
    ) -> Result<Self, ClientError> {
        Err(ClientError::Connect(format!("{target} is not reachable yet")))
    }

    /// The era spoken.
    #[must_use]
    pub fn era(&self) -> Era {
        self.inner.revision.era()
    }

    /// The revision spoken.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.inner.revision
    }

    /// What the server said of itself.
    #[must_use]
    pub fn server(&self) -> &ServerInfo {
        &self.inner.server
    }

    /// Sends a request and waits for its answer. Dropping the future cancels the call:
    /// `notifications/cancelled` in the legacy era and over stdio, closing the stream over
    /// modern HTTP.
    ///
    /// # Errors
    /// When there is no answer; an answer that is an error is `Ok(Err(_))`.
    pub async fn call(&self, _call: OutCall) -> Result<Payload, ClientError> {
        Err(ClientError::Closed { sent: false, ending: Ending::ByUs })
    }

    /// Sends a notification.
    ///
    /// # Errors
    /// When it could not be handed over.
    pub async fn notify(
        &self,
        _method: &str,
        _params: Option<&RawValue>,
    ) -> Result<(), ClientError> {
        Err(ClientError::Closed { sent: false, ending: Ending::ByUs })
    }

    /// Resolves when the connection is dead, with the reason.
    pub async fn closed(&self) -> ClientError {
        ClientError::Closed { sent: false, ending: Ending::ByUs }
    }

    /// Ends the connection. A child process has 2 s after its stdin is closed and 1 s more
    /// after SIGTERM; then its process group is killed. An HTTP session is deleted.
    pub async fn close(&self) {}
}

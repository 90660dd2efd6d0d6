//! One live connection to one server, in one era.

use crate::{
    ClientError, Identity, Options, OutCall, Sink, Target,
    negotiate::{Agreed, Approach, FIRST_FREE_ID},
    prepare::Outgoing,
};
use mcp_protocol::{Era, Payload, RawValue, Revision};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::Semaphore;

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
/// and HTTP streams are closed at once, and an HTTP session is deleted if the runtime lives on.
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

struct Inner {
    agreed: Agreed,
    identity: Identity,
    next_id: AtomicU64,
    places: Semaphore,
}

impl Connection {
    /// Reaches the server and agrees on a revision. `era` as `None` finds out:
    /// `server/discover` first, else `initialize`.
    ///
    /// # Errors
    /// When the server cannot be reached, does not answer, or speaks no revision we know.
    pub async fn open(
        target: &Target,
        era: Option<Era>,
        identity: &Identity,
        sink: Arc<dyn Sink>,
        options: &Options,
    ) -> Result<Self, ClientError> {
        let agreed = Box::pin(Approach { target, identity, sink, options }.connect(era)).await?;
        let inner = Inner {
            agreed,
            identity: identity.clone(),
            next_id: AtomicU64::new(FIRST_FREE_ID),
            places: Semaphore::new(options.max_calls.min(Semaphore::MAX_PERMITS)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The era spoken.
    #[must_use]
    pub fn era(&self) -> Era {
        self.revision().era()
    }

    /// The revision spoken.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.inner.agreed.revision
    }

    /// What the server said of itself.
    #[must_use]
    pub fn server(&self) -> &ServerInfo {
        &self.inner.agreed.server
    }

    /// The id of the server's process, if it was started here as a child. The process may have
    /// ended since.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.inner.agreed.wire.process_id()
    }

    /// The id of the session, where the server gave one. It identifies, and lets in whoever knows it:
    /// it is not for logs that others read.
    #[must_use]
    pub fn session_id(&self) -> Option<String> {
        self.inner.agreed.wire.session_id()
    }

    /// Sends a request and waits for its answer. Dropping the future cancels the call:
    /// `notifications/cancelled` in the legacy era and over stdio, closing the stream over
    /// modern HTTP.
    ///
    /// # Errors
    /// When there is no answer; an answer that is an error is `Ok(Err(_))`.
    pub async fn call(&self, call: OutCall) -> Result<Payload, ClientError> {
        let _place = self.inner.places.try_acquire().map_err(|_| ClientError::Busy)?;
        self.ask(call).await
    }

    /// The same for a question of our own, which takes no place of a call.
    pub(crate) async fn ask(&self, call: OutCall) -> Result<Payload, ClientError> {
        let id = self.inner.next_id.fetch_add(1, Ordering::Relaxed);
        let call = Outgoing::new(id, call, self.era(), &self.inner.identity)?;
        self.inner.agreed.wire.request(call).await
    }

    /// Sends a notification.
    ///
    /// # Errors
    /// When it could not be handed over.
    pub async fn notify(&self, method: &str, params: Option<&RawValue>) -> Result<(), ClientError> {
        self.inner.agreed.wire.notify(method, params).await
    }

    /// Resolves when the connection is dead, with the reason. An HTTP connection is dead only
    /// when its session is lost, or it was closed by us; so is a WebSocket's, where the server can
    /// resume its session. All others are dead when their socket or process is.
    pub async fn closed(&self) -> ClientError {
        self.inner.agreed.wire.fate().wait().await
    }

    /// Resolves when there is reason to ask whether the server is there ([`Connection::ping`]): the
    /// stream on which it sends what belongs to no call broke, and it could not be reached again.
    pub async fn doubted(&self) {
        self.inner.agreed.wire.doubted().await;
    }

    /// Gives a WebSocket up that may only look open; its session goes on in another one where the
    /// server can do that, and calls in flight wait for it. Other transports are left alone.
    pub fn hang_up(&self) {
        self.inner.agreed.wire.hang_up();
    }

    /// Ends the connection; calls in flight end at once. A child process has 2 s after its
    /// stdin is closed and 1 s more after SIGTERM; then its process group is killed. An HTTP
    /// session is deleted, a WebSocket is closed.
    pub async fn close(&self) {
        self.inner.agreed.wire.close().await;
    }
}

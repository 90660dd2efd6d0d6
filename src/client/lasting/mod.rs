//! A client that does not give up: it connects by itself, notices when the server is lost, comes
//! back, and carries calls over where that cannot make them run twice.
//!
//! `keeper` is the one task that connects; `calls` is the life of one call, in the task of its
//! caller. All rules are values that decide without a clock of their own: `pace` (with `breaker` and
//! `rate`), `endpoints`, `queue`, and what is sent again (`crate::again`).

mod breaker;
mod calls;
mod config;
mod diagnose;
mod ear;
mod endpoints;
mod eras;
mod event;
mod keeper;
mod line;
mod lists;
mod news;
mod orders;
mod pace;
mod queue;
mod rate;
mod restore;
mod shared;
mod stats;
mod unfinished;
mod wishes;

pub use calls::Terms;
pub use config::{
    BreakerRule, ClientBuilder, ClientConfig, ConfigError, ConnectionRate, Eras, QueueRule,
};
pub use diagnose::{Check, Diagnosis, DiagnosisStep};
pub use event::{ClientEvent, Return, State};
pub use lists::{List, ListChange};
pub use stats::{Stats, Traffic};
pub use unfinished::Unfinished;

use crate::{ClientError, Connection, Identity, OutCall, ServerInfo, Sink, Target};
use calls::OneCall;
use keeper::Keeper;
use mcp_protocol::{Payload, RawValue, Revision};
use news::Outbox;
use shared::Shared;
use std::sync::Arc;
use tokio::sync::broadcast;
use tokio_util::sync::DropGuard;

/// A client of one server. Clones share it; when the last is dropped, it is closed.
///
/// It connects by itself, and keeps trying within the bounds of its [`ClientConfig`]. Calls wait
/// while the server is away, and never beyond their deadline.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    outbox: Outbox,
    _close: Arc<DropGuard>,
}

impl Client {
    /// Starts to connect, and returns at once. What the server sends unasked goes to `sink`.
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the configuration makes no sense.
    pub fn start(
        config: ClientConfig,
        identity: Identity,
        sink: Arc<dyn Sink>,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let shared = Arc::new(Shared::new(config, identity, sink));
        let outbox = Outbox::start(&shared);
        shared.tasks.spawn(Keeper::new(Arc::clone(&shared)).run());
        news::watch(&shared);
        let close = Arc::new(shared.closing.clone().drop_guard());
        Ok(Self { shared, outbox, _close: close })
    }

    /// Sends a request and waits for its answer, at most for the deadline of its `terms`. While the
    /// server is away it waits in the queue. Dropping the future cancels it.
    ///
    /// # Errors
    /// When there is no answer; an answer that is an error is `Ok(Err(_))`.
    /// [`ClientError::ran`] says whether it may have run.
    pub async fn call(&self, call: OutCall, terms: Terms) -> Result<Payload, ClientError> {
        Box::pin(OneCall::new(&self.shared, call, terms).run()).await
    }

    /// Sends a notification, after those given before; it waits while the server is away. One that
    /// is not sent in the end is told as [`ClientEvent::Dropped`].
    ///
    /// # Errors
    /// When it cannot wait, or the client is closed.
    pub fn notify(
        &self,
        method: impl Into<String>,
        params: Option<Box<RawValue>>,
    ) -> Result<(), ClientError> {
        self.outbox.put(&self.shared, method.into(), params)
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared.place.borrow().state
    }

    /// What went wrong last, while it is not connected.
    #[must_use]
    pub fn trouble(&self) -> Option<ClientError> {
        self.shared.place.borrow().why.clone()
    }

    /// What happens from now on. A reader that is more than 256 events behind misses the oldest,
    /// and is told how many.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<ClientEvent> {
        self.shared.events()
    }

    /// What the server said of itself; `None` before it was reached for the first time.
    #[must_use]
    pub fn server(&self) -> Option<Arc<ServerInfo>> {
        self.shared.known().map(|(server, _)| server)
    }

    /// The revision spoken; `None` before the server was reached for the first time.
    #[must_use]
    pub fn revision(&self) -> Option<Revision> {
        self.shared.known().map(|(_, revision)| revision)
    }

    /// The connection of the moment, for who wants no help with it.
    #[must_use]
    pub fn connection(&self) -> Option<Connection> {
        self.shared.place.borrow().live.as_ref().map(|live| live.connection.clone())
    }

    /// The endpoint it is connected to, or was last.
    #[must_use]
    pub fn endpoint(&self) -> Target {
        self.shared.config.endpoint(self.shared.endpoint()).clone()
    }

    /// The figures since its start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Goes the way to the server step by step, beside the connection that there may be: does its
    /// name resolve, does it take connections, does TLS work, does it shake hands, does it list its
    /// tools.
    pub async fn diagnose(&self) -> Diagnosis {
        diagnose::diagnose(&self.shared.config, &self.shared.identity).await
    }

    /// Tries to reach the server at once, also when it was given up; where it is connected, makes
    /// sure that it is.
    pub fn reconnect_now(&self) {
        self.shared.wished.notify_one();
    }

    /// Closes the connection, and ends what waits. Resolves when that is done.
    pub async fn close(&self) {
        self.shared.closing.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

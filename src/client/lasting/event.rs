//! What a [`Client`](super::Client) tells about itself while it works.

use super::{lists::ListChange, stats::Stats};
use crate::ClientError;
use std::time::Duration;

/// Where a [`Client`](super::Client) stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Closed, for good.
    Disconnected,
    /// Trying to reach the server for the first time.
    Connecting,
    /// Connected.
    Connected,
    /// The connection was lost; trying to come back.
    Reconnecting,
    /// Not trying by itself any more.
    Failed,
}

/// Something that happened to a [`Client`](super::Client).
#[derive(Debug, Clone)]
pub enum ClientEvent {
    /// It stands elsewhere now.
    State {
        /// Where it stood.
        from: State,
        /// Where it stands.
        to: State,
        /// What drove it there, if something went wrong.
        why: Option<ClientError>,
    },
    /// A try to connect failed.
    TryFailed {
        /// Why.
        why: ClientError,
        /// How many have failed one after the other.
        failed: u32,
    },
    /// The server was away and is back.
    Returned {
        /// How.
        how: Return,
        /// How long it was away.
        away: Duration,
        /// How many tries it took.
        attempts: u32,
    },
    /// A list of the server is another than the one known before.
    ListChanged(ListChange),
    /// The server's new session does not take what was set in the old one.
    NotRestored {
        /// The request that was sent again.
        method: String,
        /// What the server said.
        why: String,
    },
    /// A notification was not sent.
    Dropped {
        /// Its method.
        method: String,
        /// Why.
        why: ClientError,
    },
    /// The figures, from time to time.
    Stats(Box<Stats>),
}

/// How a server came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Return {
    /// With the same session: nothing is lost.
    Resumed,
    /// With a new session, in which level and subscriptions were set again.
    Reinitialized,
}

//! What is stored, as values: sessions, their history, their streams and calls in flight.

use crate::UtcMillis;
use bytes::Bytes;
use mcp_protocol::{Method, Revision};
use mcp_telemetry::{Reason, Transport};
use std::sync::Arc;

/// A session as stored. Its id and principal never change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// Its id.
    pub id: Arc<str>,
    /// Whose it is.
    pub principal: Arc<str>,
    /// How its client came.
    pub transport: Transport,
    /// The revision agreed on.
    pub revision: Revision,
    /// `clientInfo.name`.
    pub client_name: Option<Arc<str>>,
    /// `clientInfo.version`.
    pub client_version: Option<Arc<str>>,
    /// The `User-Agent` header of its `initialize`.
    pub user_agent: Option<Arc<str>>,
    /// The address its `initialize` came from.
    pub address: Option<Arc<str>>,
    /// The capabilities it declared, as JSON text.
    pub capabilities: Arc<str>,
    /// The lowest level of log messages it wants, by MCP's name; all if none.
    pub log_level: Option<Arc<str>>,
    /// URIs of the resources it subscribes to.
    pub subscriptions: Vec<Arc<str>>,
    /// When it was opened.
    pub created: UtcMillis,
    /// When something last happened in it.
    pub last_activity: UtcMillis,
    /// Whether `notifications/initialized` came.
    pub initialized: bool,
    /// Whether it is active, and if not, since when and why.
    pub status: Status,
    /// What was counted in it.
    pub counts: Counts,
    /// The highest number of its streams so far; 0 is the general stream.
    pub streams: u64,
    /// What its transport needs to resume it, as JSON text. The store does not read it.
    pub resume: Option<Arc<str>>,
}

/// The status of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// In use.
    Active,
    /// Ended, or put away until its client comes back.
    Disconnected {
        /// Since when.
        at: UtcMillis,
        /// Why.
        reason: Reason,
    },
}

/// A [`Status`] in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusWord {
    /// In use.
    Active,
    /// Not in use.
    Disconnected,
}

impl Status {
    /// The status in one word.
    #[must_use]
    pub const fn word(self) -> StatusWord {
        match self {
            Self::Active => StatusWord::Active,
            Self::Disconnected { .. } => StatusWord::Disconnected,
        }
    }
}

impl StatusWord {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disconnected => "disconnected",
        }
    }
}

/// What is counted in a session, from its opening on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Requests of its client.
    pub requests: u64,
    /// Those that ended in an error.
    pub errors: u64,
}

/// What happened to a session: the kinds of rows in its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Happening {
    /// `initialize` was answered.
    Opened,
    /// `notifications/initialized` came.
    Initialized,
    /// Its client came back to it while it was active.
    Resumed,
    /// We started anew and took it over.
    Restored,
    /// Its client came back after it had been put away.
    Revived,
    /// It ended or was put away.
    Disconnected,
}

impl Happening {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Opened,
        Self::Initialized,
        Self::Resumed,
        Self::Restored,
        Self::Revived,
        Self::Disconnected,
    ];

    /// The kind in one word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Initialized => "initialized",
            Self::Resumed => "resumed",
            Self::Restored => "restored",
            Self::Revived => "revived",
            Self::Disconnected => "disconnected",
        }
    }

    /// The status before it; none before the first.
    #[must_use]
    pub const fn from(self) -> Option<StatusWord> {
        match self {
            Self::Opened => None,
            Self::Initialized | Self::Resumed | Self::Restored | Self::Disconnected => {
                Some(StatusWord::Active)
            }
            Self::Revived => Some(StatusWord::Disconnected),
        }
    }

    /// The status after it.
    #[must_use]
    pub const fn to(self) -> StatusWord {
        match self {
            Self::Disconnected => StatusWord::Disconnected,
            Self::Opened | Self::Initialized | Self::Resumed | Self::Restored | Self::Revived => {
                StatusWord::Active
            }
        }
    }

    /// The kind of that word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A row of the history. Rows are only ever added, and pruned when they are old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// When.
    pub at: UtcMillis,
    /// What; the status before and after it follow from that.
    pub what: Happening,
    /// Why, for [`Happening::Disconnected`].
    pub reason: Option<Reason>,
    /// A sentence for people; no secrets.
    pub detail: Option<Arc<str>>,
}

/// A message on a stream that its client has not provably read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its place in the stream, from 1.
    pub number: u64,
    /// The JSON text.
    pub json: Bytes,
    /// When it was written.
    pub at: UtcMillis,
}

/// A stream of a session, with what is left of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredStream {
    /// Its number in the session; 0 is the general stream.
    pub stream: u64,
    /// The JSON-RPC id (as JSON text) of the call it belongs to, if it belongs to one.
    pub request: Option<Arc<str>>,
    /// The number of the newest event that was ever written, kept or not.
    pub last: u64,
    /// Events up to this number were read.
    pub acknowledged: u64,
    /// When it was closed, if it was.
    pub closed: Option<UtcMillis>,
    /// The events kept, in order. What is missing between `acknowledged` and `last` was dropped.
    pub events: Vec<StoredEvent>,
}

/// A call that was in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCall {
    /// Its JSON-RPC id, as JSON text.
    pub request: Arc<str>,
    /// Its method.
    pub method: Method,
    /// The stream its answer goes to, if it has one.
    pub stream: Option<u64>,
    /// When it was started.
    pub started: UtcMillis,
}

/// A session with all that is needed to go on with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The session.
    pub session: SessionRecord,
    /// Its streams, by number.
    pub streams: Vec<StoredStream>,
    /// Its calls in flight, by start.
    pub calls: Vec<StoredCall>,
}

/// A session with its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionDetail {
    /// The session.
    pub session: SessionRecord,
    /// Its history, oldest first.
    pub history: Vec<HistoryRow>,
}

/// Which sessions are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionFilter {
    /// Only those with this status.
    pub status: Option<StatusWord>,
    /// Only those of this principal.
    pub principal: Option<Arc<str>>,
}

/// How many sessions there are, by status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatusCounts {
    /// In use.
    pub active: u64,
    /// Not in use and not yet pruned.
    pub disconnected: u64,
}

//! What may be noted of a session: the changes that are written soon, while nobody waits.

use crate::{Counts, Happening, HistoryRow, UtcMillis};
use bytes::Bytes;
use mcp_protocol::Method;
use mcp_telemetry::Reason;
use std::sync::Arc;

/// A change to a session. Of those that replace a value only the newest of a batch is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// `notifications/initialized` came. Adds [`Happening::Initialized`] to the history.
    Initialized,
    /// Something happened in it, and so much was counted in all.
    Active(Counts),
    /// Its client set the level of log messages.
    LogLevel(Arc<str>),
    /// The whole set of its subscriptions.
    Subscriptions(Vec<Arc<str>>),
    /// What its transport needs to resume it, as JSON text.
    Resume(Option<Arc<str>>),
    /// Its client came back, or we took it over. Adds a row to the history.
    Happened(Return, Option<Arc<str>>),
    /// It ended or was put away, with a sentence for people. Adds [`Happening::Disconnected`] to
    /// the history. After [`Reason::ClientDeleted`] its streams and calls are forgotten.
    Disconnected(Reason, Option<Arc<str>>),

    /// A stream was opened, for the call with that JSON-RPC id (as JSON text) if for one.
    StreamOpened {
        /// Its number in the session.
        stream: u64,
        /// The call's id.
        request: Option<Arc<str>>,
    },
    /// A message was written to a stream; this opens the stream if it is unknown.
    Event {
        /// The stream.
        stream: u64,
        /// Its place in the stream, from 1. A number is written once.
        number: u64,
        /// The JSON text.
        json: Bytes,
    },
    /// The client has provably read a stream up to a number: those events are forgotten.
    Acknowledged {
        /// The stream.
        stream: u64,
        /// The number.
        up_to: u64,
    },
    /// Nothing more will be written to a stream.
    StreamClosed {
        /// The stream.
        stream: u64,
    },
    /// Nobody will ask for a stream again.
    StreamForgotten {
        /// The stream.
        stream: u64,
    },

    /// A call was started; no other of its id runs. One that ends within the same batch costs no
    /// write at all.
    CallStarted {
        /// Its JSON-RPC id, as JSON text.
        request: Arc<str>,
        /// Its method.
        method: Method,
        /// The stream its answer goes to, if it has one.
        stream: Option<u64>,
    },
    /// A call has ended.
    CallEnded {
        /// Its JSON-RPC id, as JSON text.
        request: Arc<str>,
    },
}

impl Change {
    /// The row it adds to the history, if any.
    pub(crate) fn history(&self, at: UtcMillis) -> Option<HistoryRow> {
        let (what, reason, detail) = match self {
            Self::Initialized => (Happening::Initialized, None, None),
            Self::Happened(back, detail) => (back.happening(), None, detail.clone()),
            Self::Disconnected(reason, detail) => {
                (Happening::Disconnected, Some(*reason), detail.clone())
            }
            Self::Active(_)
            | Self::LogLevel(_)
            | Self::Subscriptions(_)
            | Self::Resume(_)
            | Self::StreamOpened { .. }
            | Self::Event { .. }
            | Self::Acknowledged { .. }
            | Self::StreamClosed { .. }
            | Self::StreamForgotten { .. }
            | Self::CallStarted { .. }
            | Self::CallEnded { .. } => return None,
        };
        Some(HistoryRow { at, what, reason, detail })
    }
}

/// How a session that is active in the store came back to life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// Its client came back to it.
    Resumed,
    /// We started anew and took it over.
    Restored,
}

impl Return {
    /// What is written to the history.
    #[must_use]
    pub const fn happening(self) -> Happening {
        match self {
            Self::Resumed => Happening::Resumed,
            Self::Restored => Happening::Restored,
        }
    }
}

/// What became of a note.
#[must_use = "what is dropped leaves the session behind in the store"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// It will be written soon.
    Queued,
    /// There was no room: the stored state of the session is behind from now on, until
    /// [`crate::Store::insert_session`] writes it whole.
    Dropped,
}

//! What a session begins with: a place, what its client said, and what it has from before.

use super::{Agreement, CameFrom, Kept, LogLevel, resumption::Resumption};
use crate::call::{EventLog, Principal};
use mcp_telemetry::{ConnectionScope, Transport};
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};
use tokio::time::Instant;

/// A session to be.
pub(crate) struct Opening {
    /// Whose it is.
    pub(crate) principal: Principal,
    /// How its client came.
    pub(crate) transport: Transport,
    /// From where.
    pub(crate) came_from: CameFrom,
    /// What the handshake agreed on.
    pub(crate) agreement: Agreement,
    /// The stream for what belongs to none of its calls.
    pub(crate) general: Arc<EventLog>,
    /// When the handshake began.
    pub(crate) begun: Instant,
    /// Whether it is to outlive its socket.
    pub(crate) is_resumable: bool,
}

/// What a session that goes on has from before.
pub(super) struct Past {
    pub(super) id: Arc<str>,
    pub(super) created: SystemTime,
    pub(super) initialized: bool,
    pub(super) log_level: LogLevel,
    pub(super) subscriptions: HashSet<String>,
    pub(super) streams: Vec<Kept>,
    pub(super) requests: u64,
    pub(super) errors: u64,
    /// Whether there may be news that its client has not heard.
    pub(super) may_have_missed: bool,
    pub(super) resumption: Option<Resumption>,
    pub(super) connection: ConnectionScope,
}

/// A place in the table, given back when it is dropped.
pub(crate) struct Place<'a> {
    count: &'a AtomicUsize,
    is_free: bool,
}

impl<'a> Place<'a> {
    /// One that was counted already.
    pub(super) fn counted(count: &'a AtomicUsize) -> Self {
        Self { count, is_free: true }
    }

    /// A session is in it now.
    pub(super) fn keep(mut self) {
        self.is_free = false;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.is_free {
            self.count.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

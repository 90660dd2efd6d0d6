//! A server as a child process: one JSON-RPC message per line on its standard streams
//! (2025-11-25 and 2026-07-28 `basic/transports`).
//!
//! Four tasks serve a child: `pipes::write` owns its stdin, `pipes::read` its stdout,
//! `pipes::log` its stderr, and `child::supervise` the process itself. The supervisor alone
//! decides that the connection is over.

mod child;
mod lines;
mod pipes;

pub use lines::{Line, Lines};

use crate::{
    ClientError, Ending, Options, Sink, StdioTarget,
    exchange::Exchange,
    fate::{Fate, closed},
    inbox::Inbox,
    prepare::Outgoing,
    waiting::Outcome,
};
use mcp_protocol::Revision;
use std::sync::Arc;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What the tasks of one child share.
struct Shared {
    inbox: Arc<Inbox>,
    max_message: usize,
    fate: Fate,
    /// A pipe broke: the process is ending, or as good as dead.
    broken: CancellationToken,
    /// We want it to end.
    closing: CancellationToken,
    /// Nobody holds the connection any more.
    dropped: CancellationToken,
    /// The process is gone and reaped.
    gone: CancellationToken,
}

/// A connection to a child process.
pub(crate) struct StdioWire {
    process_id: Option<u32>,
    shared: Arc<Shared>,
    exchange: Exchange,
    _drop: DropGuard,
}

impl StdioWire {
    /// Starts the process.
    pub(crate) fn open(
        target: &StdioTarget,
        sink: Arc<dyn Sink>,
        options: &Options,
    ) -> Result<Self, ClientError> {
        let spawned = child::spawn(target)?;
        let process_id = spawned.process.id();
        let (exchange, queue) = Exchange::new(sink, options);
        let dropped = CancellationToken::new();
        let shared = Arc::new(Shared {
            inbox: Arc::clone(&exchange.inbox),
            max_message: options.max_message,
            fate: exchange.fate.clone(),
            broken: exchange.broken.clone(),
            closing: CancellationToken::new(),
            dropped: dropped.clone(),
            gone: exchange.gone.clone(),
        });
        let tasks = &exchange.tasks;
        tasks.spawn(pipes::write(spawned.stdin, queue, Arc::clone(&shared)));
        let read = tasks.spawn(pipes::read(spawned.stdout, Arc::clone(&shared)));
        tasks.spawn(pipes::log(spawned.stderr, Arc::clone(&shared)));
        tasks.spawn(child::supervise(spawned.process, read, Arc::clone(&shared)));
        Ok(Self { process_id, shared, exchange, _drop: dropped.drop_guard() })
    }

    /// Notes the revision agreed on.
    pub(crate) fn agree(&self, revision: Revision) {
        let _first_stays = self.shared.inbox.agreed.set(revision);
    }

    /// Sends a call and waits for its end.
    pub(crate) async fn request(&self, call: Outgoing) -> Outcome {
        self.exchange.request(call).await
    }

    /// Sends anything that has no answer.
    pub(crate) async fn send(&self, text: String) -> Result<(), ClientError> {
        self.exchange.send(text).await
    }

    /// The process.
    pub(crate) const fn process_id(&self) -> Option<u32> {
        self.process_id
    }

    /// How the connection ends.
    pub(crate) fn fate(&self) -> &Fate {
        &self.shared.fate
    }

    /// Ends the process, gently at first, and waits until it is gone.
    pub(crate) async fn close(&self) {
        self.shared.end(Ending::ByUs);
        self.shared.closing.cancel();
        self.shared.gone.cancelled().await;
    }
}

impl Shared {
    /// Ends the connection for everyone who waits.
    fn end(&self, ending: Ending) {
        self.fate.end(closed(false, ending.clone()));
        self.inbox.end(&ending);
    }
}

/// An id of ours in the text of an answer that was cut, where servers write it: right at the
/// beginning or at the end.
fn id_in_cut_line(head: &[u8], tail: &[u8]) -> Option<u64> {
    let (head, tail) = (String::from_utf8_lossy(head), String::from_utf8_lossy(tail));
    let number = |text: &str| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    let first = head.strip_prefix(r#"{"jsonrpc":"2.0","id":"#).and_then(number);
    let last = tail
        .rsplit_once(r#""id":"#)
        .filter(|(_, rest)| rest.trim_end().len() < 24)
        .and_then(|(_, rest)| number(rest));
    first.or(last)
}

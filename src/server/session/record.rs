//! A session's page in the store: what is noted of it while nobody waits.

use super::{LogLevel, event_id::StreamId, lock, streams::Kept};
use crate::call::{BoxFuture, Entry, Journal};
use mcp_store::{Change, Counts, Noted, Return, SessionRecord, Store, StoreError, UtcMillis};
use mcp_telemetry::Reason;
use std::{
    collections::HashSet,
    fmt,
    future::poll_fn,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::SystemTime,
};

/// Now, as the store keeps time.
pub(crate) fn now() -> UtcMillis {
    UtcMillis::from(SystemTime::now())
}

#[derive(Clone)]
struct Page {
    store: Arc<dyn Store>,
    id: Arc<str>,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Page").field(&self.id).finish()
    }
}

impl Page {
    fn note(&self, change: Change) {
        // What is dropped makes the session fall behind, and the next sweep writes it whole.
        let (Noted::Queued | Noted::Dropped) = self.store.note(&self.id, now(), change);
    }
}

type Inserting<'a> = BoxFuture<'a, Result<(), StoreError>>;

/// What outlives the process of one session.
#[derive(Debug)]
pub(crate) struct Record {
    page: Option<Page>,
    /// Whether the session has ended: it is not written as active any more.
    is_over: Mutex<bool>,
    /// Whether the store will have it, so that changes are noted.
    is_queued: AtomicBool,
    /// Whether the store has it for sure.
    is_written: AtomicBool,
}

impl Record {
    /// The page of a session; `is_written` if the store has it already.
    pub(super) fn new(store: &Arc<dyn Store>, id: &Arc<str>, is_written: bool) -> Self {
        let page = Page { store: Arc::clone(store), id: Arc::clone(id) };
        Self {
            page: Some(page),
            is_over: Mutex::new(false),
            is_queued: AtomicBool::new(is_written),
            is_written: AtomicBool::new(is_written),
        }
    }

    /// No page: nothing is kept.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        let (is_queued, is_written) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { page: None, is_over: Mutex::new(false), is_queued, is_written }
    }

    /// Writes the session whole, unless it has ended; whether it is safe. It is served in any case.
    pub(super) async fn write(&self, session: impl Fn() -> SessionRecord) -> bool {
        let Some(page) = &self.page else { return false };
        let mut inserting = None;
        let inserted = poll_fn(|task| {
            if let Some(insert) = &mut inserting {
                return is_safe(insert, task);
            }
            // The store has it in its queue after the first poll. Under the lock, so that its end,
            // which is noted under the same, always comes after it.
            let is_over = lock(&self.is_over);
            if *is_over {
                return Poll::Ready(false);
            }
            let insert = inserting.insert(page.store.insert_session(session()));
            let first = is_safe(insert, task);
            self.is_queued.store(true, Ordering::Relaxed);
            first
        });
        let is_safe = inserted.await;
        if is_safe {
            self.is_written.store(true, Ordering::Relaxed);
        }
        is_safe
    }

    /// Whether the session outlives this process.
    pub(super) fn is_durable(&self) -> bool {
        self.is_written.load(Ordering::Relaxed)
            && self.page.as_ref().is_some_and(|page| page.store.is_durable())
    }

    /// Whether the store has it.
    pub(super) fn is_written(&self) -> bool {
        self.is_written.load(Ordering::Relaxed)
    }

    /// Whether the store will have it, so that changes are noted.
    pub(super) fn is_queued(&self) -> bool {
        self.is_queued.load(Ordering::Relaxed)
    }

    pub(super) fn note(&self, change: impl FnOnce() -> Change) {
        if self.is_queued()
            && let Some(page) = &self.page
        {
            page.note(change());
        }
    }

    pub(super) fn initialized(&self) {
        self.note(|| Change::Initialized);
    }

    pub(super) fn log_level(&self, level: LogLevel) {
        self.note(|| Change::LogLevel(level.name().into()));
    }

    pub(super) fn subscriptions(&self, uris: &HashSet<String>) {
        self.note(|| Change::Subscriptions(uris.iter().map(|uri| uri.as_str().into()).collect()));
    }

    pub(super) fn active(&self, at: UtcMillis, counts: Counts) {
        if self.is_queued()
            && let Some(page) = &self.page
        {
            let (Noted::Queued | Noted::Dropped) =
                page.store.note(&page.id, at, Change::Active(counts));
        }
    }

    pub(super) fn returned(&self, how: Return) {
        self.note(|| Change::Happened(how, None));
    }

    pub(super) fn ended(&self, reason: Reason) {
        let mut is_over = lock(&self.is_over);
        *is_over = true;
        self.note(|| Change::Disconnected(reason, None));
    }

    /// Notes a stream, and all that is and will be on it.
    pub(super) fn stream_opened(&self, kept: &Kept) {
        let stream = kept.id.as_u64();
        self.note(|| Change::StreamOpened { stream, request: Some(Arc::clone(&kept.awaited)) });
        self.keep(kept);
    }

    /// Writes down what is on a stream and what will be.
    pub(super) fn keep(&self, kept: &Kept) {
        if let Some(journal) = self.journal(kept) {
            kept.log.keep_in(journal);
        }
    }

    /// Writes down what is put on a stream from here on: the rest stands there already.
    pub(super) fn go_on_with(&self, kept: &Kept) {
        if let Some(journal) = self.journal(kept) {
            kept.log.goes_on_in(journal);
        }
    }

    fn journal(&self, kept: &Kept) -> Option<Box<dyn Journal>> {
        let page = self.page.as_ref().filter(|_| self.is_queued())?;
        Some(Box::new(StreamJournal { page: page.clone(), stream: kept.id.as_u64() }))
    }

    pub(super) fn stream_forgotten(&self, id: StreamId) {
        self.note(|| Change::StreamForgotten { stream: id.as_u64() });
    }
}

fn is_safe(insert: &mut Inserting<'_>, task: &mut Context<'_>) -> Poll<bool> {
    insert.as_mut().poll(task).map(|result| result.is_ok())
}

/// Writes down one stream.
#[derive(Debug)]
struct StreamJournal {
    page: Page,
    stream: u64,
}

impl Journal for StreamJournal {
    fn appended(&self, entry: &Entry) {
        let (number, json) = (entry.number, entry.json.clone());
        self.page.note(Change::Event { stream: self.stream, number, json });
    }

    fn closed(&self) {
        // The general stream goes on with its session, in the next process too.
        if self.stream == StreamId::GENERAL.as_u64() {
            return;
        }
        self.page.note(Change::StreamClosed { stream: self.stream });
    }
}

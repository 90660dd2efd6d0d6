//! A session's page in the store: what is noted of it while nobody waits.

use super::{LogLevel, event_id::StreamId, streams::Kept};
use crate::call::{Entry, Journal};
use mcp_store::{Change, Counts, Noted, Return, SessionRecord, Store, StoreError, UtcMillis};
use mcp_telemetry::Reason;
use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{self, AtomicBool, Ordering},
    },
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

/// What outlives the process of one session.
#[derive(Debug)]
pub(crate) struct Record {
    page: Option<Page>,
    /// The store has it as it is, but for what is noted.
    is_written: AtomicBool,
    /// The store may have it, as it is or was.
    may_be_there: AtomicBool,
    end: OnceLock<Reason>,
    is_end_noted: AtomicBool,
}

impl Record {
    /// The page of a session; `is_written` if the store has it already.
    pub(super) fn new(store: &Arc<dyn Store>, id: &Arc<str>, is_written: bool) -> Self {
        let page = Page { store: Arc::clone(store), id: Arc::clone(id) };
        Self::of(Some(page), is_written)
    }

    /// No page: nothing is kept.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self::of(None, false)
    }

    fn of(page: Option<Page>, is_written: bool) -> Self {
        Self {
            page,
            is_written: AtomicBool::new(is_written),
            may_be_there: AtomicBool::new(is_written),
            end: OnceLock::new(),
            is_end_noted: AtomicBool::new(false),
        }
    }

    /// Writes the session whole; whether it is safe. It is served in any case.
    pub(super) async fn write(&self, session: SessionRecord) -> bool {
        let Some(page) = &self.page else { return false };
        let written = page.store.insert_session(session).await;
        self.is_written.store(written.is_ok(), Ordering::Relaxed);
        // What took too long may still be done.
        if matches!(written, Ok(()) | Err(StoreError::TimedOut)) {
            self.may_be_there.store(true, Ordering::SeqCst);
            // It may have ended meanwhile.
            self.note_end();
        }
        written.is_ok()
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

    pub(super) fn note(&self, change: impl FnOnce() -> Change) {
        if self.is_written()
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
        if self.is_written()
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
        let _first = self.end.set(reason).is_ok();
        self.note_end();
    }

    /// Notes the end, if there is one, once: also of a session that is being written just now,
    /// which would be active in the store for ever.
    fn note_end(&self) {
        atomic::fence(Ordering::SeqCst);
        if self.may_be_there.load(Ordering::SeqCst)
            && let Some(reason) = self.end.get()
            && let Some(page) = &self.page
            && !self.is_end_noted.swap(true, Ordering::SeqCst)
        {
            page.note(Change::Disconnected(*reason, None));
        }
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
        let page = self.page.as_ref().filter(|_| self.is_written())?;
        Some(Box::new(StreamJournal { page: page.clone(), stream: kept.id.as_u64() }))
    }

    pub(super) fn stream_forgotten(&self, id: StreamId) {
        self.note(|| Change::StreamForgotten { stream: id.as_u64() });
    }
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

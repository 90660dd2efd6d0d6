//! The messages on their way to one client stream, kept in order until they are read.
//!
//! Writers never wait: beyond its bounds a log forgets its oldest messages and counts them,
//! so a client that does not read costs a bounded amount and blocks nobody. One reader reads
//! at a time; a newer one takes over. What was read stays within the bounds, so that a client
//! that comes back can be given what follows the last event it saw. A log with a journal hands
//! it all it is given, so that this holds over a restart too.
//!
//! Numbers count up from the epoch of the process in their upper half: those that a process
//! gives are above all that an earlier one gave, also where the store lost the last of them.

use super::Followed;
use crate::config::Limits;
use bytes::Bytes;
use futures_util::task::AtomicWaker;
use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    task::{Context, Poll},
};

/// How much a log keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Most messages.
    pub(crate) events: usize,
    /// Most bytes of messages.
    pub(crate) bytes: usize,
}

impl Bounds {
    /// Those of a stream that opens under these limits.
    pub(crate) fn of(limits: &Limits) -> Self {
        Self { events: limits.stream_events, bytes: limits.stream_bytes }
    }
}

/// One message of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Its place in the stream; see the module's words on epochs.
    pub(crate) number: u64,
    /// The JSON text, on one line.
    pub(crate) json: Bytes,
}

/// Where a log is written down.
pub(crate) trait Journal: fmt::Debug + Send + Sync {
    /// Takes a message. Called in order, and never waits.
    fn appended(&self, entry: &Entry);
    /// The log takes no more.
    fn closed(&self);
}

/// The number before the first that a process of this epoch gives.
pub(crate) const fn epoch_start(epoch: u32) -> u64 {
    (epoch as u64) << 32
}

/// What a reader finds.
#[derive(Debug)]
pub(crate) enum Next {
    /// The next message.
    Entry(Found),
    /// The stream has ended, or a newer reader took over.
    End,
}

/// A message that a reader finds.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) entry: Entry,
    /// How many before it were forgotten unread.
    pub(crate) missed: u64,
    /// Whether the stream ends with it.
    pub(crate) is_last: bool,
}

#[derive(Debug, Default)]
struct Inner {
    entries: VecDeque<Entry>,
    bytes: usize,
    last_number: u64,
    /// The newest that was forgotten.
    forgotten: u64,
    last_read: u64,
    touched: bool,
    closed: bool,
    reader: u64,
}

impl Inner {
    /// How many were forgotten after that number; at least one, where that cannot be told.
    fn forgotten_after(&self, number: u64) -> u64 {
        let first = number.max(epoch_start((self.forgotten >> 32) as u32));
        if number < self.forgotten { self.forgotten.saturating_sub(first).max(1) } else { 0 }
    }

    fn make_room(&mut self, bounds: Bounds) {
        while self.entries.len() > 1
            && (self.entries.len() > bounds.events || self.bytes > bounds.bytes)
        {
            if let Some(oldest) = self.entries.pop_front() {
                self.bytes -= oldest.json.len();
                self.forgotten = oldest.number;
            }
        }
    }
}

/// The log of one stream.
#[derive(Debug)]
pub(crate) struct EventLog {
    bounds: Bounds,
    inner: Mutex<Inner>,
    waker: AtomicWaker,
    journal: OnceLock<Box<dyn Journal>>,
    /// The calls that are told when its reader goes away.
    pub(crate) followed: Followed,
}

impl EventLog {
    /// A log whose numbers start after 0.
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self::after(bounds, 0)
    }

    /// A log whose numbers start after that one.
    pub(crate) fn after(bounds: Bounds, last_number: u64) -> Self {
        Self::restored(bounds, last_number, Vec::new())
    }

    /// A log that goes on after `last_number`, with what an earlier process left in it.
    pub(crate) fn restored(bounds: Bounds, last_number: u64, entries: Vec<Entry>) -> Self {
        let bytes = entries.iter().map(|entry| entry.json.len()).sum();
        let newest = entries.last().map_or(0, |entry| entry.number);
        let mut inner = Inner {
            entries: entries.into(),
            bytes,
            last_number: last_number.max(newest),
            ..Inner::default()
        };
        inner.make_room(bounds);
        Self {
            bounds,
            inner: Mutex::new(inner),
            waker: AtomicWaker::new(),
            journal: OnceLock::new(),
            followed: Followed::default(),
        }
    }

    /// Writes the log down from here on, and what is in it already. Only the first time counts.
    pub(crate) fn keep_in(&self, journal: Box<dyn Journal>) {
        let inner = self.lock();
        if let Err(_second) = self.journal.set(journal) {
            return;
        }
        let Some(journal) = self.journal.get() else { return };
        inner.entries.iter().for_each(|entry| journal.appended(entry));
        if inner.closed {
            journal.closed();
        }
    }

    /// Writes the log down from here on; what is in it stands there already.
    pub(crate) fn goes_on_in(&self, journal: Box<dyn Journal>) {
        let _inner = self.lock();
        // Only the first time counts.
        let _second = self.journal.set(journal).is_err();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message. A closed log takes none; whether it was taken.
    pub(crate) fn push(&self, json: impl Into<Bytes>) -> bool {
        let mut inner = self.lock();
        if inner.closed {
            return false;
        }
        self.append(&mut inner, json.into());
        drop(inner);
        self.waker.wake();
        true
    }

    /// Adds the last messages and ends the stream, in one step: a log that somebody else has ended
    /// has its last words already, and takes no others.
    pub(crate) fn end_with(&self, last: impl IntoIterator<Item = String>) {
        let mut inner = self.lock();
        if inner.closed {
            return;
        }
        for json in last {
            self.append(&mut inner, json.into());
        }
        self.shut(inner);
    }

    fn append(&self, inner: &mut Inner, json: Bytes) {
        inner.touched = true;
        inner.last_number += 1;
        inner.bytes += json.len();
        let entry = Entry { number: inner.last_number, json };
        // Under the lock, so that the journal has the same order.
        if let Some(journal) = self.journal.get() {
            journal.appended(&entry);
        }
        inner.entries.push_back(entry);
        inner.make_room(self.bounds);
    }

    /// Ends the stream after what is in it.
    pub(crate) fn close(&self) {
        self.shut(self.lock());
    }

    fn shut(&self, mut inner: MutexGuard<'_, Inner>) {
        if !std::mem::replace(&mut inner.closed, true)
            && let Some(journal) = self.journal.get()
        {
            journal.closed();
        }
        drop(inner);
        self.waker.wake();
    }

    /// How many bytes it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Whether nothing was ever written.
    pub(crate) fn is_untouched(&self) -> bool {
        let inner = self.lock();
        !inner.touched && !inner.closed
    }

    /// Whether the stream was closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// The number of the newest message, or before the first the one to start after.
    pub(crate) fn last_number(&self) -> u64 {
        self.lock().last_number
    }

    /// Whether the reader of now has read all there is, and more may come.
    pub(crate) fn is_read(&self, cursor: &Cursor) -> bool {
        let inner = self.lock();
        inner.reader == cursor.reader && inner.last_number == cursor.last && !inner.closed
    }

    /// Whether that is the reader of now, and more may come.
    pub(crate) fn is_awaited_by(&self, cursor: &Cursor) -> bool {
        let inner = self.lock();
        inner.reader == cursor.reader && !inner.closed
    }

    /// How many messages above that number it holds, and the number of the newest.
    pub(crate) fn count_after(&self, number: u64) -> (u64, u64) {
        let inner = self.lock();
        let at = inner.entries.partition_point(|entry| entry.number <= number);
        let count = u64::try_from(inner.entries.len() - at).unwrap_or(u64::MAX);
        (count, inner.last_number)
    }

    /// Starts reading after a number, or after what was read last, and ends any earlier reader.
    pub(crate) fn read_from(&self, after: Option<u64>) -> Cursor {
        let mut inner = self.lock();
        inner.reader += 1;
        // A client that claims to have read what was never written would miss what is.
        let last = after.unwrap_or(inner.last_read).min(inner.last_number);
        let cursor = Cursor { reader: inner.reader, last };
        drop(inner);
        self.waker.wake();
        cursor
    }

    /// The reader's next message, if there is one.
    pub(crate) fn poll_next(&self, cursor: &mut Cursor, task: &mut Context<'_>) -> Poll<Next> {
        let mut inner = self.lock();
        if inner.reader != cursor.reader {
            return Poll::Ready(Next::End);
        }
        // Only the reader of now: a former one must not be woken in its place.
        self.waker.register(task.waker());
        let at = inner.entries.partition_point(|entry| entry.number <= cursor.last);
        let Some(entry) = inner.entries.get(at).cloned() else {
            return if inner.closed { Poll::Ready(Next::End) } else { Poll::Pending };
        };
        let missed = inner.forgotten_after(cursor.last);
        let is_last = inner.closed && at + 1 == inner.entries.len();
        cursor.last = entry.number;
        inner.last_read = inner.last_read.max(entry.number);
        Poll::Ready(Next::Entry(Found { entry, missed, is_last }))
    }

    /// Waits until something was written.
    pub(crate) fn poll_touched(&self, task: &mut Context<'_>) -> Poll<()> {
        self.waker.register(task.waker());
        if self.is_untouched() { Poll::Pending } else { Poll::Ready(()) }
    }
}

/// A reader's place in a log.
#[derive(Debug)]
pub(crate) struct Cursor {
    reader: u64,
    last: u64,
}

impl Cursor {
    /// The number read last.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::task::noop_waker_ref;

    fn log(events: usize, bytes: usize) -> EventLog {
        EventLog::new(Bounds { events, bytes })
    }

    fn read(log: &EventLog, cursor: &mut Cursor) -> Option<(u64, u64)> {
        match log.poll_next(cursor, &mut Context::from_waker(noop_waker_ref())) {
            Poll::Ready(Next::Entry(found)) => Some((found.entry.number, found.missed)),
            Poll::Ready(Next::End) => Some((0, 0)),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_reader_that_comes_back_reads_on_after_the_number_it_names() {
        let log = log(10, 1000);
        for _ in 0..3 {
            assert!(log.push("x"));
        }
        assert_eq!((log.count_after(1), log.count_after(3)), ((2, 3), (0, 3)));
        let mut first = log.read_from(None);
        assert_eq!(read(&log, &mut first), Some((1, 0)));
        let mut second = log.read_from(Some(1));
        assert_eq!(read(&log, &mut first), Some((0, 0)), "the newer reader took over");
        assert_eq!(read(&log, &mut second), Some((2, 0)));
        assert_eq!(read(&log, &mut second), Some((3, 0)));
        assert_eq!(read(&log, &mut second), None);
        log.close();
        assert_eq!(read(&log, &mut second), Some((0, 0)));
        assert!(!log.push("late"));
    }

    #[test]
    fn beyond_its_bounds_it_forgets_the_oldest_and_says_how_many() {
        for (events, bytes) in [(4, 1000), (1000, 4)] {
            let log = log(events, bytes);
            for _ in 0..10 {
                assert!(log.push("x"));
            }
            let mut cursor = log.read_from(None);
            assert_eq!(read(&log, &mut cursor), Some((7, 6)));
            assert_eq!(read(&log, &mut cursor), Some((8, 0)));
        }
    }

    #[test]
    fn a_restored_log_goes_on_above_all_that_was_given_before() {
        let bounds = Bounds { events: 10, bytes: 1000 };
        let old = |number| Entry { number: epoch_start(1) + number, json: Bytes::from("old") };
        let log = EventLog::restored(bounds, epoch_start(2), vec![old(4), old(5)]);
        assert!(log.push("new"));
        let first = epoch_start(2) + 1;
        // The client saw 7, of which the store knows nothing.
        let mut ahead = log.read_from(Some(epoch_start(1) + 7));
        assert_eq!(read(&log, &mut ahead), Some((first, 0)));
        let mut behind = log.read_from(Some(epoch_start(1) + 4));
        assert_eq!(read(&log, &mut behind), Some((epoch_start(1) + 5, 0)));
        assert_eq!(read(&log, &mut behind), Some((first, 0)));
    }

    #[test]
    fn a_journal_has_all_in_order() {
        #[derive(Debug, Default, Clone)]
        struct Paper(std::sync::Arc<Mutex<Vec<u64>>>);
        impl Journal for Paper {
            fn appended(&self, entry: &Entry) {
                self.0.lock().expect("no panic").push(entry.number);
            }
            fn closed(&self) {
                self.0.lock().expect("no panic").push(0);
            }
        }
        let (log, paper) = (log(2, 1000), Paper::default());
        log.push("before");
        log.keep_in(Box::new(paper.clone()));
        log.push("after");
        log.close();
        log.close();
        assert_eq!(*paper.0.lock().expect("no panic"), [1, 2, 0]);
    }

    #[test]
    fn one_message_above_the_bound_is_kept_all_the_same() {
        let log = log(4, 4);
        assert!(log.push("larger than four bytes"));
        assert_eq!(read(&log, &mut log.read_from(None)), Some((1, 0)));
    }
}

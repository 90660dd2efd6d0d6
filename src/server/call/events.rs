//! The messages on their way to one client stream, kept in order until they are read.
//!
//! Writers never wait: beyond its bounds a log forgets its oldest messages and counts them,
//! so a client that does not read costs a bounded amount and blocks nobody. One reader reads
//! at a time; a newer one takes over. What was read stays within the bounds, so that a client
//! that comes back can be given what follows the last event it saw.

use crate::config::Limits;
use bytes::Bytes;
use futures_util::task::AtomicWaker;
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
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
    /// Its place in the stream, from 1.
    pub(crate) number: u64,
    /// The JSON text, on one line.
    pub(crate) json: Bytes,
}

/// What a reader finds.
#[derive(Debug)]
pub(crate) enum Next {
    /// The next message, and how many before it were forgotten unread.
    Entry(Entry, u64),
    /// The stream has ended, or a newer reader took over.
    End,
}

#[derive(Debug, Default)]
struct Inner {
    entries: VecDeque<Entry>,
    bytes: usize,
    last_number: u64,
    last_read: u64,
    closed: bool,
    reader: u64,
}

/// The log of one stream.
#[derive(Debug)]
pub(crate) struct EventLog {
    bounds: Bounds,
    inner: Mutex<Inner>,
    waker: AtomicWaker,
}

impl EventLog {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, inner: Mutex::default(), waker: AtomicWaker::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message. A closed log takes none; whether it was taken.
    pub(crate) fn push(&self, json: impl Into<Bytes>) -> bool {
        let json = json.into();
        {
            let mut inner = self.lock();
            if inner.closed {
                return false;
            }
            inner.last_number += 1;
            inner.bytes += json.len();
            let number = inner.last_number;
            inner.entries.push_back(Entry { number, json });
            while inner.entries.len() > 1
                && (inner.entries.len() > self.bounds.events || inner.bytes > self.bounds.bytes)
            {
                let oldest = inner.entries.pop_front().map_or(0, |entry| entry.json.len());
                inner.bytes -= oldest;
            }
        }
        self.waker.wake();
        true
    }

    /// Ends the stream after what is in it.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.waker.wake();
    }

    /// Whether nothing was ever written.
    pub(crate) fn is_untouched(&self) -> bool {
        let inner = self.lock();
        inner.last_number == 0 && !inner.closed
    }

    /// Whether the stream was closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// The number of the newest message; 0 before the first.
    pub(crate) fn last_number(&self) -> u64 {
        self.lock().last_number
    }

    /// Starts reading after a number, or after what was read last, and ends any earlier reader.
    pub(crate) fn read_from(&self, after: Option<u64>) -> Cursor {
        let mut inner = self.lock();
        inner.reader += 1;
        let cursor = Cursor { reader: inner.reader, last: after.unwrap_or(inner.last_read) };
        drop(inner);
        self.waker.wake();
        cursor
    }

    /// The reader's next message, if there is one.
    pub(crate) fn poll_next(&self, cursor: &mut Cursor, task: &mut Context<'_>) -> Poll<Next> {
        self.waker.register(task.waker());
        let mut inner = self.lock();
        if inner.reader != cursor.reader {
            return Poll::Ready(Next::End);
        }
        let first = inner.entries.front().map_or(inner.last_number + 1, |entry| entry.number);
        let wanted = (cursor.last + 1).max(first);
        let at = usize::try_from(wanted - first).unwrap_or(usize::MAX);
        let Some(entry) = inner.entries.get(at).cloned() else {
            return if inner.closed { Poll::Ready(Next::End) } else { Poll::Pending };
        };
        let missed = entry.number - cursor.last - 1;
        cursor.last = entry.number;
        inner.last_read = inner.last_read.max(entry.number);
        Poll::Ready(Next::Entry(entry, missed))
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
            Poll::Ready(Next::Entry(entry, missed)) => Some((entry.number, missed)),
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
    fn one_message_above_the_bound_is_kept_all_the_same() {
        let log = log(4, 4);
        assert!(log.push("larger than four bytes"));
        assert_eq!(read(&log, &mut log.read_from(None)), Some((1, 0)));
    }
}

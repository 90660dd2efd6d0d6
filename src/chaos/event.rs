//! What was done, told in order: a bounded list that any number of readers follow.

use crate::Direction;
use serde::{Serialize, Serializer};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::sync::Notify;

/// Most events that are kept for readers who are behind.
const KEPT: usize = 16_384;

/// Where a fault stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It is in force from here on.
    Began,
    /// It did something.
    Injected,
    /// It is in force no longer.
    Ended,
}

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaultEvent {
    /// Its number, from 1.
    pub number: u64,
    /// When, in UTC.
    #[serde(serialize_with = "unix_ms", rename = "unix_ms")]
    pub at: SystemTime,
    /// When, after the proxy's start.
    #[serde(serialize_with = "seconds", rename = "at_s")]
    pub offset: Duration,
    /// The name of the fault.
    #[serde(serialize_with = "text")]
    pub fault: Arc<str>,
    /// What it does.
    pub kind: &'static str,
    /// Which way; of an injection the way of its message.
    pub direction: Direction,
    /// The ordinal of the connection, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<u64>,
    /// The ordinal of the message in its direction of the connection, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<u64>,
    /// What happened.
    pub phase: Phase,
}

fn text<S: Serializer>(text: &Arc<str>, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(text)
}

fn unix_ms<S: Serializer>(at: &SystemTime, out: S) -> Result<S::Ok, S::Error> {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    out.serialize_u64(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn seconds<S: Serializer>(offset: &Duration, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_f64(offset.as_secs_f64())
}

/// The list, shared by who writes and who reads.
#[derive(Debug, Default)]
pub(crate) struct EventList {
    told: Mutex<Told>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Told {
    last: u64,
    events: VecDeque<FaultEvent>,
    closed: bool,
}

impl EventList {
    /// Adds an event and numbers it.
    pub(crate) fn push(&self, mut event: FaultEvent) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.last += 1;
        event.number = told.last;
        if told.events.len() == KEPT {
            told.events.pop_front();
        }
        told.events.push_back(event);
        drop(told);
        self.news.notify_waiters();
    }

    /// Says that no more will come.
    pub(crate) fn close(&self) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.news.notify_waiters();
    }

    /// At most `most` kept events after that number.
    pub(crate) fn after(&self, number: u64, most: usize) -> Vec<FaultEvent> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let from = told.events.partition_point(|event| event.number <= number);
        told.events.range(from..).take(most).cloned().collect()
    }

    fn closed(&self) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).closed
    }
}

/// Reads what was done since the proxy's start, as far as it is kept.
#[derive(Debug)]
pub struct Events {
    list: Arc<EventList>,
    seen: u64,
    missed: u64,
}

impl Events {
    pub(crate) fn new(list: Arc<EventList>) -> Self {
        Self { list, seen: 0, missed: 0 }
    }

    /// The next event, once there is one; `None` when the proxy has ended and all was read.
    pub async fn next(&mut self) -> Option<FaultEvent> {
        let list = Arc::clone(&self.list);
        loop {
            let news = list.news.notified();
            let mut news = std::pin::pin!(news);
            news.as_mut().enable();
            if let Some(event) = self.try_next() {
                return Some(event);
            }
            if list.closed() {
                return self.try_next();
            }
            news.await;
        }
    }

    /// The next event, if there is one.
    pub fn try_next(&mut self) -> Option<FaultEvent> {
        let event = self.list.after(self.seen, 1).pop()?;
        self.missed += event.number - self.seen - 1;
        self.seen = event.number;
        Some(event)
    }

    /// How many events were forgotten before they were read here.
    #[must_use]
    pub const fn missed(&self) -> u64 {
        self.missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> FaultEvent {
        FaultEvent {
            number: 0,
            at: SystemTime::UNIX_EPOCH,
            offset: Duration::ZERO,
            fault: "f".into(),
            kind: "noop",
            direction: Direction::Both,
            connection: None,
            message: None,
            phase: Phase::Injected,
        }
    }

    #[tokio::test]
    async fn a_reader_sees_all_in_order_and_the_end() {
        let list = Arc::new(EventList::default());
        let mut events = Events::new(Arc::clone(&list));
        assert_eq!(events.try_next(), None);
        list.push(event());
        list.push(event());
        list.close();
        let numbers =
            [events.next().await, events.next().await].map(|event| event.map(|e| e.number));
        assert_eq!(numbers, [Some(1), Some(2)]);
        assert_eq!(events.next().await, None);
    }

    #[test]
    fn who_is_behind_is_told_how_far() {
        let list = Arc::new(EventList::default());
        let mut events = Events::new(Arc::clone(&list));
        for _ in 0..KEPT + 5 {
            list.push(event());
        }
        assert_eq!(events.try_next().map(|event| event.number), Some(6));
        assert_eq!(events.missed(), 5);
    }
}

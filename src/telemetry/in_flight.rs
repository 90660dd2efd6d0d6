//! When the calls in flight began, so that a scrape can tell the age of the oldest. One slab a
//! method: a start and an end cost one short lock each and, once warm, no allocation.

use crate::label::Label;
use mcp_protocol::Method;
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// The slabs, by method.
pub(crate) struct InFlight(Box<[Mutex<Slab>]>);

#[derive(Default)]
struct Slab {
    starts: Vec<Option<Instant>>,
    free: Vec<usize>,
}

/// The place of one call.
#[derive(Debug)]
pub(crate) struct Ticket {
    method: Method,
    place: usize,
}

impl Default for InFlight {
    fn default() -> Self {
        Self(Method::ALL.iter().map(|_| Mutex::default()).collect())
    }
}

impl InFlight {
    /// Notes a start; `None` for the method that is a stream, not a request.
    pub(crate) fn enter(&self, method: Method, now: Instant) -> Option<Ticket> {
        if method == Method::SubscriptionsListen {
            return None;
        }
        let mut slab = self.0[method.slot()].lock().unwrap_or_else(PoisonError::into_inner);
        let place = slab.free.pop().unwrap_or_else(|| {
            slab.starts.push(None);
            slab.starts.len() - 1
        });
        slab.starts[place] = Some(now);
        Some(Ticket { method, place })
    }

    /// Notes an end.
    pub(crate) fn leave(&self, ticket: &Ticket) {
        let mut slab = self.0[ticket.method.slot()].lock().unwrap_or_else(PoisonError::into_inner);
        slab.starts[ticket.place] = None;
        slab.free.push(ticket.place);
    }

    /// The age of the oldest call of each method, zero where there is none.
    pub(crate) fn oldest(&self) -> impl Iterator<Item = (Method, Duration)> {
        let now = Instant::now();
        Method::ALL.iter().map(move |method| {
            let slab = self.0[method.slot()].lock().unwrap_or_else(PoisonError::into_inner);
            let oldest = slab.starts.iter().flatten().min();
            (*method, oldest.map_or(Duration::ZERO, |start| now.saturating_duration_since(*start)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_oldest_is_told_and_places_are_used_again() {
        let calls = InFlight::default();
        let first = calls.enter(Method::Ping, Instant::now()).expect("a request");
        tokio::time::advance(Duration::from_secs(2)).await;
        let second = calls.enter(Method::Ping, Instant::now()).expect("a request");
        let age = |calls: &InFlight| {
            calls.oldest().find(|(method, _)| *method == Method::Ping).map(|(_, age)| age)
        };
        assert_eq!(age(&calls), Some(Duration::from_secs(2)));
        calls.leave(&first);
        assert_eq!(age(&calls), Some(Duration::ZERO));
        assert_eq!(
            calls.enter(Method::Ping, Instant::now()).expect("a request").place,
            first.place
        );
        calls.leave(&second);
        assert!(calls.enter(Method::SubscriptionsListen, Instant::now()).is_none());
    }
}

//! Calls about the same thing, one after the other, in the order in which they were made. Sent side
//! by side they could reach the server in any order, and the last word would not count.

use super::shared::lock;
use crate::Unfinished;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

/// Most subjects, and most in the order of one.
const MOST: usize = 10_000;

type All = Arc<Mutex<HashMap<String, (Arc<Semaphore>, usize)>>>;

/// The orders by subject, as long as somebody is in them.
#[derive(Default)]
pub(super) struct Orders(All);

/// A place in the order of one subject, given back when it is dropped.
pub(super) struct Order {
    all: All,
    subject: String,
    turns: Arc<Semaphore>,
}

impl Orders {
    /// A place in the order of a subject, if there is one.
    pub(super) fn of(&self, subject: &str) -> Result<Order, Unfinished> {
        let mut all = lock(&self.0);
        let users = all.get(subject).map_or(0, |(_, users)| *users);
        if users >= MOST || all.len() >= MOST {
            return Err(Unfinished::QueueFull { messages: users.max(all.len()) });
        }
        let new = || (Arc::new(Semaphore::new(1)), 0);
        let (turns, users) = all.entry(subject.to_owned()).or_insert_with(new);
        *users += 1;
        let turns = Arc::clone(turns);
        Ok(Order { all: Arc::clone(&self.0), subject: subject.to_owned(), turns })
    }
}

impl Order {
    /// One's turn, once all before have had theirs; `None` when it does not come until then.
    pub(super) async fn turn(&self, until: Instant) -> Option<OwnedSemaphorePermit> {
        // First come, first served; it is never closed.
        timeout_at(until, Arc::clone(&self.turns).acquire_owned()).await.ok()?.ok()
    }
}

impl Drop for Order {
    fn drop(&mut self) {
        let mut all = lock(&self.all);
        if let Some((_, users)) = all.get_mut(&self.subject) {
            *users -= 1;
            if *users == 0 {
                all.remove(&self.subject);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_subject_has_one_turn_at_a_time_and_is_forgotten_when_nobody_is_left() {
        let orders = Orders::default();
        let soon = || Instant::now() + Duration::from_secs(1);
        let [first, second, other] =
            ["a", "a", "b"].map(|subject| orders.of(subject).expect("there is room"));
        let turn = first.turn(soon()).await.expect("nobody is before it");
        assert!(other.turn(soon()).await.is_some() && second.turn(soon()).await.is_none());
        drop((turn, first));
        assert!(second.turn(soon()).await.is_some());
        drop((second, other));
        assert!(lock(&orders.0).is_empty());
        let all: Vec<_> = std::iter::from_fn(|| orders.of("a").ok()).take(MOST + 1).collect();
        assert_eq!(all.len(), MOST);
    }
}

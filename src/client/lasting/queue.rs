//! Who waits for the server, oldest first. Decides only: who waits is woken through `W`.

use super::config::QueueRule;
use crate::Unfinished;
use std::collections::BTreeMap;

/// A place in the order of all calls; a call that waits a second time keeps its own.
pub(super) type Ticket = u64;

/// Those that wait.
pub(super) struct Queue<W> {
    rule: QueueRule,
    waiting: BTreeMap<Ticket, (usize, W)>,
    bytes: usize,
    next: Ticket,
}

impl<W> Queue<W> {
    /// Empty.
    pub(super) const fn new(rule: QueueRule) -> Self {
        Self { rule, waiting: BTreeMap::new(), bytes: 0, next: 0 }
    }

    /// The next place in the order.
    pub(super) const fn ticket(&mut self) -> Ticket {
        self.next += 1;
        self.next
    }

    /// Begins to wait.
    pub(super) fn enter(
        &mut self,
        ticket: Ticket,
        bytes: usize,
        waker: W,
    ) -> Result<(), Unfinished> {
        if bytes > self.rule.message_bytes {
            return Err(Unfinished::TooLargeToWait { bytes, most: self.rule.message_bytes });
        }
        let messages = self.waiting.len();
        if messages >= self.rule.messages || self.bytes + bytes > self.rule.bytes {
            return Err(Unfinished::QueueFull { messages });
        }
        self.bytes += bytes;
        if let Some((before, _)) = self.waiting.insert(ticket, (bytes, waker)) {
            self.bytes -= before;
        }
        Ok(())
    }

    /// Waits no more, if it still did.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<W> {
        let (bytes, waker) = self.waiting.remove(&ticket)?;
        self.bytes -= bytes;
        Some(waker)
    }

    /// The one that has waited longest, taken out.
    pub(super) fn oldest(&mut self) -> Option<W> {
        let ticket = *self.waiting.first_key_value()?.0;
        self.leave(ticket)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Enter(usize),
        Leave(usize),
        Oldest,
        Back,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0usize..150).prop_map(Step::Enter),
            (0usize..20).prop_map(Step::Leave),
            Just(Step::Oldest),
            Just(Step::Back),
        ]
    }

    proptest! {
        #[test]
        fn nothing_is_lost_the_oldest_goes_first_and_the_bounds_hold(
            steps in prop::collection::vec(step(), 0..300),
        ) {
            let rule = QueueRule { messages: 8, message_bytes: 100, bytes: 400, ..QueueRule::default() };
            let mut queue = Queue::new(rule);
            let mut model: Vec<(Ticket, usize)> = Vec::new();
            let mut taken: Option<(Ticket, usize)> = None;
            for step in steps {
                let mut enter = |queue: &mut Queue<Ticket>, ticket, bytes: usize| {
                    let held: usize = model.iter().map(|(_, bytes)| bytes).sum();
                    let fits = bytes <= 100 && model.len() < 8 && held + bytes <= 400;
                    let entered = queue.enter(ticket, bytes, ticket).is_ok();
                    if entered {
                        model.push((ticket, bytes));
                        model.sort_unstable();
                    }
                    entered == fits
                };
                match step {
                    Step::Enter(bytes) => {
                        let ticket = queue.ticket();
                        prop_assert!(enter(&mut queue, ticket, bytes));
                    }
                    // One that was let go comes back, with its old place in the order.
                    Step::Back => if let Some((ticket, bytes)) = taken.take() {
                        prop_assert!(enter(&mut queue, ticket, bytes));
                    },
                    Step::Leave(at) if at < model.len() => {
                        let (ticket, _) = model.remove(at);
                        prop_assert_eq!(queue.leave(ticket), Some(ticket));
                        prop_assert_eq!(queue.leave(ticket), None);
                    }
                    Step::Leave(_) => {}
                    Step::Oldest => {
                        let first = (!model.is_empty()).then(|| model.remove(0));
                        prop_assert_eq!(queue.oldest(), first.map(|(ticket, _)| ticket));
                        taken = first.or(taken);
                    }
                }
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.bytes, model.iter().map(|(_, bytes)| bytes).sum::<usize>());
            }
        }
    }
}

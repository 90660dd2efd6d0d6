//! Who waits for the server, oldest first. Decides only: who waits is woken through `W`.

use super::config::QueueRule;
use crate::Unfinished;
use std::collections::BTreeMap;

/// A place in the order of all calls; a call that waits a second time keeps its own.
pub(super) type Ticket = u64;

/// One that waits.
pub(super) struct Place {
    pub(super) ticket: Ticket,
    /// It waits for a connection of a later epoch than this.
    pub(super) after: u64,
    pub(super) bytes: usize,
    /// Whether it sets something: those take half of the places at most, so that there is room
    /// for calls however many subscriptions are asked for.
    pub(super) is_wish: bool,
}

/// Those that wait.
pub(super) struct Queue<W> {
    rule: QueueRule,
    waiting: BTreeMap<Ticket, (Place, W)>,
    bytes: usize,
    wishes: usize,
    next: Ticket,
}

impl<W> Queue<W> {
    /// Empty.
    pub(super) const fn new(rule: QueueRule) -> Self {
        Self { rule, waiting: BTreeMap::new(), bytes: 0, wishes: 0, next: 0 }
    }

    /// The next place in the order.
    pub(super) const fn ticket(&mut self) -> Ticket {
        self.next += 1;
        self.next
    }

    /// Begins to wait.
    pub(super) fn enter(&mut self, place: Place, waker: W) -> Result<(), Unfinished> {
        let (bytes, rule) = (place.bytes, self.rule);
        if bytes > rule.message_bytes {
            return Err(Unfinished::TooLargeToWait { bytes, most: rule.message_bytes });
        }
        let messages = self.waiting.len();
        let is_full = messages >= rule.messages || self.bytes + bytes > rule.bytes;
        if is_full || (place.is_wish && self.wishes >= rule.messages.div_ceil(2)) {
            return Err(Unfinished::QueueFull { messages });
        }
        self.leave(place.ticket);
        self.bytes += bytes;
        self.wishes += usize::from(place.is_wish);
        self.waiting.insert(place.ticket, (place, waker));
        Ok(())
    }

    /// Waits no more, if it still did.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<W> {
        let (place, waker) = self.waiting.remove(&ticket)?;
        self.bytes -= place.bytes;
        self.wishes -= usize::from(place.is_wish);
        Some(waker)
    }

    /// The one that has waited longest of those to whom a connection of this epoch is of use, taken
    /// out. The others stay: woken for nothing, they would come back at once, before all others.
    pub(super) fn oldest(&mut self, epoch: u64) -> Option<W> {
        let mut waiting = self.waiting.values();
        let ticket = waiting.find(|(place, _)| place.after < epoch)?.0.ticket;
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
        Enter(usize, u64, bool),
        Leave(usize),
        Oldest(u64),
        Back,
    }

    type Waiting = (Ticket, usize, u64, bool);

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0usize..150, 0u64..3, any::<bool>())
                .prop_map(|(bytes, after, is_wish)| Step::Enter(bytes, after, is_wish)),
            (0usize..20).prop_map(Step::Leave),
            (0u64..4).prop_map(Step::Oldest),
            Just(Step::Back),
        ]
    }

    fn enter(queue: &mut Queue<Ticket>, model: &mut Vec<Waiting>, one: Waiting) -> bool {
        let (ticket, bytes, after, is_wish) = one;
        let held: usize = model.iter().map(|(_, bytes, ..)| bytes).sum();
        let wishes = model.iter().filter(|(.., is_wish)| *is_wish).count();
        let fits = bytes <= 100 && model.len() < 8 && held + bytes <= 400;
        let fits = fits && (!is_wish || wishes < 4);
        let entered = queue.enter(Place { ticket, after, bytes, is_wish }, ticket).is_ok();
        if entered {
            model.push(one);
            model.sort_unstable();
        }
        entered == fits
    }

    proptest! {
        #[test]
        fn nothing_is_lost_the_oldest_that_may_goes_first_and_the_bounds_hold(
            steps in prop::collection::vec(step(), 0..300),
        ) {
            let rule = QueueRule { messages: 8, message_bytes: 100, bytes: 400, ..QueueRule::default() };
            let mut queue = Queue::new(rule);
            let mut model: Vec<Waiting> = Vec::new();
            let mut taken: Option<Waiting> = None;
            for step in steps {
                match step {
                    Step::Enter(bytes, after, is_wish) => {
                        let one = (queue.ticket(), bytes, after, is_wish);
                        prop_assert!(enter(&mut queue, &mut model, one));
                    }
                    // One that was let go comes back, with its old place in the order.
                    Step::Back => if let Some(one) = taken.take() {
                        prop_assert!(enter(&mut queue, &mut model, one));
                    },
                    Step::Leave(at) if at < model.len() => {
                        let (ticket, ..) = model.remove(at);
                        prop_assert_eq!(queue.leave(ticket), Some(ticket));
                        prop_assert_eq!(queue.leave(ticket), None);
                    }
                    Step::Leave(_) => {}
                    Step::Oldest(epoch) => {
                        let at = model.iter().position(|(_, _, after, _)| *after < epoch);
                        let first = at.map(|at| model.remove(at));
                        prop_assert_eq!(queue.oldest(epoch), first.map(|(ticket, ..)| ticket));
                        taken = first.or(taken);
                    }
                }
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.bytes, model.iter().map(|(_, bytes, ..)| bytes).sum::<usize>());
                prop_assert_eq!(queue.wishes, model.iter().filter(|(.., is_wish)| *is_wish).count());
            }
        }
    }
}

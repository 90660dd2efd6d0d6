//! What waits in a lane for its time: in the order in which it came, whatever the times.

use crate::passing::{End, Passing};
use bytes::Bytes;
use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

/// Most bytes that wait in one lane, with the room that each entry takes itself.
const MOST_WAITING: usize = 4 << 20;
/// That room, about.
const ENTRY: usize = 128;

/// The time between the pieces of a message that takes longer.
const STEP: Duration = Duration::from_millis(20);

/// What leaves a lane.
#[derive(Debug)]
pub(super) enum Departure {
    Bytes(Bytes),
    /// The connection ends.
    End(End),
    /// This direction ends properly.
    Shut,
}

impl Departure {
    fn size(&self) -> usize {
        match self {
            Self::Bytes(bytes) => ENTRY + bytes.len(),
            Self::End(_) | Self::Shut => ENTRY,
        }
    }
}

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<(Instant, Departure)>,
    bytes: usize,
    last: Option<Instant>,
}

impl Queue {
    /// Whether more may be read.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < MOST_WAITING
    }

    /// When the next leaves.
    pub(super) fn next(&self) -> Option<Instant> {
        self.waiting.front().map(|(leaves, _)| *leaves)
    }

    /// What leaves first, if its time has come.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Departure> {
        let (_, departure) = self.waiting.pop_front_if(|(leaves, _)| *leaves <= now)?;
        self.bytes -= departure.size();
        Some(departure)
    }

    /// Adds bytes that leave then, or after what is before them.
    pub(super) fn bytes(&mut self, leaves: Instant, bytes: Bytes) {
        self.push(leaves, Departure::Bytes(bytes));
    }

    pub(super) fn push(&mut self, leaves: Instant, departure: Departure) {
        let leaves = self.last.map_or(leaves, |last| last.max(leaves));
        self.last = Some(leaves);
        self.bytes += departure.size();
        self.waiting.push_back((leaves, departure));
    }

    /// Adds a message, in the pieces that faults cut it into.
    pub(super) fn spread(&mut self, passing: Passing) {
        let Passing { mut bytes, leaves, takes, pieces: (sizes, gap), .. } = passing;
        let mut at = leaves;
        for size in sizes {
            let piece = bytes.split_to(size.min(bytes.len()));
            self.bytes(at, piece);
            at += gap;
        }
        let steps = takes.as_nanos().div_ceil(STEP.as_nanos()).max(1);
        let steps = u32::try_from(steps).unwrap_or(u32::MAX).min(1_000);
        let size = bytes.len().div_ceil(steps as usize).max(1);
        let mut step = steps;
        while !bytes.is_empty() {
            step = step.saturating_sub(1);
            let piece = bytes.split_to(size.min(bytes.len()));
            let early = takes / steps * step;
            self.bytes(at.checked_sub(early).unwrap_or(at), piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Unit, View};

    fn message(size: usize, now: Instant) -> Passing {
        let unit = Unit { bytes: vec![0; size].into(), view: View::Opaque };
        Passing::new(unit, now, Vec::new())
    }

    fn left(mut queue: Queue, from: Instant) -> Vec<(u128, usize)> {
        let mut left = Vec::new();
        while let Some(next) = queue.next() {
            if let Some(Departure::Bytes(bytes)) = queue.pop(next) {
                left.push(((next - from).as_millis(), bytes.len()));
            }
        }
        assert!(queue.bytes == 0 && queue.has_room());
        left
    }

    #[test]
    fn what_came_first_leaves_first() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.bytes(now + STEP, "late".into());
        queue.bytes(now, "b".into());
        assert_eq!(left(queue, now), [(20, 4), (20, 1)]);
    }

    #[test]
    fn many_small_messages_fill_it_as_few_large_ones_do() {
        for size in [2, 1 << 20] {
            let (mut queue, now) = (Queue::default(), Instant::now());
            let message = Bytes::from(vec![0; size]);
            while queue.has_room() {
                queue.bytes(now, message.clone());
            }
            let entries = left(queue, now).len();
            assert!((4..=MOST_WAITING / ENTRY).contains(&entries), "{entries} of {size} bytes");
        }
    }

    #[test]
    fn what_takes_time_is_spread_over_it() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let mut slow = message(100, now);
        (slow.takes, slow.leaves) = (STEP * 5, now + STEP * 5);
        queue.spread(slow);
        assert_eq!(left(queue, now), [(20, 20), (40, 20), (60, 20), (80, 20), (100, 20)]);
    }

    #[test]
    fn pieces_leave_with_a_gap_and_the_rest_behind_them() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let mut sliced = message(10, now);
        sliced.pieces = (vec![4, 4], Duration::from_millis(5));
        queue.spread(sliced);
        assert_eq!(left(queue, now), [(0, 4), (5, 4), (10, 2)]);
    }
}

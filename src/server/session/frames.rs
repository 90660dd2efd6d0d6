//! How the frames of a WebSocket session are counted, so that a client that comes back on another
//! socket gets exactly those it has not received.
//!
//! A frame has no number on the wire: each side counts. What we send is the session's log, whose
//! numbers run on within a process and jump at each restart; a span says which ordinal the
//! numbers of one process start after. Pure values: no clock, no locks.

use serde::{Deserialize, Serialize};

/// Above it JSON numbers are not exact everywhere; no client has received so many.
const MOST_FRAMES: u64 = 1 << 53;
/// Most restarts without a client. Beyond, it has missed too much to come back.
const MOST_SPANS: usize = 64;

/// Entries numbered above `number` are the frames after `ordinal`, up to the next span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    ordinal: u64,
    number: u64,
}

/// Why a client cannot go on where it says it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoWayBack {
    /// It names a frame that was never sent.
    Beyond,
    /// Frames that it has not received are no longer there.
    Gone,
}

/// What was sent and received on all sockets of one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Frames {
    /// Oldest first, never empty.
    spans: Vec<Span>,
    /// How many spans start where they say. After a crash the client may have received frames of
    /// which the store knows nothing: those after start only where its word puts them.
    sure: usize,
    /// Text frames of the client that reached us; `None` if a crash has lost count.
    received: Option<u64>,
}

impl Frames {
    /// Of a log in which nothing is written above that number.
    pub(super) fn after(number: u64) -> Self {
        Self { spans: vec![Span { ordinal: 0, number }], sure: 1, received: Some(0) }
    }

    /// Counts a frame of the client. After a crash both sides start anew with the first frame
    /// that the client sends when it knows.
    pub(super) fn count_received(&mut self) {
        self.received = Some(self.received.unwrap_or_default() + 1);
    }

    pub(super) fn received(&self) -> Option<u64> {
        self.received
    }

    /// Whether all spans start where they say.
    pub(super) fn is_sure(&self) -> bool {
        self.sure == self.spans.len()
    }

    /// The ordinal of an entry.
    pub(super) fn ordinal_of(&self, number: u64) -> Option<u64> {
        let span = self.spans.iter().rev().find(|span| span.number <= number)?;
        // Numbers of a process that left no span cannot be placed.
        (span.number >> 32 == number >> 32).then_some(span.ordinal + (number - span.number))
    }

    /// Goes on in a process that numbers after `start`. `sent` is how many frames were sent in
    /// all, if the process before could still say; else `newest` is the newest entry that is
    /// known. `None` if the log cannot be counted any more.
    pub(super) fn restarted(mut self, start: u64, newest: u64, sent: Option<u64>) -> Option<Self> {
        let last = *self.spans.last()?;
        let ordinal = match sent {
            Some(sent) => sent,
            None => self.ordinal_of(newest.max(last.number))?,
        };
        if sent.is_none() {
            self.received = None;
        }
        if self.ordinal_of(start) == Some(ordinal) {
            return Some(self);
        }
        if sent.is_some() && self.is_sure() {
            self.sure += 1;
        }
        self.spans.push(Span { ordinal, number: start });
        if self.spans.len() > MOST_SPANS {
            self.spans.remove(0);
            self.sure = self.sure.saturating_sub(1);
        }
        Some(self)
    }

    /// The client comes back and has received so many frames: the number of the entry to go on
    /// after. `after` counts the entries above a number, and gives the number of the newest.
    pub(super) fn resume(
        &mut self,
        received: u64,
        after: impl FnOnce(u64) -> (u64, u64),
    ) -> Result<u64, NoWayBack> {
        if received > MOST_FRAMES {
            return Err(NoWayBack::Beyond);
        }
        let mut frames = self.clone();
        frames.believe(received);
        let at = frames.spans.iter().rposition(|span| span.ordinal <= received);
        let at = at.ok_or(NoWayBack::Gone)?;
        let span = frames.spans[at];
        let number = span.number + (received - span.ordinal);
        let (count, newest) = after(number);
        let sent = frames.ordinal_of(newest).ok_or(NoWayBack::Gone)?;
        if received > sent {
            return Err(NoWayBack::Beyond);
        }
        if count != sent - received {
            return Err(NoWayBack::Gone);
        }
        frames.spans.drain(..at);
        frames.sure = frames.spans.len();
        *self = frames;
        Ok(number)
    }

    /// What a client has received was sent, even if a crash made us forget it.
    fn believe(&mut self, received: u64) {
        let unsure = self.spans.get_mut(self.sure..).unwrap_or_default();
        let Some(first) = unsure.first() else { return };
        let more = received.saturating_sub(first.ordinal);
        for span in unsure {
            span.ordinal += more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const E1: u64 = 1 << 32;
    const E2: u64 = 2 << 32;
    const E3: u64 = 3 << 32;

    /// Counts entries as a log does.
    fn of(entries: &[u64], newest: u64) -> impl Fn(u64) -> (u64, u64) + '_ {
        move |number| {
            let above = entries.iter().filter(|entry| **entry > number).count();
            (u64::try_from(above).expect("few"), newest)
        }
    }

    fn numbers(start: u64, up_to: u64) -> Vec<u64> {
        (start + 1..=start + up_to).collect()
    }

    #[test]
    fn a_client_goes_on_after_the_frame_it_names() {
        let log = numbers(E1, 5);
        let after = |frames: &mut Frames, received| frames.resume(received, of(&log, E1 + 5));
        let mut frames = Frames::after(E1);
        assert_eq!(after(&mut frames, 0), Ok(E1));
        assert_eq!(after(&mut frames, 3), Ok(E1 + 3));
        assert_eq!(after(&mut frames, 5), Ok(E1 + 5));
        for beyond in [6, 7, u64::MAX] {
            assert_eq!(after(&mut frames, beyond), Err(NoWayBack::Beyond));
        }
    }

    #[test]
    fn what_is_no_longer_there_is_no_way_back() {
        let mut frames = Frames::after(E1);
        let log = [E1 + 4, E1 + 5];
        assert_eq!(frames.resume(2, of(&log, E1 + 5)), Err(NoWayBack::Gone));
        assert_eq!(frames.resume(3, of(&log, E1 + 5)), Ok(E1 + 3));
        // A hole in the middle, as a store without room leaves it.
        let log = [E1 + 3, E1 + 5];
        assert_eq!(frames.resume(2, of(&log, E1 + 5)), Err(NoWayBack::Gone));
    }

    #[test]
    fn a_clean_restart_keeps_both_counts() {
        let mut frames = Frames::after(E1);
        (0..7).for_each(|_| frames.count_received());
        let mut frames = frames.restarted(E2, E1 + 5, Some(5)).expect("it can be counted");
        assert!(frames.is_sure());
        assert_eq!(frames.received(), Some(7));
        let log: Vec<u64> = numbers(E1, 5).into_iter().chain(numbers(E2, 2)).collect();
        let newest = E2 + 2;
        assert_eq!(frames.clone().resume(8, of(&log, newest)), Err(NoWayBack::Beyond));
        assert_eq!(frames.clone().resume(4, of(&log, newest)), Ok(E1 + 4));
        assert_eq!(frames.clone().resume(5, of(&log, newest)), Ok(E2));
        assert_eq!(frames.resume(6, of(&log, newest)), Ok(E2 + 1));
        // The store lost the last two of the process before: nobody is told that all is well.
        let frames = Frames::after(E1).restarted(E2, E1 + 3, Some(5)).expect("counted");
        let log = numbers(E1, 3);
        assert_eq!(frames.clone().resume(3, of(&log, E2)), Err(NoWayBack::Gone));
        assert_eq!(frames.clone().resume(5, of(&log, E2)), Ok(E2));
    }

    #[test]
    fn after_a_crash_the_word_of_the_client_counts() {
        let mut frames = Frames::after(E1);
        frames.count_received();
        let frames = frames.restarted(E2, E1 + 5, None).expect("it can be counted");
        assert_eq!((frames.is_sure(), frames.received()), (false, None));
        let log: Vec<u64> = numbers(E1, 5).into_iter().chain(numbers(E2, 2)).collect();
        // It has less than was stored: the rest, and what the new process wrote.
        let mut behind = frames.clone();
        assert_eq!(behind.resume(3, of(&log, E2 + 2)), Ok(E1 + 3));
        assert_eq!(behind.ordinal_of(E2 + 1), Some(6));
        // It has more: what the new process wrote is next.
        let mut ahead = frames;
        assert_eq!(ahead.resume(9, of(&log, E2 + 2)), Ok(E2));
        assert!(ahead.is_sure());
        assert_eq!(ahead.ordinal_of(E2 + 1), Some(10));
        assert_eq!(ahead.resume(9, of(&log, E2 + 2)), Ok(E2), "its socket was lost again");
        assert_eq!(ahead.resume(11, of(&log, E2 + 2)), Ok(E2 + 2));
        assert_eq!(ahead.resume(12, of(&log, E2 + 2)), Err(NoWayBack::Beyond));
        ahead.count_received();
        assert_eq!(ahead.received(), Some(1), "both sides start anew");
    }

    #[test]
    fn two_crashes_without_a_client_are_one() {
        let frames = Frames::after(E1).restarted(E2, E1 + 5, None).expect("counted");
        let mut frames = frames.restarted(E3, E2 + 1, None).expect("counted");
        let log: Vec<u64> = numbers(E1, 5).into_iter().chain([E2 + 1, E3 + 1]).collect();
        assert_eq!(frames.clone().resume(5, of(&log, E3 + 1)), Ok(E2));
        assert_eq!(frames.resume(7, of(&log, E3 + 1)), Ok(E2));
        assert_eq!(frames.ordinal_of(E3 + 1), Some(9));
        // A process that wrote and left no span: nothing can be said.
        assert_eq!(Frames::after(E1).restarted(E3, E2 + 1, None), None);
    }

    #[test]
    fn a_process_that_revives_its_own_session_goes_on_counting() {
        let frames = Frames::after(E1).restarted(E1 + 5, E1 + 5, Some(5)).expect("counted");
        assert_eq!(frames, Frames::after(E1));
        // The store has forgotten the stream, which was read long ago.
        let mut frames = frames.restarted(E1, 0, Some(5)).expect("counted");
        assert_eq!(frames.clone().resume(4, of(&[], E1)), Err(NoWayBack::Gone));
        assert_eq!(frames.resume(5, of(&[E1 + 1], E1 + 1)), Ok(E1));
    }

    #[test]
    fn spans_are_bounded() {
        let mut frames = Frames::after(E1);
        for epoch in 2..200 {
            frames = frames.restarted(epoch << 32, 0, Some(0)).expect("counted");
        }
        assert_eq!((frames.spans.len(), frames.sure), (MOST_SPANS, MOST_SPANS));
    }
}

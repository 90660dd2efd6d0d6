//! Which text frames went each way in a session that can be resumed, and which of ours to send again
//! when it is. Counts and decides only; what it counts is the contract of `WEBSOCKET.md`.

use std::collections::VecDeque;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Most frames that are kept to be sent again.
const MOST_KEPT: usize = 1_024;
/// Most bytes of them.
const MOST_BYTES: usize = 8 << 20;

/// A frame of ours, with the call that is in it.
pub(super) type Frame = (Option<u64>, Utf8Bytes);

/// A frame that we sent, or a place in the count for one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sent {
    ordinal: u64,
    /// The call that is in it.
    call: Option<u64>,
    /// Its text, unless that was too much to keep.
    text: Option<Utf8Bytes>,
}

/// The frames of one session, over all its sockets.
#[derive(Debug, Default)]
pub(super) struct Frames {
    sent: u64,
    received: u64,
    /// Those that may not have arrived, oldest first. Each call has a place here until something
    /// says that it arrived; others only while there is room.
    unsure: VecDeque<Sent>,
    texts: usize,
    bytes: usize,
}

/// What follows from how many of our frames the server has.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum After {
    /// These did not arrive.
    Missing {
        /// Calls that were sent in some of them and have no text to be sent again.
        lost: Vec<u64>,
        /// All others in their order, with the call in each.
        again: Vec<Frame>,
    },
    /// Nobody knows what arrived: nothing is sent again.
    Unknown,
    /// The server has more than was sent.
    Nonsense,
}

impl Frames {
    /// How many came.
    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    /// One came.
    pub(super) const fn came(&mut self) {
        self.received += 1;
    }

    /// One goes out, maybe with a call in it.
    pub(super) fn goes(&mut self, (call, text): Frame) {
        self.sent += 1;
        self.texts += 1;
        self.bytes += text.len();
        let (ordinal, text) = (self.sent, Some(text));
        self.unsure.push_back(Sent { ordinal, call, text });
        self.shed();
    }

    /// Forgets the oldest texts where there are too many, and keeps the places of calls.
    fn shed(&mut self) {
        if self.texts <= MOST_KEPT && self.bytes <= MOST_BYTES {
            return;
        }
        for sent in &mut self.unsure {
            if self.texts <= MOST_KEPT && self.bytes <= MOST_BYTES {
                break;
            }
            if let Some(text) = sent.text.take() {
                self.texts -= 1;
                self.bytes -= text.len();
            }
        }
        self.unsure.retain(|sent| sent.call.is_some() || sent.text.is_some());
    }

    /// A call was answered: it arrived, and with it all that was sent before.
    pub(super) fn answered(&mut self, call: u64) {
        if let Some(at) = self.unsure.iter().position(|sent| sent.call == Some(call)) {
            let arrived = self.unsure[at].ordinal;
            self.arrived(arrived);
        }
    }

    fn arrived(&mut self, up_to: u64) {
        while self.unsure.front().is_some_and(|sent| sent.ordinal <= up_to) {
            let sent = self.unsure.pop_front();
            if let Some(text) = sent.and_then(|sent| sent.text) {
                self.texts -= 1;
                self.bytes -= text.len();
            }
        }
    }

    /// The session goes on, and the server has so many of ours, or does not know. What is sent
    /// again goes out anew ([`Frames::goes`]).
    pub(super) fn resumed(&mut self, server_has: Option<u64>) -> After {
        let Some(server_has) = server_has else {
            *self = Self { received: self.received, ..Self::default() };
            return After::Unknown;
        };
        if server_has > self.sent {
            return After::Nonsense;
        }
        self.arrived(server_has);
        self.sent = server_has;
        (self.texts, self.bytes) = (0, 0);
        let (mut lost, mut again) = (Vec::new(), Vec::new());
        for sent in self.unsure.drain(..) {
            match (sent.text, sent.call) {
                (Some(text), call) => again.push((call, text)),
                (None, Some(call)) => lost.push(call),
                (None, None) => {}
            }
        }
        After::Missing { lost, again }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(call: Option<u64>, text: &str) -> Frame {
        (call, text.into())
    }

    fn missing(again: &[(Option<u64>, &str)]) -> After {
        let again = again.iter().map(|(call, text)| frame(*call, text)).collect();
        After::Missing { lost: Vec::new(), again }
    }

    #[test]
    fn what_did_not_arrive_is_sent_again_in_its_order() {
        let mut frames = Frames::default();
        frames.goes(frame(None, "initialized"));
        frames.goes(frame(Some(10), "call 10"));
        frames.goes(frame(None, "note"));
        frames.goes(frame(Some(11), "call 11"));
        frames.answered(10);
        assert_eq!(frames.unsure.len(), 2, "what came before an answered call has arrived");
        assert_eq!(frames.resumed(Some(3)), missing(&[(Some(11), "call 11")]));
        frames.goes(frame(Some(11), "call 11"));
        assert_eq!(frames.resumed(Some(5)), After::Nonsense);
        assert_eq!(frames.resumed(Some(4)), missing(&[]));
    }

    #[test]
    fn after_a_crash_both_count_anew_and_nothing_is_sent_again() {
        let mut frames = Frames::default();
        frames.came();
        frames.goes(frame(Some(10), "call 10"));
        assert_eq!(frames.resumed(None), After::Unknown);
        assert_eq!(frames.received(), 1, "the server's frames go on");
        frames.goes(frame(Some(11), "call 11"));
        assert_eq!(frames.resumed(Some(0)), missing(&[(Some(11), "call 11")]));
    }

    #[test]
    fn a_text_too_large_to_keep_is_told_as_lost_and_not_as_sent() {
        let mut frames = Frames::default();
        frames.goes(frame(Some(10), &"x".repeat(MOST_BYTES + 1)));
        frames.goes(frame(Some(11), "call 11"));
        let again = vec![frame(Some(11), "call 11")];
        assert_eq!(frames.resumed(Some(0)), After::Missing { lost: vec![10], again });
        for note in 0..10 * MOST_KEPT {
            frames.goes(frame(None, &note.to_string()));
        }
        assert_eq!((frames.unsure.len(), frames.texts), (MOST_KEPT, MOST_KEPT));
    }

    /// What a server of the contract has, beside what the client believes.
    #[derive(Default)]
    struct Server {
        has: Vec<Frame>,
        said: u64,
    }

    proptest! {
        /// However often and wherever the wire is cut: each call arrives at most once, in order,
        /// those that are sent again are exactly those that did not arrive, and what was answered
        /// is never sent again.
        #[test]
        fn no_call_arrives_twice_and_none_is_lost(
            steps in prop::collection::vec((0u8..10, any::<bool>()), 1..300),
        ) {
            let (mut frames, mut server) = (Frames::default(), Server::default());
            // Written and not yet arrived.
            let mut wire: VecDeque<Frame> = VecDeque::new();
            let (mut next, mut answered) = (10, Vec::new());
            for (step, is_call) in steps {
                match step {
                    0..4 => {
                        next += 1;
                        let frame = frame(is_call.then_some(next), &next.to_string());
                        frames.goes(frame.clone());
                        wire.push_back(frame);
                    }
                    4..7 => server.has.extend(wire.pop_front()),
                    7..9 => {
                        let call = server.has.iter().find_map(|(call, _)| {
                            call.filter(|call| !answered.contains(call))
                        });
                        if let Some(call) = call {
                            answered.push(call);
                            server.said += 1;
                            frames.came();
                            frames.answered(call);
                        }
                    }
                    _ => {
                        let unsent: Vec<_> = wire.drain(..).collect();
                        prop_assert_eq!(frames.received(), server.said);
                        let after = frames.resumed(Some(server.has.len() as u64));
                        prop_assert_eq!(&after, &After::Missing { lost: vec![], again: unsent });
                        if let After::Missing { again, .. } = after {
                            for frame in again {
                                frames.goes(frame.clone());
                                wire.push_back(frame);
                            }
                        }
                    }
                }
            }
            server.has.extend(wire.drain(..));
            let calls: Vec<_> = server.has.iter().filter_map(|(call, _)| *call).collect();
            prop_assert!(calls.is_sorted_by(|one, next| one < next), "{calls:?}");
            let texts: Vec<u64> =
                server.has.iter().map(|(_, text)| text.parse().expect("a number")).collect();
            prop_assert_eq!(texts, (11..=next).collect::<Vec<_>>());
        }
    }
}

//! How long to wait before the next try to come back. Decides only.
//!
//! A socket that was lost is followed at once. A server that cannot be reached is left alone for
//! longer and longer, and so is one that takes the session back and loses it again, with nothing
//! said in between; there, cuts may just have come together, so the waits begin short.

use std::time::Duration;

/// Least wait after a failed try.
const FAILED: Duration = Duration::from_secs(1);
/// Least wait after a socket on which nothing came.
const FRUITLESS: Duration = Duration::from_millis(50);
/// Longest wait.
const LONGEST: Duration = Duration::from_secs(30);

/// The wait before the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pause(Duration);

impl Pause {
    /// How long.
    pub(super) const fn wait(self) -> Duration {
        self.0
    }

    /// A try has failed.
    pub(super) fn failed(&mut self) {
        self.0 = (self.0 * 2).clamp(FAILED, LONGEST);
    }

    /// A socket was lost, and it was of use or not.
    pub(super) fn lost(&mut self, was_of_use: bool) {
        self.0 = match was_of_use {
            true => Duration::ZERO,
            false => (self.0 * 2).clamp(FRUITLESS, LONGEST),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(pause: Pause) -> u128 {
        pause.wait().as_millis()
    }

    #[test]
    fn a_good_socket_is_followed_at_once_and_a_server_that_is_away_less_and_less_often() {
        let mut pause = Pause::default();
        pause.lost(true);
        let mut waits = vec![millis(pause)];
        for _ in 0..7 {
            pause.failed();
            waits.push(millis(pause));
        }
        assert_eq!(waits, [0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        pause.lost(true);
        assert_eq!(millis(pause), 0);
    }

    #[test]
    fn sockets_that_are_lost_again_and_again_are_followed_less_and_less_often() {
        let mut pause = Pause::default();
        let waits: Vec<_> = (0..12)
            .map(|_| {
                pause.lost(false);
                millis(pause)
            })
            .collect();
        assert_eq!(&waits[..4], [50, 100, 200, 400]);
        assert_eq!(waits[11], 30_000);
    }
}

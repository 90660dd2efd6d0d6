//! What happens to a message: a pure function of the seed, the fault, and where the message
//! stands. Nothing here knows a clock or keeps a state, so the same seed decides the same again,
//! whatever else is going on.

use crate::Direction;

/// The draws for one message of one fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    stream: u64,
    message: u64,
}

/// What `fault` does with message number `message` of a connection, both counted from 1.
#[must_use]
pub fn verdict(
    seed: u64,
    fault: &str,
    connection: u64,
    direction: Direction,
    message: u64,
) -> Verdict {
    let mut stream = mix(seed);
    for byte in fault.bytes() {
        stream = mix(stream ^ u64::from(byte));
    }
    stream = mix(mix(stream ^ connection) ^ direction as u64);
    Verdict { stream, message }
}

impl Verdict {
    /// Whether the fault happens, if it does to this share of all.
    #[must_use]
    pub fn hits(self, share: f64) -> bool {
        self.draw(0) < share
    }

    /// The `n`th number drawn for it, from 0 up to but not 1. Number 0 decides whether it happens.
    #[must_use]
    pub fn draw(self, n: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let number = (self.bits(n) >> 11) as f64;
        number / (1u64 << 53) as f64
    }

    /// The same as bits.
    #[must_use]
    pub fn bits(self, n: u64) -> u64 {
        mix(mix(self.stream ^ mix(self.message)) ^ n)
    }

    /// The verdict on a message so many before this, if there was one.
    #[must_use]
    pub fn earlier(self, by: u64) -> Option<Self> {
        let message = self.message.checked_sub(by).filter(|message| *message > 0)?;
        Some(Self { message, ..self })
    }
}

/// A bijection of 64 bits whose output tells nothing of its input (the finalizer of SplitMix64).
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seed: u64, fault: &str, connection: u64, message: u64) -> Verdict {
        verdict(seed, fault, connection, Direction::Down, message)
    }

    #[test]
    fn it_depends_on_each_of_its_arguments_and_nothing_else() {
        let one = of(1, "slow", 1, 1);
        assert_eq!(one, of(1, "slow", 1, 1));
        let others =
            [of(2, "slow", 1, 1), of(1, "slop", 1, 1), of(1, "slow", 2, 1), of(1, "slow", 1, 2)];
        for other in others {
            assert_ne!(one.bits(0), other.bits(0));
        }
        assert_ne!(one.bits(0), verdict(1, "slow", 1, Direction::Up, 1).bits(0));
        assert_ne!(one.draw(0).to_bits(), one.draw(1).to_bits());
    }

    #[test]
    fn the_share_that_is_hit_is_the_share_that_was_asked_for() {
        for share in [0.0, 0.05, 0.5, 1.0] {
            let hit = (1..=20_000).filter(|message| of(7, "f", 3, *message).hits(share)).count();
            let measured = hit as f64 / 20_000.0;
            assert!((measured - share).abs() < 0.01, "{share}: {measured}");
        }
    }

    #[test]
    fn an_earlier_verdict_is_the_one_that_was() {
        assert_eq!(of(1, "f", 1, 5).earlier(4), Some(of(1, "f", 1, 1)));
        assert_eq!(of(1, "f", 1, 5).earlier(5), None);
    }
}

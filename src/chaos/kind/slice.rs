//! Bytes come in small pieces, as by a sender that writes byte by byte or a network of small
//! packets: whoever takes one read for one message is found out.

use super::{Effect, Passing, Scene};
use crate::span;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Most pieces of one message; the last is the rest.
const MOST_PIECES: usize = 4_096;

/// Bytes come in small pieces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// Bytes in a piece.
    pub size: usize,
    /// How far the size strays to either side, in bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub variation: usize,
    /// Time between pieces.
    #[serde(default, with = "span", skip_serializing_if = "Duration::is_zero")]
    pub gap: Duration,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Effect for Slice {
    fn strike(&self, scene: &mut Scene<'_>, passing: &mut Passing) -> bool {
        let (mut left, mut pieces) = (passing.bytes.len(), Vec::new());
        while left > 0 && pieces.len() < MOST_PIECES {
            let range = 2 * self.variation as u64 + 1;
            let stray = scene.verdict.bits(pieces.len() as u64 + 1) % range;
            let stray = usize::try_from(stray).unwrap_or_default();
            let size = (self.size - self.variation + stray).min(left);
            pieces.push(size);
            left -= size;
        }
        let several = pieces.len() > 1;
        passing.pieces = (pieces, self.gap);
        several
    }

    fn check(&self) -> Result<(), String> {
        if self.variation >= self.size {
            return Err("`size` must be more than `variation`, and not 0".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passing::testing::through;

    #[test]
    fn a_message_is_cut_into_pieces_of_the_size_asked_for() {
        let even = Slice { size: 10, variation: 0, gap: Duration::ZERO };
        assert_eq!(through(&even, &[25])[0].pieces.0, [10, 10, 5]);
        let uneven = Slice { variation: 4, ..even };
        let pieces = &through(&uneven, &[1_000])[0].pieces.0;
        assert_eq!(pieces.iter().sum::<usize>(), 1_000);
        assert!(pieces[..pieces.len() - 1].iter().all(|size| (6..=14).contains(size)));
        assert!(pieces.iter().any(|size| *size != pieces[0]));
    }

    #[test]
    fn pieces_of_nothing_are_refused() {
        assert!(Slice { size: 0, variation: 0, gap: Duration::ZERO }.check().is_err());
        assert!(Slice { size: 3, variation: 3, gap: Duration::ZERO }.check().is_err());
    }
}

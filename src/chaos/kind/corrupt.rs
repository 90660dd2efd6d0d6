//! A byte of a message is changed, as by a broken middlebox that mends the checksum.

use super::{Effect, Passing, Scene};
use bytes::BytesMut;
use serde::{Deserialize, Serialize};

/// A byte is changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corrupt {}

impl Effect for Corrupt {
    fn strike(&self, scene: &mut Scene<'_>, passing: &mut Passing) -> bool {
        let Some(last) = passing.bytes.len().checked_sub(1) else { return false };
        let place = scene.verdict.bits(1) % (last as u64 + 1);
        let place = usize::try_from(place).unwrap_or(last);
        let change = scene.verdict.bits(2) % 255 + 1;
        let mut bytes = BytesMut::from(&*passing.bytes);
        bytes[place] ^= u8::try_from(change).unwrap_or(1);
        passing.bytes = bytes.freeze();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passing::testing::through;
    use std::collections::BTreeSet;

    #[test]
    fn one_byte_is_another_and_not_always_the_same() {
        let mut places = BTreeSet::new();
        for passed in through(&Corrupt {}, &[10; 200]) {
            let changed: Vec<usize> = (0..10).filter(|at| passed.bytes[*at] != b'x').collect();
            assert_eq!(changed.len(), 1);
            places.extend(changed);
        }
        assert_eq!(places.len(), 10);
    }
}

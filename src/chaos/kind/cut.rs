//! A connection ends in the middle: after so many bytes in one direction, wherever in a message
//! that is.

use super::{Effect, End, Passing, Scene, Share};
use serde::{Deserialize, Serialize};

/// Connections end after so many bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// Bytes that still pass, counted from when the fault begins.
    pub after: u64,
    /// How it ends.
    #[serde(default)]
    pub how: End,
}

impl Effect for Cut {
    fn share(&self) -> Share {
        Share::Connections
    }

    fn strike(&self, scene: &mut Scene<'_>, passing: &mut Passing) -> bool {
        let left = usize::try_from(self.after.saturating_sub(scene.memory.counted));
        scene.memory.counted += passing.bytes.len() as u64;
        let left = left.unwrap_or(usize::MAX);
        if passing.bytes.len() <= left && scene.memory.counted != self.after {
            return false;
        }
        passing.bytes.truncate(left);
        passing.end = Some(self.how);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passing::testing::through;

    #[test]
    fn no_byte_more_passes() {
        let passed = through(&Cut { after: 15, how: End::Close }, &[10, 10]);
        let sizes: Vec<_> = passed.iter().map(|passed| (passed.bytes.len(), passed.end)).collect();
        assert_eq!(sizes, [(10, None), (5, Some(End::Close))]);
        assert_eq!(through(&Cut { after: 10, how: End::Reset }, &[10])[0].end, Some(End::Reset));
        assert_eq!(through(&Cut { after: 0, how: End::Reset }, &[10])[0].bytes.len(), 0);
    }
}

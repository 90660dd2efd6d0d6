//! An event stream ends early: after so many events, the last of which still passes. A client that
//! can resume it has its id.

use super::{Direction, Effect, End, Passing, Scene, Share};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Event streams end after so many events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamCut {
    /// Events that still pass of each stream; comments and primings are not counted.
    pub after: u64,
    /// How the connection ends.
    #[serde(default)]
    pub how: End,
}

impl Effect for StreamCut {
    fn share(&self) -> Share {
        Share::Connections
    }

    fn directions(&self) -> &'static [Direction] {
        &[Direction::Down]
    }

    fn strike(&self, scene: &mut Scene<'_>, passing: &mut Passing) -> bool {
        let Some(stream) = passing.event_of() else { return false };
        if !scene.memory.stream.as_ref().is_some_and(|other| Arc::ptr_eq(other, stream)) {
            scene.memory.stream = Some(Arc::clone(stream));
            scene.memory.counted = 0;
        }
        scene.memory.counted += 1;
        if scene.memory.counted >= self.after {
            passing.end = Some(self.how);
        }
        passing.end.is_some()
    }

    fn check(&self) -> Result<(), String> {
        if self.after == 0 {
            return Err("`after` must not be 0: `reset` takes whole connections".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        passing::testing::{message, pass},
        wire::{Asked, Coding, Unit, View},
    };

    #[test]
    fn each_stream_ends_after_so_many_events() {
        let streams: Vec<Arc<Asked>> = vec![Arc::default(), Arc::default()];
        let event = |of: usize| {
            let view = View::Event(Arc::clone(&streams[of]), "data: {}\n\n".into(), Coding::Plain);
            Unit { bytes: "x".into(), view }
        };
        let units = vec![event(0), message("{}"), event(1), event(1), event(1)];
        let passed = pass(&StreamCut { after: 2, how: End::Close }, units);
        let ends: Vec<_> = passed.iter().map(|(_, passed)| passed.end).collect();
        let close = Some(End::Close);
        assert_eq!(ends, [None, None, None, close, close]);
    }
}

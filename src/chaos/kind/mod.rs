//! What a fault can do: one enum, one file for each kind beside its test. A new kind is a file
//! here, a line in the table below, a word of `ChaosFault` in `telemetry`, and a section in
//! `docs/chaos.md`.

pub mod bandwidth;
pub mod half_open;
pub mod latency;
pub mod noop;
pub mod pause;
pub mod refuse;
pub mod reset;

use crate::{Direction, verdict::Verdict};
use mcp_telemetry::ChaosFault;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// What a fault is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Site {
    /// Messages, in one direction or both.
    Message,
    /// Whole connections.
    Connection(Deed),
}

/// What is done to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// It is not let in.
    Refuse,
    /// It is reset after so long.
    Reset(Duration),
    /// Nothing of it is heard any more; after so long, if ever, it is closed.
    Silence(Option<Duration>),
    /// Nothing passes as long as the fault is in force.
    Pause,
}

/// A message on its way, as faults change it.
#[derive(Debug)]
pub(crate) struct Passing {
    /// What is sent.
    pub(crate) bytes: bytes::Bytes,
    /// When it came.
    #[cfg(test)]
    pub(crate) came: Instant,
    /// When it is sent; never before what came before it.
    pub(crate) leaves: Instant,
}

/// What a fault remembers of one direction of one connection.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Until when the line is taken.
    pub(crate) busy_until: Option<Instant>,
}

/// What a kind of fault is and does. All but its site has a sensible default.
pub(crate) trait Effect {
    /// What it is done to.
    fn site(&self) -> Site {
        Site::Message
    }

    /// Does it to a message that was hit; false if there was nothing to do.
    fn strike(&self, _verdict: Verdict, _memory: &mut Memory, _passing: &mut Passing) -> bool {
        false
    }

    /// The directions it can have, the usual one first.
    fn directions(&self) -> &'static [Direction] {
        match self.site() {
            Site::Message => &[Direction::Down, Direction::Up, Direction::Both],
            Site::Connection(_) => &[Direction::Both],
        }
    }

    /// Whether its values make sense; else what is wrong.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

macro_rules! kinds {
    ($( $(#[$doc:meta])* $variant:ident($file:ident) = $name:literal; )*) => {
        /// What a fault does.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Kind { $( $(#[$doc])* $variant($file::$variant), )* }

        impl Kind {
            /// The names of all kinds.
            pub const NAMES: &[&str] = &[ $( $name, )* ];

            /// Its name.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $( Self::$variant(_) => $name, )* }
            }

            pub(crate) const fn label(&self) -> ChaosFault {
                match self { $( Self::$variant(_) => ChaosFault::$variant, )* }
            }

            pub(crate) fn effect(&self) -> &dyn Effect {
                match self { $( Self::$variant(kind) => kind, )* }
            }

            /// The keys of its own.
            pub(crate) fn parameters(&self) -> Value {
                match self { $( Self::$variant(kind) => to_value(kind), )* }
            }

            pub(crate) fn parse(name: &str, keys: Value) -> Result<Self, String> {
                match name {
                    $( $name => from_value(keys).map(Self::$variant), )*
                    _ => Err(format!("there is no kind `{name}`: {}", Self::choice())),
                }
            }
        }
    };
}

kinds! {
    /// Nothing.
    Noop(noop) = "noop";
    /// Messages come later.
    Latency(latency) = "latency";
    /// So many bytes a second.
    Bandwidth(bandwidth) = "bandwidth";
    /// Connections are reset.
    Reset(reset) = "reset";
    /// Connections stay open and say nothing.
    HalfOpen(half_open) = "half_open";
    /// Connections are refused.
    Refuse(refuse) = "refuse";
    /// Everything stops, nothing closes.
    Pause(pause) = "pause";
}

impl Kind {
    /// The direction it has when none is named.
    #[must_use]
    pub fn usual_direction(&self) -> Direction {
        self.effect().directions().first().copied().unwrap_or(Direction::Both)
    }

    pub(crate) fn has_direction(&self, direction: Direction) -> bool {
        self.effect().directions().contains(&direction)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        self.effect().check()
    }

    /// All names, for an error.
    pub(crate) fn choice() -> String {
        format!("choose one of {}", Self::NAMES.join(", "))
    }
}

fn to_value<T: Serialize>(kind: &T) -> Value {
    serde_json::to_value(kind).unwrap_or_default()
}

fn from_value<T: DeserializeOwned>(keys: Value) -> Result<T, String> {
    serde_json::from_value(keys).map_err(|error| error.to_string())
}

/// What a message is to a test of a kind.
#[cfg(test)]
pub(crate) mod testing {
    use super::{Effect, Instant, Memory, Passing};
    use crate::{Direction, verdict};

    /// Lets messages of these sizes through a fault that hits them all, each coming when the one
    /// before was sent.
    pub(crate) fn through(effect: &impl Effect, sizes: &[usize]) -> Vec<Passing> {
        let mut memory = Memory::default();
        let came = Instant::now();
        let pass = |(index, size): (usize, &usize)| {
            let bytes = vec![b'x'; *size].into();
            let mut passing = Passing { bytes, came, leaves: came };
            let verdict = verdict(7, "fault", 1, Direction::Down, index as u64 + 1);
            effect.strike(verdict, &mut memory, &mut passing);
            passing
        };
        sizes.iter().enumerate().map(pass).collect()
    }
}

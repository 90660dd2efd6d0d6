//! What a fault can do: one enum, one file for each kind beside its test. A new kind is a file
//! here, a line in the table below, a word of `ChaosFault` in `telemetry`, and a section in
//! `docs/chaos.md`.

pub mod bandwidth;
pub mod corrupt;
pub mod cpu;
pub mod cut;
pub mod duplicate;
pub mod empty_tools;
pub mod half_open;
pub mod kill;
pub mod latency;
pub mod list_changed_lost;
pub mod loss;
pub mod memory;
pub mod noop;
pub mod pause;
pub mod refuse;
pub mod reorder;
pub mod reply_lost;
pub mod reset;
pub mod restart;
pub mod session_lost;
pub mod slice;
pub mod slow_close;
pub mod status;
pub mod stop;
pub mod stream_cut;
pub mod terminate;

use crate::{
    Direction,
    passing::{End, Fate, Passing, Scene},
    verdict::Verdict,
};
use mcp_telemetry::ChaosFault;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::time::Duration;

/// What a fault is done to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Site {
    /// Messages, in one direction or both.
    Message,
    /// Whole connections.
    Connection(Deed),
    /// The process of the server, or the machine it runs on.
    Process(Act),
}

/// What is done to a process while the fault is in force; undone when it ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    /// It is killed, and started again.
    Kill,
    /// It is asked to end, and started again.
    Terminate,
    /// It is stopped, and goes on.
    Stop,
    /// It is asked to end and started again at once; there is nothing to undo.
    Restart,
    /// So many threads are busy for this share of their time.
    Cpu(usize, f64),
    /// So many bytes are taken.
    Memory(u64),
}

impl Act {
    /// Whether it is done to a process, and not to the machine.
    pub(crate) const fn needs_process(self) -> bool {
        !matches!(self, Self::Cpu(..) | Self::Memory(_))
    }
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

/// Of what a fault's share is a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// Of messages.
    Messages,
    /// Of connections.
    Connections,
    /// Of what the kind says itself.
    Own,
}

/// What a kind of fault is and does. All but what it does has a sensible default.
pub(crate) trait Effect {
    /// What it is done to.
    fn site(&self) -> Site {
        Site::Message
    }

    /// Of what its share is a share.
    fn share(&self) -> Share {
        match self.site() {
            Site::Message => Share::Messages,
            Site::Connection(_) | Site::Process(_) => Share::Connections,
        }
    }

    /// Does it to a message that was hit; false if there was nothing to do.
    fn strike(&self, _scene: &mut Scene<'_>, _passing: &mut Passing) -> bool {
        false
    }

    /// How late it makes what only holds a connection together (pings, comments of streams), which
    /// has the verdict of the message before it.
    fn delays(&self, _verdict: Verdict) -> Duration {
        Duration::ZERO
    }

    /// How long the end of a direction is held back.
    fn linger(&self) -> Option<Duration> {
        None
    }

    /// The directions it can have, the usual one first.
    fn directions(&self) -> &'static [Direction] {
        match self.site() {
            Site::Message => &[Direction::Down, Direction::Up, Direction::Both],
            Site::Connection(_) | Site::Process(_) => &[Direction::Both],
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
    /// Segments are lost and sent again, as TCP shows it.
    Loss(loss) = "loss";
    /// Bytes come in small pieces.
    Slice(slice) = "slice";
    /// A byte is changed.
    Corrupt(corrupt) = "corrupt";
    /// Connections end after so many bytes.
    Cut(cut) = "cut";
    /// The end of a connection is told late.
    SlowClose(slow_close) = "slow_close";
    /// Connections are reset.
    Reset(reset) = "reset";
    /// Connections stay open and say nothing.
    HalfOpen(half_open) = "half_open";
    /// Connections are refused.
    Refuse(refuse) = "refuse";
    /// Everything stops, nothing closes.
    Pause(pause) = "pause";
    /// Sessions are forgotten.
    SessionLost(session_lost) = "session_lost";
    /// A call ran and its reply is lost.
    ReplyLost(reply_lost) = "reply_lost";
    /// Messages come twice.
    Duplicate(duplicate) = "duplicate";
    /// Messages change places.
    Reorder(reorder) = "reorder";
    /// Word that a list changed is lost.
    ListChangedLost(list_changed_lost) = "list_changed_lost";
    /// The list of tools is empty.
    EmptyTools(empty_tools) = "empty_tools";
    /// Requests are answered with an HTTP status.
    Status(status) = "status";
    /// Event streams end after so many events.
    StreamCut(stream_cut) = "stream_cut";
    /// The process is killed.
    Kill(kill) = "kill";
    /// The process is asked to end.
    Terminate(terminate) = "terminate";
    /// The process is stopped and goes on.
    Stop(stop) = "stop";
    /// The process is started anew.
    Restart(restart) = "restart";
    /// The machine is busy.
    Cpu(cpu) = "cpu";
    /// Memory is taken.
    Memory(memory) = "memory";
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

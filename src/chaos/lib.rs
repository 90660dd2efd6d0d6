//! Faults between an MCP client and its server, and faults of the server's process.
//!
//! A [`Proxy`] stands before a server and does what its [`Fault`]s say to what passes: to bytes,
//! to MCP messages, to connections, and to the process of the server where it has one. What is
//! done is decided by [`verdict()`], a pure function, so the same seed does the same again. Each
//! fault is one file in `kind`; `docs/chaos.md` has a section for each.
//!
//! All it did is told as [`FaultEvent`]s, with the time. It measures nothing and expects nothing:
//! that is for whoever uses it.

mod book;
pub mod control;
mod event;
mod fault;
pub mod kind;
mod passing;
mod plan;
mod process;
mod proxy;
mod schedule;
mod sessions;
mod span;
#[cfg(test)]
mod tests;
mod verdict;
mod wire;

pub use book::FaultState;
pub use event::{Events, FaultEvent, Phase};
pub use fault::{Direction, Fault};
pub use kind::Kind;
pub use passing::End;
pub use plan::{Plan, mistake};
pub use process::{Pressure, Process};
pub use proxy::{Proxy, ProxyOptions};
pub use schedule::Schedule;
pub use verdict::{Verdict, verdict};
pub use wire::Traffic;

/// What can go wrong with faults, in words for whoever wrote them.
#[derive(Debug, thiserror::Error)]
pub enum ChaosError {
    /// A fault or a plan cannot be read or makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// There is a fault of that name already.
    #[error("there is a fault `{0}` already: change it, remove it, or choose another name")]
    Taken(String),
    /// There is no fault of that name.
    #[error("there is no fault `{0}`")]
    Unknown(String),
    /// More faults than are kept.
    #[error("there are {0} faults already, which is as many as there can be")]
    TooMany(usize),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {}; choose another address", mcp_telemetry::reason(error))]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
}

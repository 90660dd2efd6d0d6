//! Speaks to one MCP server, over stdio or Streamable HTTP, in either era.
//!
//! There are two layers. A [`Client`] is for who wants the server to be there: it connects by
//! itself, comes back when the server does, sets again what was set, and carries calls over where
//! that cannot make them run twice.
//!
//! Below it, a [`Target`] says where the server is. [`Connection::open`] reaches it, finds out which
//! era it speaks, and gives a [`Connection`] on which many calls run side by side. What the
//! server sends unasked goes to a [`Sink`]. A connection never heals itself: when it is dead
//! it says why ([`Connection::closed`]), and every error says whether the call may have run
//! ([`ClientError::ran`]). When to open another one, and what to send again, is the user's
//! decision.

mod backoff;
mod call;
mod connection;
mod error;
mod fate;
mod http;
mod incoming;
mod kind;
mod lasting;
mod negotiate;
mod options;
mod prepare;
mod pulse;
mod questions;
mod secret;
mod sink;
mod stdio;
mod target;
mod wire;

pub use backoff::{Backoff, Tries};
pub use call::OutCall;
pub use connection::{Connection, ServerInfo};
pub use error::{ClientError, Ending, Ran};
pub use kind::{ErrorKind, ErrorSource, Retry};
pub use lasting::{
    BreakerRule, BudgetRule, Client, ClientBuilder, ClientConfig, ClientEvent, ConfigError,
    ConnectionRate, Eras, List, ListChange, QueueRule, Return, State, Stats, Terms, Traffic,
    Unfinished,
};
pub use options::{Identity, Options};
pub use pulse::Pulse;
pub use secret::Secret;
pub use sink::{BoxFuture, Sink};
pub use target::{HttpTarget, Network, StdioTarget, Target, TargetError};

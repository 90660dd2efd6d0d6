//! Speaks to one MCP server, over stdio, Streamable HTTP or a WebSocket, in either era.
//!
//! There are two layers. A [`Client`] is for who wants the server to be there: it connects by
//! itself, comes back when the server does, sets again what was set, and carries calls over where
//! that cannot make them run twice. `examples/lasting.rs` shows it at work.
//!
//! ```no_run
//! # async fn example(identity: mcp_client::Identity, sink: std::sync::Arc<dyn mcp_client::Sink>)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! use mcp_client::{Client, ClientConfig, OutCall, Terms};
//!
//! let config = ClientConfig::to_url("https://example.test/mcp").token(&"secret".into()).build()?;
//! let client = Client::start(config, identity, sink)?;
//! let params = mcp_protocol::raw(r#"{"name":"echo"}"#).ok_or("no JSON")?;
//! // Waits while the server is away, at most 30 s, and is never run twice.
//! let result = client.call(OutCall::new("tools/call", params), Terms::default()).await?;
//! # let _ = result; Ok(())
//! # }
//! ```
//!
//! Below it, a [`Target`] says where the server is. [`Connection::open`] reaches it, finds out which
//! era it speaks, and gives a [`Connection`] on which many calls run side by side. What the
//! server sends unasked goes to a [`Sink`]. A connection never heals itself, beyond going on with
//! the streams and the session that its server kept for it: when it is dead it says why
//! ([`Connection::closed`]), and every error says whether the call may have run
//! ([`ClientError::ran`]). When to open another one, and what to send again, is the user's
//! decision.

mod again;
mod backoff;
mod call;
mod connection;
mod error;
mod exchange;
mod fate;
mod guard;
mod http;
mod inbox;
mod incoming;
mod kind;
mod lasting;
mod negotiate;
mod options;
mod prepare;
mod progress;
mod pulse;
mod questions;
mod secret;
mod sink;
mod stdio;
mod target;
mod waiting;
mod wire;
mod ws;

pub use again::{Budget, BudgetRule, Correction, Next, Stop, Tried};
pub use backoff::{Backoff, Tries, chance};
pub use call::{Departure, OutCall};
pub use connection::{Connection, ServerInfo};
pub use error::{ClientError, Ending, Ran};
pub use guard::{Guard, GuardError};
pub use kind::{ErrorKind, ErrorSource, Retry, Trouble};
pub use lasting::{
    BreakerRule, Check, Client, ClientBuilder, ClientConfig, ClientEvent, ConfigError,
    ConnectionRate, Diagnosis, DiagnosisStep, Eras, List, ListChange, QueueRule, Return, State,
    Stats, Terms, Traffic, Unfinished,
};
pub use options::{Identity, Options};
pub use progress::{Asker, Progress};
pub use pulse::Pulse;
pub use secret::Secret;
pub use sink::{BoxFuture, Deaf, Sink};
pub use stdio::{Line, Lines};
pub use target::{HttpTarget, Network, StdioTarget, Target, TargetError};

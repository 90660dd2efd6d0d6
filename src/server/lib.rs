//! The orchestrator server, embeddable: MCP clients in, built-in tools and upstream MCP servers
//! out.
//!
//! The modules stand in the order a message meets them; each uses only those after it.
//! [`OrchestratorServer`] is the whole API, with [`Tool`] for tools of your own.

pub mod config;

mod admission;
mod agents;
mod call;
mod dispatch;
mod pipeline;
mod serve;
mod session;
mod tasks;
mod tools;
mod transport;
mod upstream;

pub use admission::AuthError;
pub use config::Config;
pub use mcp_telemetry::HandshakeMetrics;
pub use serve::{Builder, Changes, OrchestratorServer, ServerError, TlsError};
pub use tools::{RegistryError, Tool, ToolCaller, ToolInput, ToolOutput};

/// Implements [`Tool`] for types with an `async fn call`.
pub use async_trait::async_trait;

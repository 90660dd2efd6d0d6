//! What was tested.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was tested. It holds no secret: whoever makes it leaves out headers and environment, the
/// user, password and query of a URL, and the values of arguments that look like secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// What it is to be called in tables, for example `mcp-proxy`.
    pub name: String,
    /// How it was reached.
    pub kind: TargetKind,
    /// Where it was reached, when it was reached over a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The program and its arguments, when the lab started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// What it calls itself in its answer to the handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The version it says it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_version: Option<String>,
    /// The revision of MCP that was spoken first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol_version: Option<String>,
}

/// How a target was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// Over Streamable HTTP.
    Http,
    /// Over WebSocket.
    Websocket,
    /// Over the standard input and output of a process that the lab started.
    Stdio,
}

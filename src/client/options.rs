//! Who we are to a server, and the bounds on one connection.

use crate::Guard;
use mcp_protocol::RawValue;
use std::time::Duration;

/// Who we are to the server.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Our `Implementation`: the text of an object with `name` and `version`.
    pub info: Box<RawValue>,
    /// Our capabilities as a client: the text of an object.
    pub capabilities: Box<RawValue>,
}

/// Bounds on one connection.
#[derive(Debug, Clone)]
pub struct Options {
    /// Longest time to reach an HTTP server, TLS included (default 30 s).
    pub connect_timeout: Duration,
    /// Longest time to wait for the answer to `initialize`, or to `server/discover` where only
    /// the modern era will do (default 30 s).
    pub request_timeout: Duration,
    /// Longest time to wait for the answer to `server/discover` before trying the legacy
    /// handshake (default 3 s).
    pub discover_timeout: Duration,
    /// Largest message the server may send, in bytes (default 64 MiB).
    pub max_message: usize,
    /// Most calls in flight (default 4,096).
    pub max_calls: usize,
    /// Most requests of the server that wait for our answer (default 64).
    pub max_questions: usize,
    /// Most messages that wait to be written to a child process (default 256).
    pub queue: usize,
    /// Where to connect to over HTTP, and whom to believe there (default anywhere, and whom the
    /// system believes).
    pub guard: Guard,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(30),
            discover_timeout: Duration::from_secs(3),
            max_message: 64 << 20,
            max_calls: 4_096,
            max_questions: 64,
            queue: 256,
            guard: Guard::default(),
        }
    }
}

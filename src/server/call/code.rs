//! JSON-RPC error codes of our own. They lie outside -32768 to -32000, the range that JSON-RPC
//! and MCP keep for themselves.

/// As many of something as there may be; try again later.
pub(crate) const OVER_CAPACITY: i64 = 1503;

/// Requests come faster than a limit allows; try again later.
pub(crate) const RATE_LIMITED: i64 = 1429;

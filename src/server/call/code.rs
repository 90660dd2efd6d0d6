//! JSON-RPC error codes of our own. They lie outside -32768 to -32000, the range that JSON-RPC
//! and MCP keep for themselves.

/// As many of something as there may be; try again later.
pub(crate) const OVER_CAPACITY: i64 = 1503;

/// Requests come faster than a limit allows; try again later.
pub(crate) const RATE_LIMITED: i64 = 1429;

/// The upstream cannot be reached; the call did not run.
pub(crate) const UNAVAILABLE: i64 = 1001;

/// The answer was lost; the call may have run.
pub(crate) const OUTCOME_UNKNOWN: i64 = 1002;

/// The upstream did not answer in time.
pub(crate) const TIMEOUT: i64 = 1003;

/// The upstream wants something that the client's era has no words for.
pub(crate) const NOT_BRIDGED: i64 = 1004;

/// A bound is reached.
pub(crate) const OVER_LIMIT: i64 = 1005;

/// A handshake was not completed in time.
pub(crate) const HANDSHAKE_TIMEOUT: i64 = 1408;

//! What becomes of upstreams, and of calls to them.

use super::Label;

labels! {
    /// How an attempt at an upstream ended.
    AttemptOutcome {
        /// A result came.
        Ok = "ok",
        /// A result with `isError` came.
        ToolError = "tool_error",
        /// A JSON-RPC error came.
        Error = "error",
        /// It was refused for want of credentials (HTTP 401, 403).
        Refused = "refused",
        /// It was refused as one too many (HTTP 429).
        RateLimited = "rate_limited",
        /// The server said that it is in trouble (HTTP 500 and above).
        ServerError = "server_error",
        /// What came is no answer that MCP or HTTP knows.
        ProtocolError = "protocol_error",
        /// No answer within the limit.
        Timeout = "timeout",
        /// It could not be sent.
        Unavailable = "unavailable",
        /// Nobody waited any more.
        Cancelled = "cancelled",
        /// It was sent and the connection was lost.
        OutcomeUnknown = "outcome_unknown",
    }

    /// The state of an upstream.
    UpstreamState {
        /// First attempt to connect.
        Connecting = "connecting",
        /// In use.
        Connected = "connected",
        /// It was connected and is being brought back.
        Reconnecting = "reconnecting",
        /// Given up, or waiting long for the next attempt.
        Failed = "failed",
        /// Stopped on purpose.
        Stopped = "stopped",
    }

    /// Why an upstream was started anew.
    RestartCause {
        /// Its process ended.
        Exited = "exited",
        /// It forgot our session.
        SessionLost = "session_lost",
        /// The connection broke.
        ConnectionLost = "connection_lost",
        /// It did not answer any more.
        Hung = "hung",
    }

    /// What is done with a call that got no answer.
    Replay {
        /// It is sent again.
        Resent = "resent",
        /// It is not: it may have run, and running it twice may do harm.
        RefusedUnsafe = "refused_unsafe",
        /// It is not, though it could be: it would end the same way, or no time is left, or as
        /// much was sent again as may be.
        NotNeeded = "not_needed",
    }

    /// Why tools cannot be called.
    OutageCause {
        /// Their upstream was not reached since it was configured.
        NeverReached = "never_reached",
        /// It could not be reached since we started.
        Unreachable = "unreachable",
        /// Its process ended.
        Exited = "exited",
        /// It forgot our session and gave us no other.
        SessionLost = "session_lost",
        /// It refused us.
        Refused = "refused",
        /// It did not answer any more.
        Silent = "silent",
        /// The connection broke.
        ConnectionLost = "connection_lost",
        /// We were down ourselves.
        OrchestratorDown = "orchestrator_down",
    }
}

/// How an upstream is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// Streamable HTTP.
    Http,
    /// A WebSocket.
    WebSocket,
    /// A child process.
    Stdio,
}

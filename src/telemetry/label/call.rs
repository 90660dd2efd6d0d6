//! How calls go and end.

use super::Label;

labels! {
    /// How a client reached us.
    Transport {
        /// Streamable HTTP.
        Http = "http",
        /// WebSocket.
        Websocket = "websocket",
        /// Standard input and output.
        Stdio = "stdio",
    }

    /// How a call ended. Where two fit: outcome unknown, then cancelled, timeout, unavailable,
    /// tool error.
    Outcome {
        /// A result was sent; `input_required` and a task count too.
        Ok = "ok",
        /// A result with `isError`.
        ToolError = "tool_error",
        /// The caller's fault: malformed, unknown, not allowed.
        ClientError = "client_error",
        /// Our fault, or the upstream's JSON-RPC error.
        ServerError = "server_error",
        /// The upstream could not be reached; the call provably did not run.
        Unavailable = "unavailable",
        /// The upstream was lost after the call was written: it may have run.
        OutcomeUnknown = "outcome_unknown",
        /// Nobody waited for the reply.
        Cancelled = "cancelled",
        /// No answer within the limit.
        Timeout = "timeout",
        /// Refused by a limit.
        RateLimited = "rate_limited",
    }

    /// [`Outcome`] in two words, for histograms.
    Success {
        /// It ended well.
        Ok = "ok",
        /// It did not.
        Error = "error",
    }

    /// Which way a message went, seen from us.
    Direction {
        /// To us.
        In = "in",
        /// From us.
        Out = "out",
    }
}

impl Outcome {
    /// The outcome in two words.
    #[must_use]
    pub const fn success(self) -> Success {
        match self {
            Self::Ok => Success::Ok,
            Self::ToolError
            | Self::ClientError
            | Self::ServerError
            | Self::Unavailable
            | Self::OutcomeUnknown
            | Self::Cancelled
            | Self::Timeout
            | Self::RateLimited => Success::Error,
        }
    }
}

impl Success {
    /// `Ok` if `ok`.
    #[must_use]
    pub const fn of(ok: bool) -> Self {
        if ok { Self::Ok } else { Self::Error }
    }
}

//! What the lab and the chaos proxy do, and what they see.

use super::Label;

labels! {
    /// What an injected fault does.
    ChaosFault {
        /// Nothing: the reference.
        Noop = "noop",
        /// Messages come later.
        Latency = "latency",
        /// So many bytes a second.
        Bandwidth = "bandwidth",
        /// Segments are lost and sent again, as TCP shows it.
        Loss = "loss",
        /// Bytes come in small pieces.
        Slice = "slice",
        /// A byte is changed.
        Corrupt = "corrupt",
        /// Connections are reset.
        Reset = "reset",
        /// Connections stay open and say nothing.
        HalfOpen = "half_open",
        /// The end of a connection is told late.
        SlowClose = "slow_close",
        /// Connections end after so many bytes.
        Cut = "cut",
        /// Connections are refused.
        Refuse = "refuse",
        /// Everything stops, nothing closes.
        Pause = "pause",
        /// Sessions are forgotten.
        SessionLost = "session_lost",
        /// A call ran and its reply is lost.
        ReplyLost = "reply_lost",
        /// Messages come twice.
        Duplicate = "duplicate",
        /// Messages change places.
        Reorder = "reorder",
        /// Word that a list changed is lost.
        ListChangedLost = "list_changed_lost",
        /// The list of tools is empty.
        EmptyTools = "empty_tools",
        /// Requests are answered with an HTTP status.
        Status = "status",
        /// Event streams end after so many events.
        StreamCut = "stream_cut",
        /// The process is killed.
        Kill = "kill",
        /// The process is asked to end.
        Terminate = "terminate",
        /// The process is stopped and goes on.
        Stop = "stop",
        /// The process is started anew.
        Restart = "restart",
        /// The machine is busy.
        Cpu = "cpu",
        /// Memory is taken.
        Memory = "memory",
    }

    /// Which way a fault works.
    ChaosDirection {
        /// From the client to its server.
        Up = "up",
        /// From the server to its client.
        Down = "down",
        /// Both ways, or neither.
        Both = "both",
    }

    /// How a call of the lab ended, as its client saw it.
    LabOutcome {
        /// With its result.
        Ok = "ok",
        /// With a result that says the tool failed.
        ToolError = "tool_error",
        /// Refused: the client was at fault.
        ClientError = "client_error",
        /// Refused: the target was at fault.
        ServerError = "server_error",
        /// The target said that it did not run.
        Unavailable = "unavailable",
        /// The target said that it may have run.
        OutcomeUnknown = "outcome_unknown",
        /// Refused: too many calls.
        RateLimited = "rate_limited",
        /// Without an answer in its time.
        Timeout = "timeout",
        /// The connection ended before the answer came, or could not be made.
        Disconnected = "disconnected",
        /// The client took it back.
        Cancelled = "cancelled",
    }

    /// How a scenario of the lab ended.
    LabVerdict {
        /// Every expectation held.
        Passed = "passed",
        /// One did not.
        Failed = "failed",
        /// It does not apply to the target.
        Skipped = "skipped",
    }

    /// Which tools of the lab's target.
    LabTools {
        /// Those that it had at the start.
        Known = "known",
        /// Those that are listed.
        Listed = "listed",
        /// Those that can be called.
        Callable = "callable",
    }
}

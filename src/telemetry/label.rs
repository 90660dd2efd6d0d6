//! What may become a metric label: closed sets of words. Names that configuration bounds
//! (upstreams, tools) are in `registry`; nothing else is ever a label.

use mcp_protocol::Method;

/// A word from a set that is fixed at compile time.
pub(crate) trait Label: Copy + 'static {
    const ALL: &'static [Self];
    /// Position in [`Self::ALL`].
    fn slot(self) -> usize;
    fn text(self) -> &'static str;
}

impl Label for Method {
    const ALL: &'static [Self] = Method::ALL;
    fn slot(self) -> usize {
        self as usize
    }
    fn text(self) -> &'static str {
        self.as_str()
    }
}

macro_rules! labels {
    ($( $(#[$outer:meta])* $name:ident { $( $(#[$doc:meta])* $variant:ident = $text:literal ),* $(,)? } )*) => { $(
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $( $(#[$doc])* $variant, )* }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &[Self] = &[ $( Self::$variant, )* ];

            /// The label value.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text, )* }
            }

            /// The value of that label value.
            #[must_use]
            pub fn of_text(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|label| label.as_str() == text)
            }
        }

        impl Label for $name {
            const ALL: &'static [Self] = $name::ALL;
            fn slot(self) -> usize {
                self as usize
            }
            fn text(self) -> &'static str {
                self.as_str()
            }
        }
    )* };
}

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

    /// How an attempt at an upstream ended.
    AttemptOutcome {
        /// A result came.
        Ok = "ok",
        /// A result with `isError` came.
        ToolError = "tool_error",
        /// A JSON-RPC error, or an answer that is none.
        Error = "error",
        /// No answer within the limit.
        Timeout = "timeout",
        /// It could not be sent.
        Unavailable = "unavailable",
        /// Nobody waited any more.
        Cancelled = "cancelled",
        /// It was sent and the connection was lost.
        OutcomeUnknown = "outcome_unknown",
    }

    /// How a client's attempt to connect was decided.
    ConnectionStatus {
        /// Its first message was answered.
        Accepted = "accepted",
        /// No valid token.
        Unauthorized = "unauthorized",
        /// `Origin` or `Host` is not ours.
        RejectedOrigin = "rejected_origin",
        /// Too many in a time.
        RateLimited = "rate_limited",
        /// Too many at once.
        OverCapacity = "over_capacity",
        /// The first message was not MCP.
        ProtocolError = "protocol_error",
    }

    /// Why a connection ended.
    Reason {
        /// The client closed it properly.
        ClientClosed = "client_closed",
        /// The client sent DELETE.
        ClientDeleted = "client_deleted",
        /// The client's socket went away.
        ClientGone = "client_gone",
        /// Nothing was heard for the idle limit.
        TimeoutNoActivity = "timeout_no_activity",
        /// `initialized` did not come in time.
        HandshakeTimeout = "handshake_timeout",
        /// Heartbeats were not answered.
        HeartbeatLost = "heartbeat_lost",
        /// We stopped.
        ServerShutdown = "server_shutdown",
        /// The same client came again.
        Superseded = "superseded",
        /// The client did not read.
        SlowConsumer = "slow_consumer",
        /// The client broke the protocol.
        ProtocolError = "protocol_error",
        /// Anything else; also a scope that was dropped.
        Error = "error",
    }

    /// What came of a session that a store kept.
    Restoration {
        /// We started anew and took it over.
        Restored = "restored",
        /// Its client came back after it had been put away.
        Revived = "revived",
        /// Somebody asked for it who may not have it, or too late.
        Refused = "refused",
        /// It could not be read.
        Failed = "failed",
    }

    /// Why a request was not authenticated.
    AuthCause {
        /// No `Authorization` header.
        Missing = "missing",
        /// A header that is not `Bearer <token>`.
        Malformed = "malformed",
        /// A token that is not ours.
        Wrong = "wrong",
        /// A token that was valid once.
        Expired = "expired",
        /// A token that cannot be checked, because its issuer's keys are not known.
        NoKeys = "no_keys",
    }

    /// What bounds how fast requests may come.
    RateLimit {
        /// All requests of one principal.
        Principal = "principal",
        /// All requests from one address.
        Address = "address",
    }

    /// A bound on clients; the word is the setting's name under `limits`.
    Limit {
        /// The size of a body, or of a WebSocket message.
        BodyBytes = "body_bytes",
        /// The size of a request's head.
        HeaderBytes = "header_bytes",
        /// How deep JSON nests.
        JsonDepth = "json_depth",
        /// How long a request may take to arrive.
        ReceiveTimeout = "receive_timeout",
        /// How long a client may take to read.
        WriteTimeout = "write_timeout",
        /// Sockets at once.
        Connections = "connections",
        /// Sessions at once.
        Sessions = "sessions",
        /// Streams at once.
        Streams = "streams",
        /// Calls at once, of all clients.
        Calls = "calls",
        /// Calls at once, of one session.
        CallsPerSession = "calls_per_session",
        /// Messages in a batch.
        Batch = "batch",
        /// Questions to one client at once.
        Questions = "questions",
    }

    /// A bound on what all clients hold at once; the word is the setting's name under `limits`.
    Bound {
        /// Sockets.
        Connections = "connections",
        /// Sessions.
        Sessions = "sessions",
        /// Streams.
        Streams = "streams",
        /// Calls in flight.
        Calls = "calls",
    }

    /// Which way a message went, seen from us.
    Direction {
        /// To us.
        In = "in",
        /// From us.
        Out = "out",
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

    /// What came of a new configuration.
    ReloadOutcome {
        /// It is in force.
        Ok = "ok",
        /// It is not valid; the one before it stays in force.
        Refused = "refused",
    }

    /// Who came back, or tried to.
    ReconnectSide {
        /// A client to its session.
        Session = "session",
        /// We to an upstream.
        Upstream = "upstream",
        /// The stdio bridge to us.
        Bridge = "bridge",
    }

    /// What came of an attempt to come back.
    ReconnectOutcome {
        /// The same session goes on.
        Resumed = "resumed",
        /// A new session took its place (upstream and bridge only).
        Reinitialized = "reinitialized",
        /// The other side said no.
        Refused = "refused",
        /// It could not be reached.
        Failed = "failed",
    }

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

    /// What the store was asked to do.
    StoreOperation {
        /// It was opened and its schema brought up to date.
        Open = "open",
        /// A session was inserted or revived: from asking until it was safe.
        Insert = "insert",
        /// Rows of sessions in one transaction.
        Session = "session",
        /// Rows of the history in one transaction.
        History = "history",
        /// Events and streams in one transaction.
        Event = "event",
        /// Calls in flight in one transaction.
        Call = "call",
        /// What is kept of upstreams, in one transaction.
        Catalogue = "catalogue",
        /// Agents and tasks in one transaction.
        Work = "work",
        /// The end of one transaction.
        Commit = "commit",
        /// Expired rows were removed.
        Prune = "prune",
        /// What was written went from the log into the database.
        Checkpoint = "checkpoint",
        /// All that waited was written, because somebody asked.
        Flush = "flush",
        /// Something was read; of this only failures are counted.
        Read = "read",
    }

    /// What was sent to a collector.
    Signal {
        /// Spans.
        Spans = "spans",
        /// Lines of the log file.
        Logs = "logs",
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

/// What counts as a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectionKind {
    /// A legacy session or a WebSocket.
    Session,
    /// A modern client that is heard of from time to time.
    Presence,
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

/// The label values of one series, where every label is closed.
pub(crate) trait LabelSet: Copy + 'static {
    /// How many series there are.
    const SIZE: usize;
    /// Position of this one.
    fn slot(self) -> usize;
    /// The label values at a position.
    fn texts(slot: usize) -> Vec<&'static str>;
}

impl LabelSet for () {
    const SIZE: usize = 1;
    fn slot(self) -> usize {
        0
    }
    fn texts(_: usize) -> Vec<&'static str> {
        Vec::new()
    }
}

impl<A: Label> LabelSet for A {
    const SIZE: usize = A::ALL.len();
    fn slot(self) -> usize {
        Label::slot(self)
    }
    fn texts(slot: usize) -> Vec<&'static str> {
        vec![A::ALL[slot].text()]
    }
}

impl<A: Label, B: Label> LabelSet for (A, B) {
    const SIZE: usize = A::ALL.len() * B::ALL.len();
    fn slot(self) -> usize {
        self.0.slot() * B::ALL.len() + self.1.slot()
    }
    fn texts(slot: usize) -> Vec<&'static str> {
        vec![A::ALL[slot / B::ALL.len()].text(), B::ALL[slot % B::ALL.len()].text()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_slots<L: LabelSet + Label>() {
        for (place, value) in L::ALL.iter().enumerate() {
            assert_eq!((LabelSet::slot(*value), L::texts(place)), (place, vec![value.text()]));
        }
    }

    #[test]
    fn a_value_is_found_at_its_place() {
        assert_slots::<Method>();
        assert_slots::<Outcome>();
        assert_slots::<Reason>();
        for method in Method::ALL {
            for outcome in Outcome::ALL {
                let texts = <(Method, Outcome)>::texts((*method, *outcome).slot());
                assert_eq!(texts, [method.as_str(), outcome.as_str()]);
            }
        }
    }
}

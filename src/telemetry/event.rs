//! What can happen: one closed enum in the past tense. Metrics and log lines are projections
//! of it, each one exhaustive `match`.

use crate::{
    AgentEvent, AttemptOutcome, AuthCause, CallTrace, ChaosEvent, ConfigEvent, ConnectionKind,
    ConnectionStatus, Direction, LabEvent, Limit, Network, OutageCause, Outcome, RateLimit, Reason,
    ReconnectOutcome, ReconnectSide, Replay, RestartCause, Restoration, StoreOperation, ToolLabel,
    Transport, UpstreamLabel, UpstreamState,
};
use mcp_protocol::{Method, Revision, TraceContext};
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// What a call is, known when it starts.
#[derive(Debug, Clone)]
pub struct CallInfo<'a> {
    /// Its method.
    pub method: Method,
    /// How it came.
    pub transport: Transport,
    /// The revision it speaks, where known.
    pub revision: Option<Revision>,
    /// Its session; legacy only.
    pub session_id: Option<&'a str>,
    /// Its JSON-RPC id as text; for spans only.
    pub request_id: &'a str,
    /// The tool or prompt it names: span name and attribute, never a label.
    pub target: Option<&'a str>,
    /// The trace context of `_meta`: the parent.
    pub parent: TraceContext,
    /// The trace context of the HTTP headers: the parent if `parent` is empty or malformed,
    /// else a link.
    pub ambient: TraceContext,
    /// The client's address.
    pub client_address: Option<IpAddr>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy)]
pub struct CallEnd<'a> {
    /// The end in one word.
    pub outcome: Outcome,
    /// The JSON-RPC error code that was answered.
    pub code: Option<i64>,
    /// The JSON-RPC error message that was answered; goes to the span only.
    pub message: Option<&'a str>,
}

impl CallEnd<'_> {
    /// An end with no error code.
    #[must_use]
    pub const fn of(outcome: Outcome) -> Self {
        Self { outcome, code: None, message: None }
    }
}

/// What an attempt at an upstream is.
#[derive(Debug, Clone)]
pub struct AttemptInfo<'a> {
    /// The upstream.
    pub upstream: UpstreamLabel,
    /// The method sent.
    pub method: Method,
    /// The tool or prompt by the upstream's own name.
    pub target: Option<&'a str>,
    /// The revision it is sent in.
    pub revision: Revision,
    /// How the upstream is reached.
    pub network: Network,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy)]
pub struct AttemptEnd {
    /// The end in one word.
    pub outcome: AttemptOutcome,
    /// The JSON-RPC error code that came.
    pub code: Option<i64>,
}

impl AttemptEnd {
    /// An end with no error code.
    #[must_use]
    pub const fn of(outcome: AttemptOutcome) -> Self {
        Self { outcome, code: None }
    }
}

/// What a connection is.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionInfo {
    /// How it came.
    pub transport: Transport,
    /// What it is.
    pub kind: ConnectionKind,
}

/// What can happen in the store.
#[derive(Debug, Clone, Copy)]
pub enum StoreEvent<'a> {
    /// It did something.
    Done {
        /// What.
        operation: StoreOperation,
        /// How long it took.
        elapsed: Duration,
    },
    /// It could not do something.
    Failed {
        /// What.
        operation: StoreOperation,
        /// Why; no secrets.
        error: &'a str,
    },
    /// It works again.
    Recovered,
    /// The disk that it is on was looked at.
    DiskLookedAt {
        /// Bytes that may still be written there.
        free: u64,
        /// Bytes that it holds in all.
        size: u64,
    },
}

/// Something that happened.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The server listens.
    ServerStarted {
        /// The bound address.
        address: SocketAddr,
    },
    /// The server was told to stop.
    ServerStopping {
        /// By which signal, or `stop`.
        signal: &'a str,
    },
    /// The server has stopped.
    ServerStopped,

    /// A call was read off a transport. Emitted by [`crate::CallScope`].
    CallStarted {
        /// Its method.
        method: Method,
    },
    /// A call ended; exactly once for each start. Emitted by [`crate::CallScope`].
    CallFinished {
        /// Its method.
        method: Method,
        /// How it came.
        transport: Transport,
        /// The tool it called, if any.
        tool: Option<&'a ToolLabel>,
        /// Its end.
        end: CallEnd<'a>,
        /// From the request's last byte until now.
        elapsed: Duration,
        /// The part of `elapsed` that was spent waiting for upstreams.
        upstream: Duration,
    },
    /// An attempt was sent on its way. Emitted by [`crate::AttemptScope`].
    AttemptStarted {
        /// The upstream.
        upstream: &'a UpstreamLabel,
        /// The method.
        method: Method,
    },
    /// An attempt ended; exactly once for each start. Emitted by [`crate::AttemptScope`].
    AttemptFinished {
        /// The upstream.
        upstream: &'a UpstreamLabel,
        /// The method.
        method: Method,
        /// Its end.
        end: AttemptEnd,
        /// How long it took.
        elapsed: Duration,
    },

    /// A client was let in. Emitted by [`crate::ConnectionScope`].
    ConnectionAccepted(ConnectionInfo),
    /// What was accepted ended. Emitted by [`crate::ConnectionScope`].
    ConnectionEnded {
        /// What it was.
        connection: ConnectionInfo,
        /// The id of the session that it was, where it was one.
        session_id: Option<&'a str>,
        /// Why it ended.
        reason: Reason,
        /// How long it lived.
        elapsed: Duration,
    },
    /// A client went away while a call of its was in flight. Emitted by [`crate::ClientAway`].
    ClientLost {
        /// The call.
        call: &'a CallTrace,
    },
    /// It is there again. Emitted by [`crate::ClientAway`].
    ClientReturned {
        /// The call.
        call: &'a CallTrace,
        /// For how long it was away.
        away: Duration,
    },
    /// A session that a store kept goes on. Emitted by [`crate::ConnectionScope`].
    SessionRestored {
        /// What it is.
        connection: ConnectionInfo,
        /// How it came back.
        how: Restoration,
    },
    /// The sessions that an earlier process left were taken over.
    SessionsTakenOver {
        /// How many.
        count: usize,
    },
    /// A session that a store keeps is let go of, and has not ended. Emitted by
    /// [`crate::ConnectionScope`].
    SessionHandedOver(ConnectionInfo),
    /// A session that a store keeps could not go on.
    SessionNotRestored {
        /// Why, in one word: `Refused` or `Failed`.
        how: Restoration,
        /// For the log line; no secrets.
        detail: &'a str,
    },
    /// A client's attempt to connect was refused.
    ConnectionRefused {
        /// How it came.
        transport: Transport,
        /// Why; anything but `Accepted`.
        status: ConnectionStatus,
        /// For the log line; no secrets.
        detail: &'a str,
    },
    /// A request came without a valid token.
    AuthFailed {
        /// What was wrong.
        cause: AuthCause,
    },
    /// A request or message came faster than a limit allows.
    RateLimited {
        /// Which limit.
        limit: RateLimit,
    },
    /// Something of a client was refused or cut off, because it is beyond a limit.
    LimitReached {
        /// Which limit.
        limit: Limit,
    },
    /// The keys that tokens are checked with were not fetched; the last good ones stay in use.
    KeysNotFetched {
        /// Why; no secrets.
        error: &'a str,
    },
    /// The listener's certificate was read and is in use.
    CertificateLoaded {
        /// When it ends: since 1970, and the same for people. `None` if that cannot be told.
        expires: Option<(Duration, &'a str)>,
    },
    /// The listener's certificate or key changed and cannot be used; the old pair stays in use.
    CertificateRefused {
        /// Why; no secrets.
        error: &'a str,
    },
    /// An `initialize` (legacy) or a first request (modern) was answered.
    HandshakeFinished {
        /// How it came.
        transport: Transport,
        /// Whether it succeeded.
        ok: bool,
        /// How long it took.
        elapsed: Duration,
    },
    /// Somebody came back, or we tried to.
    ReconnectAttempted {
        /// Who.
        side: ReconnectSide,
        /// What came of it.
        outcome: ReconnectOutcome,
    },
    /// A stdio bridge says that it had lost us and is back.
    BridgeReturned {
        /// How it is back: resumed or reinitialized.
        outcome: ReconnectOutcome,
        /// How often it tried in vain.
        failed: u64,
        /// How long it was away.
        away: Duration,
    },

    /// A socket was opened. Emitted by [`crate::SocketScope`].
    SocketOpened {
        /// What it carries.
        transport: Transport,
    },
    /// A socket was closed. Emitted by [`crate::SocketScope`].
    SocketClosed {
        /// What it carried.
        transport: Transport,
    },
    /// A message was read or written.
    MessageTransferred {
        /// Over what.
        transport: Transport,
        /// Which way.
        direction: Direction,
        /// Its size.
        bytes: usize,
    },
    /// A stream to a client was opened. Emitted by [`crate::StreamScope`].
    StreamOpened {
        /// Over what.
        transport: Transport,
    },
    /// A stream to a client was closed. Emitted by [`crate::StreamScope`].
    StreamClosed {
        /// Over what.
        transport: Transport,
        /// How long it lived.
        elapsed: Duration,
    },
    /// An event was written to a stream.
    StreamEventSent {
        /// Over what.
        transport: Transport,
    },
    /// A client came back and was sent what it had missed.
    StreamEventsReplayed {
        /// Over what.
        transport: Transport,
        /// How many events.
        count: u64,
    },
    /// Events for a client were lost.
    StreamGap {
        /// Over what.
        transport: Transport,
        /// How many events.
        missed: u64,
    },

    /// A client answered a heartbeat.
    HeartbeatAnswered {
        /// Over what.
        transport: Transport,
        /// From the question to the answer.
        elapsed: Duration,
    },
    /// A client did not answer a heartbeat in time.
    HeartbeatMissed {
        /// Over what.
        transport: Transport,
    },

    /// An upstream changed its state.
    UpstreamStateChanged {
        /// The upstream.
        upstream: &'a UpstreamLabel,
        /// The state it is in now.
        state: UpstreamState,
        /// Why, if it went wrong; no secrets.
        error: Option<&'a str>,
    },
    /// An upstream was started anew.
    UpstreamRestarted {
        /// The upstream.
        upstream: &'a UpstreamLabel,
        /// Why.
        cause: RestartCause,
        /// From the loss until it was there again.
        after: Duration,
    },
    /// A call waited until its upstream could be reached, or in vain.
    UpstreamAwaited {
        /// The upstream.
        upstream: &'a UpstreamLabel,
        /// How long.
        elapsed: Duration,
        /// Whether it can be reached now.
        is_there: bool,
    },
    /// A try at an upstream got no answer, and it was decided whether to send the call again.
    ReplayDecided {
        /// The upstream.
        upstream: &'a UpstreamLabel,
        /// What was decided.
        decision: Replay,
    },
    /// A call ended and nobody knows whether it ran.
    OutcomeUnknown {
        /// The upstream.
        upstream: &'a UpstreamLabel,
    },
    /// A child process wrote a line to its standard error.
    UpstreamLog {
        /// The upstream.
        upstream: &'a UpstreamLabel,
        /// The line.
        line: &'a str,
    },
    /// A message of an upstream was not handed on.
    UpstreamMessageDropped {
        /// The upstream.
        upstream: &'a UpstreamLabel,
        /// Its method.
        method: &'a str,
        /// Why it was dropped.
        why: &'a str,
    },
    /// An upstream's lists were read.
    CatalogueRefreshed {
        /// The upstream.
        upstream: &'a UpstreamLabel,
        /// How many tools it has.
        tools: usize,
        /// How many resources.
        resources: usize,
        /// How many prompts.
        prompts: usize,
    },
    /// What a store kept of an upstream is listed again, until its lists are read.
    CatalogueRestored {
        /// The upstream.
        upstream: &'a UpstreamLabel,
        /// How many tools it had.
        tools: usize,
        /// When they were read, since 1970.
        refreshed: Duration,
    },
    /// An upstream's tools, or others of its entries, are listed no more, though it did not say so.
    CatalogueWithdrawn {
        /// The upstream.
        upstream: &'a UpstreamLabel,
        /// How many entries.
        entries: usize,
        /// Why.
        why: &'a str,
    },
    /// Time went by for the tools of an upstream.
    ToolTimePassed {
        /// The upstream.
        upstream: &'a UpstreamLabel,
        /// Seconds, for each tool.
        seconds: f64,
        /// The part of it in which they could not be called, by cause; what was found out later
        /// is of earlier times.
        unavailable: &'a [(OutageCause, f64)],
    },
    /// A tool can be called, or no longer.
    ToolAvailabilityChanged {
        /// The tool.
        tool: &'a ToolLabel,
        /// Whether it can be called.
        available: bool,
    },

    /// Two upstreams wanted the same name.
    NameConflict {
        /// The name.
        name: &'a str,
        /// Who has it.
        kept_by: &'a str,
        /// The name of the other.
        renamed_to: &'a str,
    },
    /// A name was too long.
    NameShortened {
        /// The whole name.
        name: &'a str,
        /// The name it is served under.
        to: &'a str,
    },
    /// Something happened to an agent or a task.
    Agent(AgentEvent<'a>),
    /// Something happened to an injected fault.
    Chaos(ChaosEvent<'a>),
    /// Something happened in a run of the lab.
    Lab(LabEvent<'a>),
    /// Something happened in the store.
    Store(StoreEvent<'a>),

    /// A configuration was put in force, or refused.
    Config(ConfigEvent<'a>),
    /// Something in the configuration is odd and was accepted.
    ConfigWarning {
        /// A sentence.
        text: &'a str,
    },
    /// Something that must not happen happened: a panic in a tool, a broken invariant.
    InternalError {
        /// Where, in a word or two: the log line's key for repetition.
        what: &'a str,
        /// What; no secrets.
        detail: &'a str,
    },
}

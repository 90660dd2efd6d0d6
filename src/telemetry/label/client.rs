//! What becomes of clients: whether they are let in, why they go, and whether they come back.

use super::Label;

labels! {
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
}

/// What counts as a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectionKind {
    /// A legacy session or a WebSocket.
    Session,
    /// A modern client that is heard of from time to time.
    Presence,
}

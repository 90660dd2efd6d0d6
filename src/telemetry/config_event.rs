//! What can happen to the configuration.

/// What became of a configuration that was read again.
#[derive(Debug, Clone, Copy)]
pub enum ConfigEvent<'a> {
    /// It was put in force. Texts are empty where nothing changed.
    Reloaded {
        /// Upstreams that are new, by name.
        added: &'a str,
        /// Upstreams that are gone.
        removed: &'a str,
        /// Upstreams that are set up otherwise.
        changed: &'a str,
        /// Other parts that changed.
        sections: &'a str,
    },
    /// It is not valid; the one before it stays in force.
    Refused {
        /// Why; no secrets.
        error: &'a str,
    },
    /// A configuration is in force: at the start, and after each reload.
    InForce {
        /// What cannot change while the server runs.
        fixed: FixedConfig<'a>,
        /// What clients may hold at once.
        bounds: Bounds,
    },
    /// Log lines of another level are written from here on.
    LogLevelChanged {
        /// The level, as it was configured.
        level: &'a str,
    },
}

/// Parts of the configuration that stay as they are until the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedConfig<'a> {
    /// How clients may connect, for example `http,websocket`.
    pub transports: &'a str,
    /// Whether sessions are kept on disk.
    pub store: bool,
    /// Whether the listener speaks TLS.
    pub tls: bool,
    /// Whether clients may start agents.
    pub agents: bool,
}

/// How much clients may hold at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Sockets.
    pub connections: usize,
    /// Sessions.
    pub sessions: usize,
    /// Streams.
    pub streams: usize,
    /// Calls in flight.
    pub calls: usize,
}

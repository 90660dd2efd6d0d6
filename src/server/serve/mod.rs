//! The server as a whole: made by a builder, started, stopped.

mod builder;
mod listener;
mod reload;
mod tls;

pub use builder::Builder;
pub use reload::Changes;
pub use tls::TlsError;

use crate::{
    admission::AuthError,
    agents::Agents,
    config::Config,
    pipeline::{Stages, announce_changes, announce_tasks, note_traffic, sweep, watch},
    session::now,
    tools::RegistryError,
    transport::{Page, Paths, Shared, StatusReport},
};
use builder::{OwnTools, Parts};
use listener::Door;
use mcp_telemetry::{Event, HandshakeMetrics, Reason, Telemetry};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tls::Tls;
use tokio::time::Instant;

/// Longest time for answers that are already written to leave their sockets.
const LINGER: Duration = Duration::from_secs(1);

/// Longest time for the store to write what it has.
const STORE_CLOSES_WITHIN: Duration = Duration::from_secs(3);

/// Why a server cannot be made or started. Every text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A tool of our own is not valid.
    #[error(transparent)]
    Tool(#[from] RegistryError),
    /// No token, and nobody said that none is wanted.
    #[error("no token is set: give `auth.token`, or set `auth.disabled` on a loopback listener")]
    NoToken,
    /// What says who may come in is not valid.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The files of `[tls]` cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Without a token only this machine may come in.
    #[error(
        "without a token the server listens on loopback only, and {0} is not: give a token, or listen on 127.0.0.1"
    )]
    OpenToTheNetwork(SocketAddr),
    /// A bound that must be above zero is zero.
    #[error("`{0}` must be above zero")]
    Zero(&'static str),
    /// The room for a request's head is too small to serve anything.
    #[error("`limits.header_bytes` must be at least {0}")]
    HeaderBytes(usize),
    /// Handshakes would be waited for too long.
    #[error("`limits.handshake_timeout` may be at most {0} seconds")]
    HandshakeTimeout(u64),
    /// Nobody could connect.
    #[error("`transports.http` and `transports.websocket` are both off: switch one of them on")]
    NoTransport,
    /// The listener could not be opened.
    #[error("cannot listen on {address}: {}", listen_reason(.source))]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// It was started before.
    #[error("the server was started already; make a new one to start again")]
    StartedAlready,
    /// Only a server that runs can change.
    #[error(
        "the server does not run, so nothing of it can change: give the configuration to a new one"
    )]
    NotRunning,
    /// A metric could not be registered.
    #[error(transparent)]
    Telemetry(#[from] mcp_telemetry::TelemetryError),
}

fn listen_reason(error: &std::io::Error) -> String {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the system's own words are good enough for the rest")]
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "the port is in use. Stop what listens there, or give another one with `--listen`".to_owned()
        }
        std::io::ErrorKind::PermissionDenied => {
            "that needs rights this process has not. Ports below 1024 belong to root; give another one with `--listen`"
                .to_owned()
        }
        std::io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address. Give one it has with `--listen`".to_owned()
        }
        _ => error.to_string(),
    }
}

/// An orchestrator server.
///
/// Dropping it ends everything at once; [`OrchestratorServer::stop`] lets calls in flight finish.
pub struct OrchestratorServer {
    config: Config,
    telemetry: Telemetry,
    tools: OwnTools,
    parts: Option<Parts>,
    tls: Option<Arc<Tls>>,
    page: Arc<Page>,
    running: Option<Running>,
}

/// What runs.
struct Running {
    address: SocketAddr,
    stages: Arc<Stages>,
    agents: Option<Agents>,
}

impl OrchestratorServer {
    /// A builder with defaults: loopback, the standard port, no upstreams. It needs a token.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Opens the listener and starts all upstreams; gives the bound address. Clients are
    /// answered from the first moment, also while upstreams are still starting.
    ///
    /// # Errors
    /// When the listener cannot be opened, or the server was started before.
    pub async fn start(&mut self) -> Result<SocketAddr, ServerError> {
        let Some(given) = self.parts.as_mut().map(|parts| parts.listener.take()) else {
            return Err(ServerError::StartedAlready);
        };
        let wanted = self.config.listen;
        let listen = |source| ServerError::Listen { address: wanted, source };
        let listener = given.map_or_else(|| listener::open(wanted), listener::adopt);
        let listener = listener.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let Some(parts) = self.parts.take() else { return Err(ServerError::StartedAlready) };
        let status = Arc::new(StatusReport {
            server_name: self.config.server_name.clone(),
            transports: self.config.transports,
            started: Instant::now(),
            address,
            is_secure: self.tls.is_some(),
        });
        let stages = parts.assemble(&self.config, self.telemetry.clone(), &status).await;
        stages.restore_sessions().await;
        if let Some(agents) = &self.tools.agents {
            agents.begin().await;
        }
        if let Some(tasks) = &stages.dispatch.tasks {
            tasks.restore().await;
            let sweeping = stages.stopping.clone().run_until_cancelled_owned(tasks.clone().sweep());
            stages.connections.spawn(sweeping);
            announce_tasks(&stages, tasks);
        }
        let changes = stages.dispatch.upstreams.changes();
        stages.connections.spawn(announce_changes(Arc::clone(&stages), changes));
        stages.connections.spawn(sweep(Arc::clone(&stages)));
        stages.connections.spawn(watch(Arc::clone(&stages)));
        stages.connections.spawn(note_traffic(Arc::clone(&stages)));
        self.watch_certificate(&stages);
        let (page, shared) = (Arc::clone(&self.page), Arc::clone(&stages));
        let paths = Paths::new(Shared { stages: shared, status: Arc::clone(&status), page });
        let door = Door { listener, tls: self.tls.clone() };
        stages.connections.spawn(door.accept(paths, Arc::clone(&stages)));
        self.telemetry.emit(&Event::ServerStarted { address });
        self.report_in_force();
        self.page.make_link(&status);
        self.running = Some(Running { address, stages, agents: self.tools.agents.clone() });
        Ok(address)
    }

    fn watch_certificate(&self, stages: &Stages) {
        let Some(tls) = self.tls.clone() else { return };
        let watching = tls::watch(tls, self.telemetry.clone());
        let stopping = stages.stopping.clone();
        stages.connections.spawn(stopping.run_until_cancelled_owned(watching));
    }

    /// How clients speak to it: `https` with TLS, else `http`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Shows this text on the page at `/` as the configuration in force. Its secrets must be
    /// masked.
    pub fn show_config(&self, text: String) {
        self.page.show_config(text);
    }

    /// The bound address, while the server runs.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.running.as_ref().map(|running| running.address)
    }

    /// Stops: no new connection, calls in flight finish within `drain`, then every stream,
    /// session, upstream and socket ends. Does nothing when the server does not run.
    pub async fn stop(&mut self) {
        self.stop_because("stop").await;
    }

    /// The same, and says in the log what was the cause, for example the name of a signal.
    pub async fn stop_because(&mut self, signal: &str) {
        let Some(running) = self.running.take() else { return };
        let stages = &running.stages;
        self.telemetry.emit(&Event::ServerStopping { signal });
        stages.stopping.cancel();
        stages.tasks.close();
        // Past the drain, calls that still run are cancelled with their sessions below.
        let _drained = tokio::time::timeout(self.config.drain, stages.tasks.wait()).await.is_ok();
        stages.closing.cancel();
        stages.listeners.end_all();
        // A session on a socket is let go of by that, when it takes no more frames.
        stages.sessions.without_socket().iter().for_each(|id| stages.let_go(id));
        stages.presences.end_all(Reason::ServerShutdown);
        let agents = async {
            if let Some(agents) = &running.agents {
                agents.stop().await;
            }
        };
        tokio::join!(stages.dispatch.upstreams.stop(), agents);
        stages.connections.close();
        if tokio::time::timeout(LINGER, stages.connections.wait()).await.is_err() {
            stages.cut.cancel();
            stages.connections.wait().await;
        }
        // Those whose socket was cut.
        stages.sessions.ids().iter().for_each(|id| stages.let_go(id));
        // The store reports what it could not write.
        let _safe = stages.sessions.store().close(now(), STORE_CLOSES_WITHIN).await.is_ok();
        self.telemetry.emit(&Event::ServerStopped);
    }

    /// The last 1,000 handshakes in figures.
    #[must_use]
    pub fn handshake_metrics(&self) -> HandshakeMetrics {
        self.telemetry.handshake_metrics()
    }

    /// The telemetry of this server: metrics as text, and a way to report events.
    #[must_use]
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stages.stopping.cancel();
        self.stages.closing.cancel();
        self.stages.cut.cancel();
        if let Some(agents) = &self.agents {
            agents.cut();
        }
    }
}

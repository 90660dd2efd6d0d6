//! What happened, and everything derived from it.
//!
//! [`Event`] is the only way any other crate reports anything. Metrics, log lines and spans are
//! projections of it and live here, one module each: no other crate knows `prometheus`,
//! `opentelemetry` or the log macros. What begins and ends is a scope (`scope`), which cannot end
//! twice or never. Labels are closed sets (`label`) or registered names (`registry`), so the
//! number of series is bounded by configuration.

mod agent_event;
mod away;
mod catalogue;
mod chaos_event;
#[cfg(test)]
mod checks;
mod config_event;
mod current;
mod event;
mod export;
mod family;
mod foreign;
mod in_flight;
pub mod install;
mod lab_event;
mod label;
mod life;
mod limit;
mod log;
mod log_file;
mod metrics;
mod pretty;
mod reason;
mod recent;
mod registry;
mod rotating;
mod scope;
mod span;
mod traffic;

pub use agent_event::AgentEvent;
pub use away::{CallTrace, ClientAway};
pub use catalogue::catalogue;
pub use chaos_event::{ChaosEvent, chaos_catalogue};
pub use config_event::{Bounds, ConfigEvent, FixedConfig};
pub use event::{AttemptEnd, AttemptInfo, CallEnd, CallInfo, ConnectionInfo, Event, StoreEvent};
pub use family::{MetricInfo, MetricKind};
pub use install::{
    Guard, InstallConfig, LogFormat, OtlpConfig, OtlpProtocol, check_log_level, install,
};
pub use lab_event::{LabEvent, lab_catalogue};
pub use label::{
    AttemptOutcome, AuthCause, Bound, ChaosDirection, ChaosFault, ConnectionKind, ConnectionStatus,
    Direction, LabOutcome, LabTools, LabVerdict, Limit, Network, OutageCause, Outcome, RateLimit,
    Reason, ReconnectOutcome, ReconnectSide, ReloadOutcome, Replay, RestartCause, Restoration,
    Signal, StoreOperation, Success, Transport, UpstreamState,
};
pub use log_file::LogFileConfig;
pub use reason::reason;
pub use recent::{Connections, HandshakeMetrics, Latency, Messages, Snapshot};
pub use registry::{ToolLabel, UpstreamLabel};
pub use scope::{AttemptScope, CallScope, ConnectionScope, SocketScope, StreamScope};
pub use traffic::{TRAFFIC_EVERY, TrafficPoint};

use log::Log;
use metrics::Metrics;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A metric is declared twice or wrongly.
    #[error("metric cannot be registered: {0}")]
    Metric(#[from] prometheus::Error),
    /// The log filter cannot be read.
    #[error(
        "log level `{0}` cannot be read: write a level such as `info`, or `info,mcp_server=debug`"
    )]
    LogLevel(String),
    /// The log file cannot be opened.
    #[error("the log file {} cannot be opened: {}; make its folder, or name another with `log.file`", path.display(), reason(error))]
    LogFile {
        /// Where it was to be.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A subscriber is there already.
    #[error("log lines and spans already have a receiver in this process")]
    Installed,
    /// The exporter cannot be made.
    #[error("spans cannot be exported: {0}")]
    Export(String),
}

/// A cheap handle through which everything is reported. Each instance counts for itself.
#[derive(Clone)]
pub struct Telemetry(Arc<Inner>);

struct Inner {
    metrics: Metrics,
    log: Log,
    tracer: Option<SdkTracer>,
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Telemetry")
    }
}

impl Telemetry {
    /// A new instance, with every closed label set at zero. Its spans go where [`install()`] was
    /// told to send them, and are not made where there was none.
    ///
    /// # Errors
    /// When a metric is declared twice or wrongly.
    pub fn new() -> Result<Self, TelemetryError> {
        Self::with(export::tracer_of_process().cloned())
    }

    /// The same for a program that sends spans itself.
    ///
    /// # Errors
    /// When a metric is declared twice or wrongly.
    pub fn with_spans(provider: &SdkTracerProvider) -> Result<Self, TelemetryError> {
        Self::with(Some(export::tracer(provider)))
    }

    /// An instance that exposes the metrics of a chaos proxy, and no server's.
    ///
    /// # Errors
    /// When a metric is declared twice or wrongly.
    pub fn for_chaos() -> Result<Self, TelemetryError> {
        let metrics = Metrics::for_chaos()?;
        Ok(Self(Arc::new(Inner { metrics, log: Log::default(), tracer: None })))
    }

    /// An instance that exposes the metrics of a run of the lab with those scenarios, and no server's.
    ///
    /// # Errors
    /// When a metric is declared twice or wrongly.
    pub fn for_lab(scenarios: &[String]) -> Result<Self, TelemetryError> {
        let metrics = Metrics::for_lab(scenarios)?;
        Ok(Self(Arc::new(Inner { metrics, log: Log::default(), tracer: None })))
    }

    fn with(tracer: Option<SdkTracer>) -> Result<Self, TelemetryError> {
        Ok(Self(Arc::new(Inner { metrics: Metrics::new()?, log: Log::default(), tracer })))
    }

    /// Records one event in every projection.
    pub fn emit(&self, event: &Event<'_>) {
        self.0.metrics.record(event);
        self.0.log.write(event);
        if let Some(tracer) = self.tracer() {
            life::tell(tracer, event);
        }
    }

    /// The `Content-Type` of [`Self::encode`]: Prometheus' text format.
    pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// The Prometheus text for a scrape.
    #[must_use]
    pub fn encode(&self) -> String {
        self.0.metrics.encode()
    }

    /// The state of things for `/api/status`.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let metrics = &self.0.metrics;
        Snapshot {
            connections: metrics.population.connections(),
            messages: metrics.population.messages(metrics.failed_calls()),
            latency: metrics.latencies.latency(),
            memory_bytes: recent::resident_bytes(),
        }
    }

    /// Adds a point to [`Self::traffic`]; to be called every [`TRAFFIC_EVERY`].
    pub fn note_traffic(&self) {
        self.0.metrics.note_traffic();
    }

    /// The calls of the last five minutes, the oldest first.
    #[must_use]
    pub fn traffic(&self) -> Vec<TrafficPoint> {
        self.0.metrics.traffic.points()
    }

    /// The last 1,000 handshakes.
    #[must_use]
    pub fn handshake_metrics(&self) -> HandshakeMetrics {
        self.0.metrics.handshakes.metrics()
    }

    /// Makes an upstream's name a label and creates its series; the same name gives the same label.
    #[must_use]
    pub fn register_upstream(&self, name: &str) -> UpstreamLabel {
        self.0.metrics.register_upstream(name)
    }

    /// Makes a tool's name a label and creates its series; the same name gives the same label.
    /// After 10,000 tools all further ones of an upstream are `_OTHER`.
    #[must_use]
    pub fn register_tool(&self, upstream: &UpstreamLabel, tool: &str) -> ToolLabel {
        self.0.metrics.register_tool(upstream, tool)
    }

    /// Opens a call.
    pub fn call_started(&self, call: &CallInfo<'_>) -> CallScope {
        CallScope::start(self, call)
    }

    /// Opens an attempt at an upstream, which belongs to the call inside whose
    /// [`CallScope::run`] this is called.
    pub fn attempt_started(&self, attempt: &AttemptInfo<'_>) -> AttemptScope {
        AttemptScope::start(self, attempt)
    }

    /// Opens an accepted connection.
    pub fn connection_accepted(&self, connection: ConnectionInfo) -> ConnectionScope {
        ConnectionScope::start(self, connection)
    }

    /// Goes on with a session of that age that a store kept; `how` is `Restored` or `Revived`.
    pub fn connection_restored(
        &self,
        connection: ConnectionInfo,
        how: Restoration,
        age: Duration,
    ) -> ConnectionScope {
        ConnectionScope::go_on(self, connection, how, age)
    }

    /// Tells the traces of calls that their client went away.
    #[must_use = "it tells when the client is back"]
    pub fn client_lost(&self, calls: Vec<CallTrace>) -> ClientAway {
        ClientAway::new(self, calls)
    }

    /// Opens a stream to a client.
    pub fn stream_opened(&self, transport: Transport) -> StreamScope {
        StreamScope::start(self, transport)
    }

    /// Opens a client's socket.
    pub fn socket_opened(&self, transport: Transport) -> SocketScope {
        SocketScope::start(self, transport)
    }

    pub(crate) fn tracer(&self) -> Option<&SdkTracer> {
        self.0.tracer.as_ref()
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }
}

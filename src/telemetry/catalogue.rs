//! Every metric of this build: one table for registration, for [`catalogue`], and for the
//! tests that compare it with `/metrics`. The doc comment is the help text.

use crate::{
    AttemptOutcome, AuthCause, ConnectionStatus, Direction, Limit, Outcome, RateLimit, Reason,
    ReconnectOutcome, ReconnectSide, ReloadOutcome, Restoration, StoreOperation, Success,
    Transport,
    family::{Counters, FloatGauges, Gauges, Histograms, Instrument, MetricInfo, MetricKind, Open},
    label::{Bound, Signal},
};
use mcp_protocol::Method;
use prometheus::{CounterVec, GaugeVec, HistogramVec, IntCounterVec, IntGaugeVec, Registry};

const REQUEST_SECONDS: &[f64] = &[
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    30.0, 60.0, 120.0, 300.0,
];
const OVERHEAD_SECONDS: &[f64] =
    &[0.000_05, 0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0];
const HANDSHAKE_SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
const TOOL_SECONDS: &[f64] = &[0.005, 0.05, 0.1, 0.5, 2.5, 10.0, 60.0, 300.0];
const ATTEMPT_SECONDS: &[f64] =
    &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0];
const SESSION_SECONDS: &[f64] =
    &[1.0, 10.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0, 86_400.0, 259_200.0, 604_800.0];
const STREAM_SECONDS: &[f64] = &[0.1, 1.0, 10.0, 60.0, 300.0, 1_800.0, 3_600.0, 14_400.0, 86_400.0];
const HEARTBEAT_SECONDS: &[f64] = &[0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 10.0];
const RECOVERY_SECONDS: &[f64] =
    &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0];
const STORE_SECONDS: &[f64] = &[
    0.000_05, 0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5,
];
const SIZE_BYTES: &[f64] = &[
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

macro_rules! metrics {
    ($( #[doc = $help:literal] $field:ident: $ty:ty = $name:literal [$($label:literal),*] $(buckets $buckets:ident)? ; )*) => {
        /// The metrics of one instance, all handles resolved.
        pub(crate) struct Catalogue { $( pub(crate) $field: $ty, )* }

        impl Catalogue {
            const TABLE: &'static [MetricInfo] = &[ $( MetricInfo {
                name: $name,
                kind: <$ty as Instrument>::KIND,
                labels: &[$($label),*],
                buckets: metrics!(@buckets $($buckets)?),
                help: $help.trim_ascii(),
            }, )* ];

            pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
                let mut table = Self::TABLE.iter();
                let mut next = || table.next().ok_or(prometheus::Error::AlreadyReg);
                Ok(Self { $( $field: <$ty as Instrument>::register(next()?, registry)?, )* })
            }
        }
    };
    (@buckets) => { None };
    (@buckets $buckets:ident) => { Some($buckets) };
}

metrics! {
    /// Attempts of clients to connect, by how they were decided: a WebSocket, a legacy session, a modern presence.
    connections: Counters<(Transport, ConnectionStatus)> = "mcp_connections_total" ["transport", "status"];
    /// Accepted connections that ended, by reason.
    disconnections: Counters<(Transport, Reason)> = "mcp_disconnections_total" ["transport", "reason"];
    /// Times somebody came back or we tried to, by what came of it.
    reconnect_attempts: Counters<(ReconnectSide, ReconnectOutcome)> = "mcp_reconnect_attempts_total" ["side", "outcome"];
    /// Calls that ended, by method and status.
    requests: Counters<(Method, Outcome)> = "mcp_requests_total" ["method", "status"];
    /// Time from the last byte of a request to the last byte of its answer; listening streams are not requests.
    request_duration: Histograms<(Method, Success)> = "mcp_request_duration_seconds" ["method", "outcome"] buckets REQUEST_SECONDS;
    /// Life of ended sessions.
    session_duration: Histograms<(Transport, Reason)> = "mcp_session_duration_seconds" ["transport", "reason"] buckets SESSION_SECONDS;

    /// Calls read off a transport.
    requests_started: Counters<Method> = "mcp_requests_started_total" ["method"];
    /// Calls started and not ended.
    requests_in_flight: Gauges<Method> = "mcp_requests_in_flight" ["method"];
    /// Age of the oldest call in flight, 0 if there is none; listening streams are left out.
    oldest_request: FloatGauges<Method> = "mcp_oldest_request_in_flight_seconds" ["method"];
    /// Time a call spent in the orchestrator itself, waiting for upstreams taken off.
    gateway_overhead: Histograms<Method> = "mcp_gateway_overhead_seconds" ["method"] buckets OVERHEAD_SECONDS;
    /// Sockets of clients opened.
    sockets_opened: Counters<Transport> = "mcp_sockets_opened_total" ["transport"];
    /// Sockets of clients open now.
    sockets_open: Gauges<Transport> = "mcp_sockets_open" ["transport"];
    /// Connections open now: sessions and presences.
    active_connections: Gauges<Transport> = "mcp_active_connections" ["transport"];
    /// Sessions open now.
    active_sessions: Gauges<Transport> = "mcp_active_sessions" ["transport"];
    /// Sessions that a store kept, by what came of them: taken over at start, revived by their client, or not.
    sessions_restored: Counters<Restoration> = "mcp_sessions_restored_total" ["outcome"];
    /// Handshakes that ended.
    handshakes: Counters<(Transport, Success)> = "mcp_handshakes_total" ["transport", "outcome"];
    /// Duration of handshakes.
    handshake_duration: Histograms<(Transport, Success)> = "mcp_handshake_duration_seconds" ["transport", "outcome"] buckets HANDSHAKE_SECONDS;
    /// Size of MCP messages.
    message_size: Histograms<(Transport, Direction)> = "mcp_message_size_bytes" ["transport", "direction"] buckets SIZE_BYTES;
    /// Streams to clients open now.
    streams_active: Gauges<Transport> = "mcp_streams_active" ["transport"];
    /// Life of ended streams.
    stream_duration: Histograms<Transport> = "mcp_stream_duration_seconds" ["transport"] buckets STREAM_SECONDS;
    /// Events written to streams.
    stream_events: Counters<Transport> = "mcp_stream_events_total" ["transport"];
    /// Events sent again to clients that came back.
    stream_replayed: Counters<Transport> = "mcp_stream_replayed_events_total" ["transport"];
    /// Events lost to clients.
    stream_gap: Counters<Transport> = "mcp_stream_gap_total" ["transport"];
    /// Time until a client answered a heartbeat.
    heartbeat_rtt: Histograms<Transport> = "mcp_heartbeat_rtt_seconds" ["transport"] buckets HEARTBEAT_SECONDS;
    /// Heartbeats that clients did not answer in time.
    heartbeats_missed: Counters<Transport> = "mcp_heartbeats_missed_total" ["transport"];
    /// Requests without a valid token.
    auth_failures: Counters<AuthCause> = "mcp_auth_failures_total" ["cause"];
    /// Requests and messages that came faster than a limit allows.
    rate_limited: Counters<RateLimit> = "mcp_rate_limited_total" ["limit"];
    /// What was refused or cut off because it was beyond a limit, by the name of the setting.
    limit_refusals: Counters<Limit> = "mcp_limit_refusals_total" ["limit"];

    /// Calls of tools that ended.
    tool_calls: Open<IntCounterVec> = "mcp_tool_calls_total" ["upstream", "tool", "status"];
    /// Duration of calls of tools.
    tool_call_duration: Open<HistogramVec> = "mcp_tool_call_duration_seconds" ["upstream", "tool"] buckets TOOL_SECONDS;
    /// Whether a tool of an upstream is listed and a call of it is known to reach its upstream within the time for which calls wait.
    tool_available: Open<IntGaugeVec> = "mcp_tool_available" ["upstream", "tool"];
    /// Time for which tools should have been available, summed over them; an upstream that was never reached counts as one.
    tool_seconds: Open<CounterVec> = "mcp_tool_seconds_total" ["upstream"];
    /// The part of it for which they were not, by cause; advances while they are not.
    tool_unavailable: Open<CounterVec> = "mcp_tool_unavailable_seconds_total" ["upstream", "cause"];
    /// 1 for the state an upstream is in.
    upstream_state: Open<IntGaugeVec> = "mcp_upstream_state" ["upstream", "state"];
    /// Attempts at upstreams that ended.
    upstream_attempts: Open<IntCounterVec> = "mcp_upstream_attempts_total" ["upstream", "outcome"];
    /// Duration of attempts at upstreams.
    upstream_attempt_duration: Open<HistogramVec> = "mcp_upstream_attempt_duration_seconds" ["upstream", "outcome"] buckets ATTEMPT_SECONDS;
    /// Times an upstream was started anew.
    upstream_restarts: Open<IntCounterVec> = "mcp_upstream_restarts_total" ["upstream", "cause"];
    /// Tries at upstreams that got no answer, by what was decided: sent again, not sent again because it may have run, or not because that would change nothing.
    replays: Open<IntCounterVec> = "mcp_replays_total" ["upstream", "decision"];
    /// Calls that ended while nobody knows whether they ran.
    outcome_unknown: Open<IntCounterVec> = "mcp_calls_outcome_unknown_total" ["upstream"];
    /// Time from the loss of an upstream until it was connected again.
    recovery_duration: Open<HistogramVec> = "mcp_upstream_recovery_duration_seconds" ["upstream", "cause"] buckets RECOVERY_SECONDS;
    /// When an upstream's lists were last read, in seconds since 1970.
    catalogue_refreshed: Open<GaugeVec> = "mcp_catalogue_refreshed_timestamp_seconds" ["upstream"];

    /// Time the store took, by what it did.
    store_write_duration: Histograms<StoreOperation> = "mcp_store_write_duration_seconds" ["operation"] buckets STORE_SECONDS;
    /// What the store could not do: each is a write, a read or a note that was lost.
    store_errors: Counters<StoreOperation> = "mcp_store_errors_total" ["operation"];

    /// Bytes that may still be written to the disk of the data dir; only with a store on disk.
    store_disk_free: Open<GaugeVec> = "mcp_store_disk_free_bytes" [];
    /// Bytes that the disk of the data dir holds in all; only with a store on disk.
    store_disk_size: Open<GaugeVec> = "mcp_store_disk_size_bytes" [];

    /// Times a new configuration was read while the server ran, by what came of it.
    config_reloads: Counters<ReloadOutcome> = "mcp_config_reloads_total" ["outcome"];
    /// When the configuration in force was read, in seconds since 1970.
    config_reloaded: FloatGauges<()> = "mcp_config_reload_success_timestamp_seconds" [];
    /// 1 if the newest configuration that was read is in force, 0 if it was refused.
    config_reload_successful: Gauges<()> = "mcp_config_last_reload_successful" [];
    /// Always 1; what of the configuration stays until the next start is in the labels.
    config_info: Open<IntGaugeVec> = "mcp_config_info" ["transports", "store", "tls", "agents"];
    /// How much clients may hold at once, by the name of the setting.
    limit: Gauges<Bound> = "mcp_limit" ["limit"];
    /// When the listener's certificate ends, in seconds since 1970; only with TLS.
    certificate_expiry: Open<GaugeVec> = "mcp_certificate_expiry_timestamp_seconds" [];

    /// Threads of the tokio runtime.
    tokio_workers: Gauges<()> = "tokio_workers" [];
    /// Tasks of the tokio runtime that have not ended.
    tokio_alive_tasks: Gauges<()> = "tokio_alive_tasks" [];
    /// Tasks that wait in the shared queue of the tokio runtime.
    tokio_queue: Gauges<()> = "tokio_global_queue_depth" [];
    /// Telemetry lost: spans because the collector was slow or away, log lines because their file was slow or could not be written.
    telemetry_dropped: Counters<Signal> = "mcp_telemetry_dropped_total" ["signal"];
    /// Always 1; the build is in the labels.
    build_info: Open<IntGaugeVec> = "mcp_build_info" ["version", "revision", "rustc"];
}

/// Every metric this build can expose, by name.
#[must_use]
pub fn catalogue() -> Vec<MetricInfo> {
    let mut all = Catalogue::TABLE.to_vec();
    all.extend_from_slice(PROCESS);
    all.sort_by_key(|metric| metric.name);
    all
}

const fn process(name: &'static str, kind: MetricKind, help: &'static str) -> MetricInfo {
    MetricInfo { name, kind, labels: &[], buckets: None, help }
}

/// What the process collector of the `prometheus` crate exposes, in its words.
const PROCESS: &[MetricInfo] = &[
    process(
        "process_cpu_seconds_total",
        MetricKind::Counter,
        "Total user and system CPU time spent in seconds.",
    ),
    process("process_open_fds", MetricKind::Gauge, "Number of open file descriptors."),
    process("process_max_fds", MetricKind::Gauge, "Maximum number of open file descriptors."),
    process("process_virtual_memory_bytes", MetricKind::Gauge, "Virtual memory size in bytes."),
    process("process_resident_memory_bytes", MetricKind::Gauge, "Resident memory size in bytes."),
    process(
        "process_start_time_seconds",
        MetricKind::Gauge,
        "Start time of the process since unix epoch in seconds.",
    ),
    process("process_threads", MetricKind::Gauge, "Number of OS threads in the process."),
];

/// Outcomes that a tool or an upstream is counted by.
pub(crate) const OUTCOMES: usize = Outcome::ALL.len();
/// Outcomes of attempts.
pub(crate) const ATTEMPT_OUTCOMES: usize = AttemptOutcome::ALL.len();

//! The metrics projection of [`Event`]: atomic adds on handles that were resolved at start.

use crate::{
    Bounds, ConfigEvent, ConnectionInfo, ConnectionKind, ConnectionStatus, Event, FixedConfig,
    LabEvent, Outcome, Reason, ReloadOutcome, StoreEvent, Success, TelemetryError, ToolLabel,
    Transport, UpstreamLabel,
    catalogue::Catalogue,
    chaos_event::ChaosSeries,
    in_flight::InFlight,
    lab_event::LabSeries,
    label::{Bound, Signal},
    recent::{Handshakes, Latencies, Population},
    registry::Names,
    traffic::Traffic,
};
use mcp_protocol::Method;
use prometheus::{Registry, TextEncoder, proto::MetricFamily};
use std::{
    sync::{PoisonError, RwLock},
    time::{Duration, SystemTime},
};

/// All that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    series: Catalogue,
    chaos: Option<ChaosSeries>,
    lab: Option<LabSeries>,
    names: Names,
    pub(crate) in_flight: InFlight,
    pub(crate) latencies: Latencies,
    pub(crate) handshakes: Handshakes,
    pub(crate) population: Population,
    pub(crate) traffic: Traffic,
    /// Held while a connection comes or ends, and the other way while they are read for a scrape:
    /// what belongs together is never half counted there.
    balance: RwLock<()>,
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, TelemetryError> {
        let registry = Registry::new();
        let series = Catalogue::register(&registry)?;
        series.reconnect_attempts.exclude(&["session", "reinitialized"])?;
        let build = [env!("CARGO_PKG_VERSION"), env!("BUILD_REVISION"), env!("BUILD_RUSTC")];
        series.build_info.0.get_metric_with_label_values(&build)?.set(1);
        register_process(&registry)?;
        let names = Names::new(&series)?;
        Ok(Self {
            registry,
            series,
            chaos: None,
            lab: None,
            names,
            in_flight: InFlight::default(),
            latencies: Latencies::default(),
            handshakes: Handshakes::default(),
            population: Population::default(),
            traffic: Traffic::default(),
            balance: RwLock::default(),
        })
    }

    /// The same, with the metrics of a chaos proxy in the place of the server's.
    pub(crate) fn for_chaos() -> Result<Self, TelemetryError> {
        let registry = Registry::new();
        let chaos = Some(ChaosSeries::register(&registry)?);
        let server = Self::new()?;
        registry.register(Box::new(server.series.build_info.0.clone()))?;
        register_process(&registry)?;
        Ok(Self { registry, chaos, ..server })
    }

    /// The same, with those of a run of the lab beside them.
    pub(crate) fn for_lab(scenarios: &[String]) -> Result<Self, TelemetryError> {
        let chaos = Self::for_chaos()?;
        let lab = Some(LabSeries::register(&chaos.registry, scenarios)?);
        Ok(Self { lab, ..chaos })
    }

    pub(crate) fn register_upstream(&self, name: &str) -> UpstreamLabel {
        self.names.upstream(&self.series, name)
    }

    pub(crate) fn register_tool(&self, upstream: &UpstreamLabel, tool: &str) -> ToolLabel {
        self.names.tool(&self.series, upstream, tool)
    }

    /// The text exposition for a scrape.
    pub(crate) fn encode(&self) -> String {
        for (method, age) in self.in_flight.oldest() {
            self.series.oldest_request.of(method).set(age.as_secs_f64());
        }
        self.observe_runtime();
        self.observe_losses();
        let balanced = self.balanced();
        let mut families = self.registry.gather();
        for family in balanced {
            let place = families.iter_mut().find(|other| other.name() == family.name());
            if let Some(place) = place {
                *place = family;
            }
        }
        TextEncoder::new().encode_to_string(&families).unwrap_or_default()
    }

    /// Connections that came, ended and are there, all of one moment. Few series, so that nobody
    /// waits long.
    fn balanced(&self) -> Vec<MetricFamily> {
        let _still = self.balance.write().unwrap_or_else(PoisonError::into_inner);
        let m = &self.series;
        [
            m.connections.now(),
            m.sessions_restored.now(),
            m.disconnections.now(),
            m.active_connections.now(),
            m.active_sessions.now(),
        ]
        .concat()
    }

    fn in_balance(&self, count: impl FnOnce()) {
        let _whole = self.balance.read().unwrap_or_else(PoisonError::into_inner);
        count();
    }

    /// What the process lost of its spans and lines.
    fn observe_losses(&self) {
        let lost = [
            (Signal::Spans, crate::install::dropped_spans()),
            (Signal::Logs, crate::log_file::dropped_lines()),
        ];
        for (signal, lost) in lost {
            let dropped = self.series.telemetry_dropped.of(signal);
            dropped.inc_by(lost.saturating_sub(dropped.get()));
        }
    }

    /// What tokio tells of the runtime that asks.
    fn observe_runtime(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let metrics = runtime.metrics();
        let told = [
            (&self.series.tokio_workers, metrics.num_workers()),
            (&self.series.tokio_alive_tasks, metrics.num_alive_tasks()),
            (&self.series.tokio_queue, metrics.global_queue_depth()),
        ];
        for (gauge, value) in told {
            gauge.of(()).set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }

    /// Calls that ended otherwise than well.
    pub(crate) fn failed_calls(&self) -> u64 {
        self.calls(|outcome| outcome.success() == Success::Error)
    }

    /// Calls that ended in one of these ways.
    fn calls(&self, counts: impl Fn(Outcome) -> bool) -> u64 {
        let of = |outcome: Outcome| {
            Method::ALL.iter().map(move |method| self.series.requests.of((*method, outcome)).get())
        };
        Outcome::ALL.iter().copied().filter(|outcome| counts(*outcome)).flat_map(of).sum()
    }

    /// Adds a point to the traffic.
    pub(crate) fn note_traffic(&self) {
        let durations = self.series.request_duration.now();
        self.traffic.note((self.calls(|_| true), self.failed_calls()), &durations);
    }

    #[expect(clippy::too_many_lines, reason = "one exhaustive match, an arm for each event")]
    pub(crate) fn record(&self, event: &Event<'_>) {
        let m = &self.series;
        match *event {
            Event::CallStarted { method } => self.call_started(method),
            Event::CallFinished { method, tool, end, elapsed, upstream, .. } => {
                self.call_finished(method, end.outcome, elapsed, upstream);
                if let Some(tool) = tool {
                    self.names.series(tool).call_finished(end.outcome, elapsed);
                }
            }
            Event::AttemptFinished { upstream, end, elapsed, .. } => {
                upstream.series().inspect(|series| series.attempt_finished(end.outcome, elapsed));
            }
            Event::ConnectionAccepted(connection) => {
                self.in_balance(|| self.connection_accepted(connection))
            }
            Event::ConnectionEnded { connection, reason, elapsed, .. } => {
                self.in_balance(|| self.connection_ended(connection, reason, elapsed))
            }
            Event::SessionRestored { connection, how } => self.in_balance(|| {
                m.sessions_restored.of(how).inc();
                self.connection_opened(connection);
            }),
            Event::SessionHandedOver(connection) => {
                self.in_balance(|| self.connection_closed(connection))
            }
            Event::SessionNotRestored { how, .. } => m.sessions_restored.of(how).inc(),
            Event::ConnectionRefused { transport, status, .. } => {
                m.connections.of((transport, status)).inc()
            }
            Event::AuthFailed { cause } => m.auth_failures.of(cause).inc(),
            Event::RateLimited { limit } => m.rate_limited.of(limit).inc(),
            Event::LimitReached { limit } => m.limit_refusals.of(limit).inc(),
            Event::HandshakeFinished { transport, ok, elapsed } => {
                self.handshake_finished(transport, ok, elapsed)
            }
            Event::ReconnectAttempted { side, outcome } => {
                m.reconnect_attempts.of((side, outcome)).inc()
            }
            Event::BridgeReturned { outcome, failed, .. } => {
                let side = crate::ReconnectSide::Bridge;
                let in_vain = crate::ReconnectOutcome::Failed;
                m.reconnect_attempts.of((side, in_vain)).inc_by(failed);
                m.reconnect_attempts.of((side, outcome)).inc();
            }
            Event::SocketOpened { transport } => self.socket_opened(transport),
            Event::SocketClosed { transport } => m.sockets_open.of(transport).dec(),
            Event::MessageTransferred { transport, direction, bytes } => {
                #[expect(clippy::cast_precision_loss, reason = "no message is near 2^53 bytes")]
                m.message_size.of((transport, direction)).observe(bytes as f64);
                self.population.message(direction);
            }
            Event::StreamOpened { transport } => m.streams_active.of(transport).inc(),
            Event::StreamClosed { transport, elapsed } => self.stream_closed(transport, elapsed),
            Event::StreamEventSent { transport } => m.stream_events.of(transport).inc(),
            Event::StreamEventsReplayed { transport, count } => {
                m.stream_replayed.of(transport).inc_by(count)
            }
            Event::StreamGap { transport, missed } => m.stream_gap.of(transport).inc_by(missed),
            Event::HeartbeatAnswered { transport, elapsed } => {
                m.heartbeat_rtt.of(transport).observe(elapsed.as_secs_f64())
            }
            Event::HeartbeatMissed { transport } => m.heartbeats_missed.of(transport).inc(),
            Event::UpstreamStateChanged { upstream, state, .. } => {
                upstream.series().inspect(|series| series.enter(state));
            }
            Event::UpstreamRestarted { upstream, cause, after } => {
                upstream.series().inspect(|series| series.restarted(cause, after));
            }
            Event::ReplayDecided { upstream, decision } => {
                upstream.series().inspect(|series| series.replay_decided(decision));
            }
            Event::OutcomeUnknown { upstream } => {
                upstream.series().inspect(|series| series.outcome_unknown());
            }
            Event::CatalogueRefreshed { upstream, .. } => {
                upstream.series().inspect(|series| series.refreshed(unix_seconds()));
            }
            Event::CatalogueRestored { upstream, refreshed, .. } => {
                upstream.series().inspect(|series| series.refreshed(refreshed.as_secs_f64()));
            }
            Event::ToolTimePassed { upstream, seconds, unavailable } => {
                upstream.series().inspect(|series| series.passed(seconds, unavailable));
            }
            Event::ToolAvailabilityChanged { tool, available } => {
                self.names.series(tool).available(available)
            }
            Event::CertificateLoaded { expires } => self.certificate_loaded(expires),
            Event::Store(event) => self.store(event),
            Event::Config(event) => self.configuration(event),
            Event::Chaos(event) => self.chaos.iter().for_each(|series| series.record(event)),
            Event::Lab(event) => self.lab(event),
            Event::ServerStarted { .. }
            | Event::ServerStopping { .. }
            | Event::ServerStopped
            | Event::AttemptStarted { .. }
            | Event::UpstreamAwaited { .. }
            | Event::ClientLost { .. }
            | Event::ClientReturned { .. }
            | Event::UpstreamLog { .. }
            | Event::UpstreamMessageDropped { .. }
            | Event::CatalogueWithdrawn { .. }
            | Event::NameConflict { .. }
            | Event::NameShortened { .. }
            | Event::ConfigWarning { .. }
            | Event::Agent(_)
            | Event::SessionsTakenOver { .. }
            | Event::KeysNotFetched { .. }
            | Event::CertificateRefused { .. }
            | Event::InternalError { .. } => {}
        }
    }

    fn lab(&self, event: LabEvent<'_>) {
        if let (Some(series), Some(faults)) = (&self.lab, &self.chaos) {
            series.record(event, faults);
        }
    }

    fn configuration(&self, event: ConfigEvent<'_>) {
        let m = &self.series;
        match event {
            ConfigEvent::Reloaded { .. } => m.config_reloads.of(ReloadOutcome::Ok).inc(),
            ConfigEvent::Refused { .. } => {
                m.config_reloads.of(ReloadOutcome::Refused).inc();
                m.config_reload_successful.of(()).set(0);
            }
            ConfigEvent::InForce { fixed, bounds } => {
                m.config_reloaded.of(()).set(unix_seconds());
                m.config_reload_successful.of(()).set(1);
                self.config_info(fixed);
                self.bounds(bounds);
            }
            ConfigEvent::LogLevelChanged { .. } => {}
        }
    }

    fn config_info(&self, fixed: FixedConfig<'_>) {
        let word = |on: bool| if on { "on" } else { "off" };
        let FixedConfig { transports, store, tls, agents } = fixed;
        let labels = [transports, word(store), word(tls), word(agents)];
        self.series.config_info.0.with_label_values(&labels).set(1);
    }

    fn bounds(&self, bounds: Bounds) {
        let Bounds { connections, sessions, streams, calls } = bounds;
        let told = [
            (Bound::Connections, connections),
            (Bound::Sessions, sessions),
            (Bound::Streams, streams),
            (Bound::Calls, calls),
        ];
        for (bound, most) in told {
            self.series.limit.of(bound).set(i64::try_from(most).unwrap_or(i64::MAX));
        }
    }

    fn call_started(&self, method: Method) {
        self.series.requests_started.of(method).inc();
        self.series.requests_in_flight.of(method).inc();
    }

    fn socket_opened(&self, transport: Transport) {
        self.series.sockets_opened.of(transport).inc();
        self.series.sockets_open.of(transport).inc();
    }

    fn call_finished(
        &self,
        method: Method,
        outcome: Outcome,
        elapsed: Duration,
        upstream: Duration,
    ) {
        self.series.requests.of((method, outcome)).inc();
        // A subscription is a stream, not a request: its life is in mcp_stream_duration_seconds.
        if method != Method::SubscriptionsListen {
            let duration = self.series.request_duration.of((method, outcome.success()));
            duration.observe(elapsed.as_secs_f64());
            let overhead = elapsed.saturating_sub(upstream);
            self.series.gateway_overhead.of(method).observe(overhead.as_secs_f64());
            self.latencies.push(elapsed);
        }
        // What is not in flight any more has been counted.
        self.series.requests_in_flight.of(method).dec();
    }

    fn connection_accepted(&self, connection: ConnectionInfo) {
        self.series.connections.of((connection.transport, ConnectionStatus::Accepted)).inc();
        self.connection_opened(connection);
    }

    fn connection_opened(&self, connection: ConnectionInfo) {
        self.series.active_connections.of(connection.transport).inc();
        if connection.kind == ConnectionKind::Session {
            self.series.active_sessions.of(connection.transport).inc();
        }
        self.population.arrived();
    }

    fn connection_ended(&self, connection: ConnectionInfo, reason: Reason, elapsed: Duration) {
        let ConnectionInfo { transport, kind } = connection;
        self.series.disconnections.of((transport, reason)).inc();
        if kind == ConnectionKind::Session {
            self.series.session_duration.of((transport, reason)).observe(elapsed.as_secs_f64());
        }
        self.connection_closed(connection);
    }

    fn connection_closed(&self, connection: ConnectionInfo) {
        self.series.active_connections.of(connection.transport).dec();
        if connection.kind == ConnectionKind::Session {
            self.series.active_sessions.of(connection.transport).dec();
        }
        self.population.left();
    }

    fn stream_closed(&self, transport: Transport, elapsed: Duration) {
        self.series.streams_active.of(transport).dec();
        self.series.stream_duration.of(transport).observe(elapsed.as_secs_f64());
    }

    fn store(&self, event: StoreEvent<'_>) {
        match event {
            StoreEvent::Done { operation, elapsed } => {
                self.series.store_write_duration.of(operation).observe(elapsed.as_secs_f64());
            }
            StoreEvent::Failed { operation, .. } => self.series.store_errors.of(operation).inc(),
            StoreEvent::DiskLookedAt { free, size } => self.disk(free, size),
            StoreEvent::Recovered => {}
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a page more or less of a disk")]
    fn disk(&self, free: u64, size: u64) {
        self.series.store_disk_free.0.with_label_values::<&str>(&[]).set(free as f64);
        self.series.store_disk_size.0.with_label_values::<&str>(&[]).set(size as f64);
    }

    /// Without a known end there is no series: a zero would say that it ended long ago.
    fn certificate_loaded(&self, expires: Option<(Duration, &str)>) {
        let gauge = &self.series.certificate_expiry.0;
        match expires {
            Some((at, _)) => gauge.with_label_values::<&str>(&[]).set(at.as_secs_f64()),
            None => gauge.reset(),
        }
    }

    fn handshake_finished(&self, transport: Transport, ok: bool, elapsed: Duration) {
        let labels = (transport, Success::of(ok));
        self.series.handshakes.of(labels).inc();
        self.series.handshake_duration.of(labels).observe(elapsed.as_secs_f64());
        self.handshakes.push(ok, elapsed);
    }
}

#[cfg(target_os = "linux")]
fn register_process(registry: &Registry) -> prometheus::Result<()> {
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
}

#[cfg(not(target_os = "linux"))]
fn register_process(_: &Registry) -> prometheus::Result<()> {
    Ok(())
}

fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

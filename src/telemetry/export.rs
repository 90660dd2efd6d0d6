//! Sends spans to a collector over OTLP. The queue is bounded: a collector that is slow or away
//! costs lost spans, which are counted, and nothing else.

use crate::{OtlpConfig, OtlpProtocol, TelemetryError, log::Log};
use opentelemetry::{Context, trace::TracerProvider};
use opentelemetry_otlp::{
    OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL, Protocol, SpanExporter as OtlpExporter, WithExportConfig,
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{
        BatchConfigBuilder, BatchSpanProcessor, OTEL_BSP_MAX_QUEUE_SIZE,
        OTEL_BSP_MAX_QUEUE_SIZE_DEFAULT, SdkTracer, SdkTracerProvider, Span, SpanData,
        SpanExporter, SpanProcessor,
    },
};
use std::{
    env,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

const SERVICE: &str = "mcp-orchestrator";
const TRACES_PATH: &str = "/v1/traces";

/// Of the process, as exporting is: each instance's `/metrics` tells it.
static DROPPED: AtomicU64 = AtomicU64::new(0);
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Spans that were made and never arrived.
pub(crate) fn dropped_spans() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// A running exporter.
#[derive(Debug)]
pub(crate) struct Exporter(SdkTracerProvider);

impl Exporter {
    /// The exporter that the configuration asks for, or else the environment; `None` if neither.
    pub(crate) fn of(config: Option<&OtlpConfig>) -> Result<Option<Self>, TelemetryError> {
        let endpoint = config.map(|config| config.endpoint.as_str());
        if is_set("OTEL_SDK_DISABLED", "true") || is_set("OTEL_TRACES_EXPORTER", "none") {
            return Ok(None);
        }
        let by_env = [OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT]
            .into_iter()
            .find_map(variable);
        if endpoint.is_none() && by_env.is_none() {
            return Ok(None);
        }
        let exporter = match config.map_or_else(protocol_by_env, |config| Ok(config.protocol))? {
            OtlpProtocol::Grpc => grpc(endpoint),
            OtlpProtocol::Http => http(endpoint),
        };
        let secret = endpoint.or(by_env.as_deref()).unwrap_or_default();
        exporter.map(|exporter| Some(Self::with(exporter))).map_err(|error| without(secret, error))
    }

    fn with(exporter: OtlpExporter) -> Self {
        let mut resource = Resource::builder();
        if variable("OTEL_SERVICE_NAME").is_none()
            && !names_service(variable("OTEL_RESOURCE_ATTRIBUTES").as_deref())
        {
            resource = resource.with_service_name(SERVICE);
        }
        let provider = SdkTracerProvider::builder().with_resource(resource.build());
        Self(provider.with_span_processor(Bounded::new(exporter)).build())
    }

    #[cfg(test)]
    pub(crate) fn provider(&self) -> &SdkTracerProvider {
        &self.0
    }

    /// What makes spans that go here.
    pub(crate) fn tracer(&self) -> SdkTracer {
        tracer(&self.0)
    }

    /// Spans of this process go here from now on.
    pub(crate) fn take_spans(&self) {
        // There is one at most: `install` refuses a second one.
        let _first = TRACER.set(self.tracer()).is_ok();
    }

    /// Sends what is left, for no longer than `wait`.
    pub(crate) fn shutdown(self, wait: Duration) {
        // A collector that is away at the very end is no reason to fail.
        drop(self.0.shutdown_with_timeout(wait));
    }
}

/// What makes our spans.
pub(crate) fn tracer(provider: &SdkTracerProvider) -> SdkTracer {
    provider.tracer(SERVICE)
}

/// What makes the spans of the process, if they are sent anywhere.
pub(crate) fn tracer_of_process() -> Option<&'static SdkTracer> {
    TRACER.get()
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

fn is_set(name: &str, to: &str) -> bool {
    variable(name).is_some_and(|value| value.trim().eq_ignore_ascii_case(to))
}

fn names_service(attributes: Option<&str>) -> bool {
    attributes
        .is_some_and(|list| list.split(',').any(|pair| pair.trim().starts_with("service.name=")))
}

/// The protocol of the environment; HTTP if it says nothing, as the specification has it.
fn protocol_by_env() -> Result<OtlpProtocol, TelemetryError> {
    let names = [OTEL_EXPORTER_OTLP_TRACES_PROTOCOL, OTEL_EXPORTER_OTLP_PROTOCOL];
    match names.into_iter().find_map(variable).as_deref().map(str::trim) {
        Some("grpc") => Ok(OtlpProtocol::Grpc),
        Some("http/protobuf") | None => Ok(OtlpProtocol::Http),
        Some(other) => Err(TelemetryError::Export(format!(
            "OTLP protocol `{other}` is not known: use `grpc` or `http/protobuf`"
        ))),
    }
}

fn grpc(endpoint: Option<&str>) -> Result<OtlpExporter, TelemetryError> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(TelemetryError::Export("gRPC needs a running tokio runtime".into()));
    }
    let mut builder = OtlpExporter::builder().with_tonic();
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    builder.build().map_err(failed)
}

fn http(endpoint: Option<&str>) -> Result<OtlpExporter, TelemetryError> {
    // An error says that a provider is there already, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut builder = OtlpExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(traces_url(endpoint));
    }
    builder.build().map_err(failed)
}

/// The error without the endpoint, which may hold a password.
fn without(endpoint: &str, error: TelemetryError) -> TelemetryError {
    match error {
        TelemetryError::Export(text) if !endpoint.is_empty() => {
            TelemetryError::Export(text.replace(endpoint, "***"))
        }
        TelemetryError::Export(_)
        | TelemetryError::Metric(_)
        | TelemetryError::LogLevel(_)
        | TelemetryError::LogFile { .. }
        | TelemetryError::Installed => error,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: opentelemetry_otlp::ExporterBuildError) -> TelemetryError {
    TelemetryError::Export(error.to_string())
}

/// The URL that spans are posted to.
fn traces_url(endpoint: &str) -> String {
    let base = endpoint.trim_end_matches('/');
    if base.ends_with(TRACES_PATH) { base.to_owned() } else { format!("{base}{TRACES_PATH}") }
}

/// Lets no more spans wait than fit the queue behind it, so that a span is either sent or counted
/// as lost.
#[derive(Debug)]
struct Bounded {
    inner: BatchSpanProcessor,
    waiting: Arc<AtomicUsize>,
    room: usize,
}

impl Bounded {
    fn new(exporter: OtlpExporter) -> Self {
        let configured =
            variable(OTEL_BSP_MAX_QUEUE_SIZE).and_then(|size| size.trim().parse().ok());
        Self::with(
            exporter,
            configured.filter(|size| *size > 0).unwrap_or(OTEL_BSP_MAX_QUEUE_SIZE_DEFAULT),
        )
    }

    fn with(exporter: impl SpanExporter + 'static, room: usize) -> Self {
        let waiting = Arc::new(AtomicUsize::new(0));
        let counted =
            Counted { inner: exporter, waiting: Arc::clone(&waiting), log: Log::default() };
        let config = BatchConfigBuilder::default().with_max_queue_size(room).build();
        Self {
            inner: BatchSpanProcessor::builder(counted).with_batch_config(config).build(),
            waiting,
            room,
        }
    }
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= self.room {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            DROPPED.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Counts what leaves the queue, and what does not arrive.
#[derive(Debug)]
struct Counted<E> {
    inner: E,
    waiting: Arc<AtomicUsize>,
    log: Log,
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let size = batch.len();
        self.waiting.fetch_sub(size, Ordering::AcqRel);
        let result = self.inner.export(batch).await;
        if result.is_err() {
            DROPPED.fetch_add(size as u64, Ordering::Relaxed);
            self.log.collector_failed(size);
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

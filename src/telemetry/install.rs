//! What only the binary does: sends the process's log lines to standard error and a file, and its
//! spans to a collector. A program that embeds the server brings its own subscriber and
//! [`crate::Telemetry::with_spans`] instead.

use crate::{
    LogFileConfig, TelemetryError, export::Exporter, foreign, log_file::LogFile, pretty::ForPeople,
};
use std::{io::IsTerminal, time::Duration};
use tracing_subscriber::{
    EnvFilter, Layer, filter::LevelFilter, fmt, layer::SubscriberExt, registry::LookupSpan, reload,
    util::SubscriberInitExt,
};

/// Longest wait for the last spans at shutdown, and for the last lines of the log file.
const FLUSH: Duration = Duration::from_secs(3);

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Pretty on a terminal, else JSON.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// How spans are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// gRPC.
    Grpc,
    /// Protobuf over HTTP.
    Http,
}

/// Where spans are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpConfig {
    /// The collector's base URL; over HTTP, `/v1/traces` is added where it is missing.
    pub endpoint: String,
    /// How.
    pub protocol: OtlpProtocol,
}

/// What the process reports, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallConfig {
    /// How log lines are written.
    pub log_format: LogFormat,
    /// The lowest level that is written: a level, or directives such as `info,mcp_server=debug`.
    pub log_level: String,
    /// The file that lines are written to, too, as JSON.
    pub log_file: Option<LogFileConfig>,
    /// Where spans are sent. With none, the standard `OTEL_EXPORTER_OTLP_*` variables decide; with
    /// neither, no spans are made.
    pub otlp: Option<OtlpConfig>,
}

impl Default for InstallConfig {
    fn default() -> Self {
        Self { log_format: LogFormat::Auto, log_level: "info".into(), log_file: None, otlp: None }
    }
}

/// Keeps the exporter going; spans not yet sent are lost unless it is shut down. The last lines of
/// the log file are written when it is dropped.
#[must_use = "spans are flushed by `shutdown`"]
pub struct Guard {
    exporter: Option<Exporter>,
    _file: Option<Closing>,
    set_filter: Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Guard").field("exporter", &self.exporter).finish_non_exhaustive()
    }
}

/// Closes the log file when it is dropped, waiting 3 s at most.
struct Closing(LogFile);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close(FLUSH);
    }
}

impl Guard {
    /// Sends what is left, waiting 3 s at most. Blocks the thread.
    pub fn shutdown(self) {
        if let Some(exporter) = self.exporter {
            exporter.shutdown(FLUSH);
        }
    }

    /// Changes the lowest level that is written.
    ///
    /// # Errors
    /// When it cannot be read; the one before stays.
    pub fn set_log_level(&self, level: &str) -> Result<(), TelemetryError> {
        (self.set_filter)(lines_filter(level)?).map_err(|_| TelemetryError::Installed)
    }
}

/// Sends the whole process's log lines to standard error and to the file that is named, and its spans to the collector that is
/// configured, as far as [`crate::Telemetry`] is made after this. Spans that others make with
/// `tracing` inside a sampled call are sent too. gRPC needs to be called inside a tokio runtime.
///
/// # Errors
/// When the filter cannot be read, the log file cannot be opened, the exporter cannot be made, or
/// something was installed before.
pub fn install(config: &InstallConfig) -> Result<Guard, TelemetryError> {
    let (filter, handle) = reload::Layer::new(lines_filter(&config.log_level)?);
    let file = config.log_file.as_ref().map(LogFile::open).transpose()?;
    let mut lines = vec![lines(config.log_format)];
    lines.extend(file.clone().map(|file| json(file).boxed()));
    let lines = lines.with_filter(filter);
    let exporter = Exporter::of(config.otlp.as_ref())?;
    let foreign = exporter.as_ref().map(|exporter| foreign::layer(exporter.tracer()));
    let registry = tracing_subscriber::registry().with(foreign).with(lines);
    registry.try_init().map_err(|_| TelemetryError::Installed)?;
    if let Some(exporter) = &exporter {
        exporter.take_spans();
    }
    let set_filter = Box::new(move |filter| handle.reload(filter));
    Ok(Guard { exporter, _file: file.map(Closing), set_filter })
}

/// Whether a level of log lines can be read.
///
/// # Errors
/// When it cannot.
pub fn check_log_level(level: &str) -> Result<(), TelemetryError> {
    lines_filter(level).map(drop)
}

/// The layer that writes lines.
fn lines<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let terminal = std::io::stderr().is_terminal();
    let pretty = match format {
        LogFormat::Auto => terminal,
        LogFormat::Json => false,
        LogFormat::Pretty => true,
    };
    if pretty {
        // https://no-color.org
        let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
        return layer.event_format(ForPeople).boxed();
    }
    json(std::io::stderr).boxed()
}

/// One JSON object a line, fields at its top; the time is UTC.
pub(crate) fn json<S, W>(writer: W) -> impl Layer<S> + Send + Sync
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> fmt::MakeWriter<'writer> + Send + Sync + 'static,
{
    fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(writer)
}

/// What lines are made of.
pub(crate) fn lines_filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    let refused = || TelemetryError::LogLevel(level.to_owned());
    // A word alone that is no level would be taken for the name of a module.
    let mut alone = level.split(',').filter(|part| !part.contains(['=', '[']));
    if alone.any(|word| word.trim().parse::<LevelFilter>().is_err()) {
        return Err(refused());
    }
    EnvFilter::try_new(level).map_err(|_| refused())
}

/// Spans lost by this process since start.
pub(crate) fn dropped_spans() -> u64 {
    crate::export::dropped_spans()
}

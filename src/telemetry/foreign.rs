//! Spans that others make with `tracing` while a call runs: a library, or a tool of an embedder.
//! They are sent as children of the call's span, where that is sampled. All others are not made.

use opentelemetry::{Context, trace::TraceContextExt};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::{Metadata, Subscriber, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::{Layer, filter::DynFilterFn, registry::LookupSpan};

/// Crates whose spans tell of the machinery, not of the call. The exporter's own would also make
/// new ones for ever.
const MACHINERY: [&str; 8] =
    ["h2", "hyper", "hyper_util", "opentelemetry", "reqwest", "tokio", "tonic", "tower"];

/// The layer that sends them.
pub(crate) fn layer<S>(tracer: SdkTracer) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let in_sampled_call = DynFilterFn::new(|about: &Metadata<'_>, _: &_| {
        is_wanted(about)
            && Context::map_current(|current| current.span().span_context().is_sampled())
    });
    // What is never wanted ends at one comparison.
    let filter = in_sampled_call
        .with_callsite_filter(|about| {
            if is_wanted(about) { Interest::sometimes() } else { Interest::never() }
        })
        .with_max_level_hint(LevelFilter::INFO);
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(filter)
}

fn is_wanted(about: &Metadata<'_>) -> bool {
    let origin = about.target().split("::").next().unwrap_or_default();
    about.is_span() && *about.level() <= LevelFilter::INFO && !MACHINERY.contains(&origin)
}

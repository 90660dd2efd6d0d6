//! Spans of others are sent as children of the call they were made in, and only then.

use super::call;
use crate::{CallEnd, Outcome, Telemetry, export::tracer, foreign};
use mcp_protocol::Method;
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider, SpanData};
use tracing::{debug_span, info_span};
use tracing_subscriber::layer::SubscriberExt;

/// The spans that are sent when a tool makes some, while its call is sampled or not.
async fn made_inside(sampler: Sampler) -> Vec<SpanData> {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_sampler(sampler)
        .with_simple_exporter(exporter.clone())
        .build();
    let layer = foreign::layer(tracer(&provider));
    let _here = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let telemetry = Telemetry::with_spans(&provider).expect("a sound catalogue");
    let scope = telemetry.call_started(&call(Method::ToolsCall));
    let tool = async {
        tokio::task::yield_now().await;
        info_span!("reads", rows = 3).in_scope(|| {
            drop(info_span!("parses"));
            drop(debug_span!("too fine"));
            drop(info_span!(target: "hyper::client", "machinery"));
        });
    };
    scope.run(tool).await;
    drop(info_span!("outside"));
    scope.finish(CallEnd::of(Outcome::Ok));
    exporter.get_finished_spans().expect("an exporter in memory")
}

#[tokio::test]
async fn spans_of_others_are_children_of_the_call_they_were_made_in() {
    let spans = made_inside(Sampler::AlwaysOn).await;
    let [parses, reads, call] = &spans[..] else { panic!("three spans: {spans:?}") };
    assert_eq!((parses.name.as_ref(), reads.name.as_ref()), ("parses", "reads"));
    assert_eq!(call.name, "tools/call");
    assert_eq!(reads.parent_span_id, call.span_context.span_id());
    assert_eq!(parses.parent_span_id, reads.span_context.span_id());
    for span in [parses, reads] {
        assert_eq!(span.span_context.trace_id(), call.span_context.trace_id());
    }
}

#[tokio::test]
async fn spans_of_others_are_not_made_in_a_call_that_is_not_sampled() {
    assert!(made_inside(Sampler::AlwaysOff).await.is_empty());
}

//! Spans as the conventions want them: names, kinds, parents, links, attributes, errors.

use super::{attempt, call, telemetry};
use crate::{AttemptEnd, AttemptOutcome, CallEnd, CallInfo, Event, Outcome, Telemetry};
use mcp_protocol::{Method, Revision, TraceContext};
use opentelemetry::trace::{SpanId, SpanKind, Status};
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider, SpanData};

const META: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const HTTP: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn context(traceparent: &str) -> TraceContext {
    TraceContext { traceparent: Some(traceparent.into()), tracestate: Some("a=1".into()) }
}

/// An instance that makes spans, and where they go.
fn receiver(sampler: Sampler) -> (InMemorySpanExporter, Telemetry) {
    let exporter = InMemorySpanExporter::default();
    let provider =
        SdkTracerProvider::builder().with_sampler(sampler).with_simple_exporter(exporter.clone());
    (exporter, Telemetry::with_spans(&provider.build()).expect("a sound catalogue"))
}

fn finished(exporter: &InMemorySpanExporter) -> Vec<SpanData> {
    exporter.get_finished_spans().expect("an exporter in memory")
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    span.attributes.iter().find(|pair| pair.key.as_str() == key).map(|pair| pair.value.to_string())
}

fn tool_call() -> CallInfo<'static> {
    CallInfo { target: Some("files__read"), ..call(Method::ToolsCall) }
}

/// The span of a call that ended so.
fn span_of(info: &CallInfo<'_>, end: CallEnd<'_>) -> SpanData {
    let (exporter, telemetry) = receiver(Sampler::AlwaysOn);
    telemetry.call_started(info).finish(end);
    let spans = finished(&exporter);
    assert_eq!(spans.len(), 1);
    spans.into_iter().next().expect("one span")
}

/// A call with one attempt, and the context the attempt hands on.
async fn call_with_attempt(telemetry: &Telemetry, info: &CallInfo<'_>) -> TraceContext {
    let upstream = telemetry.register_upstream("files");
    let scope = telemetry.call_started(info);
    let handed_on = scope
        .run(async {
            let attempt = telemetry.attempt_started(&attempt(&upstream));
            let context = attempt.context();
            attempt.run(tokio::task::yield_now()).await;
            attempt.finish(AttemptEnd { outcome: AttemptOutcome::Error, code: Some(-32_602) });
            context
        })
        .await;
    scope.finish(CallEnd::of(Outcome::Ok));
    handed_on
}

#[test]
fn a_call_is_a_server_span_with_the_attributes_of_the_conventions() {
    let span = span_of(&tool_call(), CallEnd::of(Outcome::Ok));
    assert_eq!(
        (span.name.as_ref(), span.span_kind.clone()),
        ("tools/call files__read", SpanKind::Server)
    );
    assert_eq!(span.parent_span_id, SpanId::INVALID);
    for (key, expected) in [
        ("mcp.method.name", "tools/call"),
        ("mcp.protocol.version", "2025-11-25"),
        ("mcp.session.id", "session-1"),
        ("jsonrpc.request.id", "7"),
        ("gen_ai.tool.name", "files__read"),
        ("gen_ai.operation.name", "execute_tool"),
        ("network.transport", "tcp"),
        ("network.protocol.name", "http"),
    ] {
        assert_eq!(attribute(&span, key).as_deref(), Some(expected), "{key}");
    }
    assert_eq!((attribute(&span, "error.type"), span.status.clone()), (None, Status::Unset));
    assert_eq!(span.attributes.len(), 8, "nothing else: {:?}", span.attributes);
}

#[test]
fn a_modern_call_has_no_session_and_a_list_no_target() {
    let info = CallInfo {
        revision: Some(Revision::V2026_07_28),
        target: Some("x"),
        ..call(Method::ToolsList)
    };
    let span = span_of(&info, CallEnd::of(Outcome::Ok));
    assert_eq!(span.name, "tools/list");
    for key in ["mcp.session.id", "gen_ai.tool.name", "gen_ai.operation.name"] {
        assert_eq!(attribute(&span, key), None, "{key}");
    }
}

#[test]
fn what_the_caller_did_wrong_is_no_error_of_the_server() {
    for code in [-32_700, -32_600, -32_601, -32_602, -32_002] {
        let end = CallEnd { outcome: Outcome::ClientError, code: Some(code), message: Some("no") };
        let span = span_of(&tool_call(), end);
        assert_eq!(attribute(&span, "rpc.response.status_code"), Some(code.to_string()));
        assert_eq!((attribute(&span, "error.type"), span.status.clone()), (None, Status::Unset));
    }
}

#[test]
fn errors_have_a_type() {
    let with_code = |outcome, code| CallEnd { outcome, code, message: Some("broken") };
    for (end, kind, description) in [
        (with_code(Outcome::ServerError, Some(-32_603)), "-32603", "broken"),
        (with_code(Outcome::ClientError, Some(-32_020)), "-32020", "broken"),
        (with_code(Outcome::Unavailable, None), "unavailable", "broken"),
        (CallEnd::of(Outcome::ToolError), "tool_error", ""),
        (CallEnd::of(Outcome::Timeout), "timeout", ""),
        (CallEnd::of(Outcome::ServerError), "_OTHER", ""),
    ] {
        let span = span_of(&tool_call(), end);
        assert_eq!(attribute(&span, "error.type").as_deref(), Some(kind));
        assert_eq!(span.status, Status::error(description.to_owned()));
    }
}

#[test]
fn the_context_of_meta_is_the_parent_and_the_ambient_one_a_link() {
    let info = CallInfo { parent: context(META), ambient: context(HTTP), ..tool_call() };
    let span = span_of(&info, CallEnd::of(Outcome::Ok));
    assert_eq!(span.span_context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(span.parent_span_id.to_string(), "b7ad6b7169203331");
    assert_eq!(span.links.len(), 1);
    let link = span.links.iter().next().expect("a link");
    assert_eq!(link.span_context.span_id().to_string(), "00f067aa0ba902b7");
}

#[test]
fn without_a_valid_context_in_meta_the_ambient_one_is_the_parent() {
    for parent in [TraceContext::default(), context("00-zz-01"), context("")] {
        let info = CallInfo { parent, ambient: context(HTTP), ..tool_call() };
        let span = span_of(&info, CallEnd::of(Outcome::Ok));
        assert_eq!(span.parent_span_id.to_string(), "00f067aa0ba902b7");
        assert_eq!(span.links.len(), 0);
    }
}

#[tokio::test]
async fn an_attempt_is_a_child_and_its_context_is_handed_on() {
    let (exporter, telemetry) = receiver(Sampler::AlwaysOn);
    let info = CallInfo { parent: context(META), ..tool_call() };
    let handed_on = call_with_attempt(&telemetry, &info).await;
    let spans = finished(&exporter);
    let [client, server] = spans.as_slice() else { panic!("two spans: {spans:?}") };
    assert_eq!(
        (client.name.as_ref(), client.span_kind.clone()),
        ("tools/call read", SpanKind::Client)
    );
    assert_eq!(client.parent_span_id, server.span_context.span_id());
    assert_eq!(client.span_context.trace_id(), server.span_context.trace_id());
    assert_eq!(attribute(client, "network.transport").as_deref(), Some("pipe"));
    assert_eq!(
        attribute(client, "error.type").as_deref(),
        Some("-32602"),
        "every code is an error here"
    );
    let (trace, span) = (client.span_context.trace_id(), client.span_context.span_id());
    assert_eq!(handed_on.traceparent, Some(format!("00-{trace}-{span}-01")));
    assert_eq!(handed_on.tracestate.as_deref(), Some("a=1"));
}

#[tokio::test]
async fn what_is_not_sampled_is_said_so_upstream() {
    let (exporter, telemetry) = receiver(Sampler::AlwaysOff);
    let handed_on = call_with_attempt(&telemetry, &tool_call()).await;
    assert!(finished(&exporter).is_empty());
    assert!(handed_on.traceparent.is_some_and(|text| text.ends_with("-00")));
}

#[tokio::test]
async fn without_spans_the_context_that_came_is_handed_on() {
    let info = CallInfo { parent: context(META), ambient: context(HTTP), ..tool_call() };
    assert_eq!(call_with_attempt(&telemetry(), &info).await, context(META));
    let info = CallInfo { parent: context("broken"), ambient: context(HTTP), ..tool_call() };
    assert_eq!(call_with_attempt(&telemetry(), &info).await, context(HTTP));
    assert_eq!(call_with_attempt(&telemetry(), &tool_call()).await, TraceContext::default());
}

#[tokio::test]
async fn calls_that_run_side_by_side_do_not_mix() {
    let (exporter, telemetry) = receiver(Sampler::AlwaysOn);
    let infos = [META, HTTP].map(|parent| CallInfo { parent: context(parent), ..tool_call() });
    tokio::join!(
        call_with_attempt(&telemetry, &infos[0]),
        call_with_attempt(&telemetry, &infos[1])
    );
    let spans = finished(&exporter);
    assert_eq!(spans.len(), 4);
    for trace in [META, HTTP] {
        let of_trace =
            spans.iter().filter(|span| trace.contains(&span.span_context.trace_id().to_string()));
        assert_eq!(of_trace.count(), 2);
    }
}

#[tokio::test]
async fn what_a_call_waited_for_is_a_child_that_began_when_the_wait_did() {
    for (is_there, failed) in [(true, None), (false, Some("unavailable".to_owned()))] {
        let (exporter, telemetry) = receiver(Sampler::AlwaysOn);
        let upstream = telemetry.register_upstream("files");
        let elapsed = std::time::Duration::from_secs(3);
        let awaited = Event::UpstreamAwaited { upstream: &upstream, elapsed, is_there };
        telemetry.emit(&awaited);
        assert!(finished(&exporter).is_empty(), "outside a call there is no trace to tell");
        let scope = telemetry.call_started(&tool_call());
        scope.run(async { telemetry.emit(&awaited) }).await;
        scope.finish(CallEnd::of(Outcome::Ok));
        let spans = finished(&exporter);
        let [wait, call] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!(
            (wait.name.as_ref(), &wait.span_kind),
            ("wait for upstream", &SpanKind::Internal)
        );
        assert_eq!(wait.parent_span_id, call.span_context.span_id());
        assert_eq!(attribute(wait, "mcp_orchestrator.upstream.name").as_deref(), Some("files"));
        assert_eq!(attribute(wait, "error.type"), failed);
        assert!(wait.end_time.duration_since(wait.start_time).expect("an order") >= elapsed);
    }
}

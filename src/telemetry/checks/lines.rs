//! Log lines: JSON, with ids, without what is secret.

use super::call;
use crate::{
    AuthCause, CallEnd, CallInfo, Event, Outcome, Telemetry, UpstreamState,
    install::{json, lines_filter},
};
use mcp_protocol::Method;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde_json::Value;
use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};
use tracing_subscriber::{Layer, layer::SubscriberExt};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines written while `what` happens, and the spans.
fn lines(level: &str, what: impl FnOnce(&Telemetry)) -> (Vec<Value>, Vec<SpanData>) {
    let (written, exporter) = (Written::default(), InMemorySpanExporter::default());
    let writer = written.clone();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let filter = lines_filter(level).expect("a level");
    let telemetry = Telemetry::with_spans(&provider).expect("a sound catalogue");
    let subscriber =
        tracing_subscriber::registry().with(json(move || writer.clone()).with_filter(filter));
    tracing::subscriber::with_default(subscriber, || what(&telemetry));
    let spans = exporter.get_finished_spans().expect("an exporter in memory");
    let bytes = written.0.lock().expect("not poisoned").clone();
    let text = String::from_utf8(bytes).expect("text");
    (text.lines().map(|line| serde_json::from_str(line).expect(line)).collect(), spans)
}

#[test]
fn a_line_has_the_ids_of_its_span() {
    let (lines, spans) = lines("debug", |telemetry| {
        telemetry.call_started(&call(Method::Ping)).finish(CallEnd::of(Outcome::Ok));
    });
    let [line] = lines.as_slice() else { panic!("one line: {lines:?}") };
    let span = &spans[0];
    assert_eq!(line["trace_id"], span.span_context.trace_id().to_string());
    assert_eq!(line["span_id"], span.span_context.span_id().to_string());
    assert_eq!((&line["level"], &line["event"]), (&"DEBUG".into(), &"call_finished".into()));
    assert_eq!((&line["mcp.method.name"], &line["outcome"]), (&"ping".into(), &"ok".into()));
    assert!(line["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "UTC: {line}");
}

#[test]
fn a_good_call_is_silent_by_default_and_a_bad_one_is_not() {
    let (lines, _) = lines("info", |telemetry| {
        telemetry.call_started(&call(Method::Ping)).finish(CallEnd::of(Outcome::Ok));
        let end = CallEnd {
            outcome: Outcome::ServerError,
            code: Some(-32_603),
            message: Some("hunter2"),
        };
        telemetry
            .call_started(&CallInfo { target: Some("hunter2"), ..call(Method::ToolsCall) })
            .finish(end);
    });
    let [line] = lines.as_slice() else { panic!("one line: {lines:?}") };
    assert_eq!(
        (&line["level"], &line["rpc.response.status_code"]),
        (&"ERROR".into(), &(-32_603).into())
    );
    assert!(!line.to_string().contains("hunter2"), "a message may repeat an argument: {line}");
}

#[test]
fn what_repeats_is_held_back_and_counted() {
    let (lines, _) = lines("info", |telemetry| {
        for _ in 0..100 {
            telemetry.emit(&Event::AuthFailed { cause: AuthCause::Wrong });
        }
        let upstream = &telemetry.register_upstream("files");
        let error = Some("it ended");
        telemetry.emit(&Event::UpstreamStateChanged {
            upstream,
            state: UpstreamState::Failed,
            error,
        });
        telemetry.emit(&Event::ServerStopped);
    });
    assert_eq!(lines.len(), 5 + 2);
    assert_eq!(lines[5]["error"], "it ended");
    assert_eq!(lines[6]["held_back"], 95);
}

#[test]
fn a_filter_that_cannot_be_read_is_named() {
    let error = lines_filter("mcp=loud").expect_err("no such level").to_string();
    assert!(error.contains("mcp=loud") && error.contains("info"), "{error}");
    assert!(lines_filter("info,mcp_orchestrator=debug").is_ok());
}

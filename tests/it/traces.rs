//! Spans at a real OTLP receiver: a process that nobody here wrote takes them over gRPC and over
//! HTTP and prints what it got.

mod returning;

use crate::support::{
    Legacy, Modern, Peer, Port, Server, Setup, descendants, fixture_path, kill_all, tool, until,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path};
use tokio::process::Command;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// One span as the receiver printed it.
#[derive(Debug, Clone, Default)]
struct Span {
    trace: String,
    parent: String,
    id: String,
    name: String,
    kind: String,
    status: String,
    attributes: BTreeMap<String, String>,
}

/// A receiver, its gRPC port and its HTTP port.
async fn receiver() -> (Peer, u16, u16) {
    let (grpc, http) = (Port::reserve(), Port::reserve());
    let mut command = Command::new(tool("rotel-agent"));
    command.args([
        "start",
        "--exporter",
        "blackhole",
        "--debug-log",
        "traces",
        "--debug-log-verbosity",
        "detailed",
    ]);
    command.args(["--batch-timeout", "200ms", "--otlp-grpc-endpoint", &grpc.address().to_string()]);
    command.args(["--otlp-http-endpoint", &http.address().to_string()]);
    let numbers = (grpc.address().port(), http.address().port());
    (Peer::start(command, vec![grpc, http]).await, numbers.0, numbers.1)
}

/// Reads the receiver's output.
fn spans(output: &str) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for line in output.lines().map(str::trim) {
        if line.starts_with("Span #") {
            spans.push(Span::default());
        }
        let Some(span) = spans.last_mut() else { continue };
        if let Some((key, value)) =
            line.strip_prefix("-> ").and_then(|attribute| attribute.split_once(": "))
        {
            let plain = value.split_once('(').map_or(value, |(_, rest)| rest.trim_end_matches(')'));
            span.attributes.insert(key.to_owned(), plain.to_owned());
        } else if let Some((key, value)) = line.split_once(':') {
            let value = value.trim().to_owned();
            match key.trim() {
                "Trace ID" => span.trace = value,
                "Parent ID" => span.parent = value,
                "ID" => span.id = value,
                "Name" => span.name = value,
                "Kind" => span.kind = value,
                "Status code" => span.status = value,
                _ => {}
            }
        }
    }
    spans
}

async fn span_of(receiver: &Peer, what: &str, wanted: impl Fn(&Span) -> bool) -> Span {
    until(&format!("{what} arrives"), || async { spans(&receiver.output()).iter().any(&wanted) })
        .await;
    spans(&receiver.output()).into_iter().find(wanted).unwrap()
}

fn with_parent(name: &str) -> Value {
    let parent = format!("00-{TRACE}-{PARENT}-01");
    json!({"name": name, "arguments": {}, "_meta": {"traceparent": parent, "tracestate": "vendor=1"}})
}

/// The client's context is the parent, the upstream's span a child, and the upstream was handed
/// that child's context.
async fn one_trace_from_client_to_upstream(server: &Server, receiver: &Peer) {
    server.upstreams(&["fix"], "connected").await;
    let legacy = Legacy::open(server).await;
    let answer = legacy.ask("tools/call", with_parent("fix__meta_echo")).await;
    let handed =
        answer["result"]["structuredContent"]["meta"]["traceparent"].as_str().unwrap().to_owned();

    let name = "tools/call fix__meta_echo";
    let call =
        span_of(receiver, name, |span| span.name == name && span.kind.contains("SERVER")).await;
    assert_eq!((call.trace.as_str(), call.parent.as_str()), (TRACE, PARENT), "{call:?}");
    assert_eq!(call.attributes["mcp.method.name"], "tools/call");
    assert_eq!(call.attributes["gen_ai.tool.name"], "fix__meta_echo");
    assert_eq!(call.attributes["gen_ai.operation.name"], "execute_tool");
    assert_eq!(call.attributes["mcp.protocol.version"], "2025-11-25");
    assert_eq!(call.attributes["mcp.session.id"], legacy.session);
    assert_eq!(call.attributes["jsonrpc.request.id"], "1");
    let attempt = span_of(receiver, "the attempt", |span| {
        span.kind.contains("CLIENT") && span.parent == call.id
    })
    .await;
    assert_eq!(attempt.trace, TRACE);
    assert_eq!(attempt.name, "tools/call meta_echo");
    assert_eq!(handed, format!("00-{TRACE}-{}-01", attempt.id), "what the upstream was handed");
    legacy.close().await;
}

#[tokio::test]
async fn spans_arrive_over_grpc_as_one_trace() {
    let (receiver, grpc, _http) = receiver().await;
    let server = Setup::new()
        .fixture("fix", json!({}))
        .env("OTEL_BSP_SCHEDULE_DELAY", "200")
        .arg("--otlp-endpoint")
        .arg(&format!("http://127.0.0.1:{grpc}"))
        .start()
        .await;
    one_trace_from_client_to_upstream(&server, &receiver).await;
    server.finish().await;
}

#[tokio::test]
async fn spans_arrive_over_http_by_the_standard_variables() {
    let (receiver, _grpc, http) = receiver().await;
    let server = Setup::new()
        .fixture("fix", json!({}))
        .env("OTEL_BSP_SCHEDULE_DELAY", "200")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://127.0.0.1:{http}"))
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        .env("OTEL_SERVICE_NAME", "under-test")
        .start()
        .await;
    one_trace_from_client_to_upstream(&server, &receiver).await;
    assert!(receiver.output().contains("service.name: Str(under-test)"));
    server.finish().await;
}

#[tokio::test]
async fn errors_and_parents_are_told_as_the_conventions_say() {
    let (receiver, grpc, _http) = receiver().await;
    let server = Setup::new()
        .fixture("fix", json!({}))
        .arg("--otlp-endpoint")
        .arg(&format!("http://127.0.0.1:{grpc}"))
        .start()
        .await;
    server.upstreams(&["fix"], "connected").await;
    let client = Modern::new(&server);
    client.ask("tools/call", json!({"name": "nobody", "arguments": {}})).await;
    client.call("fix__test_error_handling", json!({})).await;
    let header = format!("00-{TRACE}-{PARENT}-01");
    let params = json!({"name": "echo", "arguments": {"message": "x"}});
    let change = |request: reqwest::RequestBuilder| request.header("traceparent", header);
    client.start_with("tools/call", params, change).await.answer().await;
    // The end of the process hands over what is still held back.
    server.finish().await;

    let called = |tool: &'static str| {
        move |span: &Span| {
            span.kind.contains("SERVER")
                && span.attributes.get("gen_ai.tool.name").is_some_and(|name| name == tool)
        }
    };
    let faulty = span_of(&receiver, "the call of nobody", |span| {
        span.attributes.get("rpc.response.status_code").is_some_and(|code| code == "-32602")
    })
    .await;
    assert!(!faulty.attributes.contains_key("error.type"), "the caller's fault: {faulty:?}");
    assert!(!faulty.attributes.contains_key("mcp.session.id"), "{faulty:?}");
    let failed = span_of(&receiver, "the failed call", called("fix__test_error_handling")).await;
    assert_eq!(failed.attributes["error.type"], "tool_error", "{failed:?}");
    let by_header = span_of(&receiver, "the call with a header", called("echo")).await;
    assert_eq!((by_header.trace.as_str(), by_header.parent.as_str()), (TRACE, PARENT));
}

/// A server with the fixture, which notes what it runs, and whose `record` may run twice; its spans
/// go to that port.
async fn recording(log: &Path, grpc: u16, level: &str) -> Server {
    let server = Setup::new()
        .set("upstreams.fix.command", fixture_path().to_str().unwrap())
        .set("upstreams.fix.env.FIXTURE_LOG", log.to_str().unwrap())
        .set("upstreams.fix.safe_to_repeat", vec!["record"])
        .set("log.level", level)
        .arg("--otlp-endpoint")
        .arg(&format!("http://127.0.0.1:{grpc}"))
        .start()
        .await;
    server.upstreams(&["fix"], "connected").await;
    server
}

#[tokio::test]
async fn one_trace_shows_the_call_the_loss_the_wait_and_the_answer() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("ran");
    let (receiver, grpc, _http) = receiver().await;
    let server = recording(&log, grpc, "info").await;
    let legacy = Legacy::open(&server).await;
    let upstream = descendants(server.pid());
    let call = legacy.call("fix__record", json!({"key": "k", "ms": 1_500}));
    let lose = async {
        until("the call runs", || async { log.exists() }).await;
        kill_all(&upstream);
    };
    let (result, ()) = tokio::join!(call, lose);
    assert_eq!(result["content"][0]["text"], "k");
    legacy.close().await;
    server.finish().await;

    let name = "tools/call fix__record";
    let call = span_of(&receiver, name, |span| span.name == name).await;
    let child = |span: &Span| span.parent == call.id && span.trace == call.trace;
    let wait = span_of(&receiver, "the wait", |span| {
        child(span) && span.name == "wait for upstream" && span.kind.contains("INTERNAL")
    })
    .await;
    assert_eq!(wait.attributes["mcp_orchestrator.upstream.name"], "fix");
    let has_failed = |span: &Span| span.attributes.contains_key("error.type");
    for failed in [true, false] {
        span_of(&receiver, "both attempts", |span| {
            child(span) && span.kind.contains("CLIENT") && has_failed(span) == failed
        })
        .await;
    }
    assert!(!has_failed(&call) && !has_failed(&wait), "{call:?} {wait:?}");
}

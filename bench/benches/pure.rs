//! What a call costs outside of sockets and runtimes: the envelope, the header ladder, the
//! framing of events, the accounts. `cargo bench -p mcp-bench`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark may end in a panic")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mcp_protocol::{
    Id, Message, Method, ModernMeta, RawValue, Revision, TraceContext, encode_result,
    headers::{Found, check_request},
    parse_body, parse_message,
    sse::{SseReader, encode_event},
};
use mcp_telemetry::{CallEnd, CallInfo, Outcome, Telemetry, ToolLabel, Transport};
use std::hint::black_box;

const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"message":"0123456789abcdef"}}}"#;
const RESULT: &str = r#"{"content":[{"type":"text","text":"0123456789abcdef"}],"isError":false}"#;
const MODERN: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"0"},"io.modelcontextprotocol/clientCapabilities":{}},"name":"echo","arguments":{"message":"0123456789abcdef"}}}"#;

fn envelope(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("envelope");
    let long = CALL.replace("0123456789abcdef", &"0123456789abcdef".repeat(4096));
    for (name, text) in [("call of 16 B", CALL), ("call of 64 KiB", &*long)] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(format!("parse a {name}"), |bencher| {
            bencher.iter(|| parse_message(black_box(text.as_bytes())));
        });
    }
    group.throughput(Throughput::Elements(1));
    group.bench_function("parse a body", |bencher| {
        bencher.iter(|| parse_body(black_box(CALL.as_bytes())));
    });
    let (id, result) = (Id::number(7), raw(RESULT));
    group.bench_function("encode a result", |bencher| {
        bencher.iter(|| encode_result(black_box(&id), black_box(&result)));
    });
    group.finish();
}

fn header_ladder(criterion: &mut Criterion) {
    let Ok(Message::Request(request)) = parse_message(MODERN.as_bytes()) else {
        unreachable!("it is a request")
    };
    let params = request.params.as_deref();
    let meta = ModernMeta::of_params(params).ok().flatten().expect("it has `_meta`");
    let lookup = |name: &str| match name {
        "mcp-protocol-version" => Found::One(b"2026-07-28"),
        "mcp-method" => Found::One(b"tools/call"),
        "mcp-name" => Found::One(b"echo"),
        _ => Found::None,
    };
    check_request(&lookup, "tools/call", params, &meta).expect("the headers are right");
    let mut group = criterion.benchmark_group("headers");
    group.bench_function("read `_meta`", |bencher| {
        bencher.iter(|| ModernMeta::of_params(black_box(params)));
    });
    group.bench_function("check against the body", |bencher| {
        bencher.iter(|| check_request(&lookup, black_box("tools/call"), params, &meta));
    });
    group.finish();
}

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("events");
    group.bench_function("encode", |bencher| {
        bencher.iter(|| encode_event(Some("17"), black_box(RESULT)));
    });
    let stream = encode_event(Some("17"), RESULT).repeat(100);
    group.throughput(Throughput::Bytes(stream.len() as u64));
    for (name, piece) in [("whole", stream.len()), ("in pieces of 100 B", 100)] {
        group.bench_function(format!("read 100, {name}"), |bencher| {
            bencher.iter_batched(
                || SseReader::new(1 << 20),
                |mut reader| {
                    let pieces = stream.as_bytes().chunks(piece);
                    let mut events = Vec::new();
                    pieces.for_each(|piece| reader.push(piece, &mut events).unwrap());
                    events.len()
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn telemetry(criterion: &mut Criterion) {
    let telemetry = Telemetry::new().expect("the metrics are declared well");
    let tool = telemetry.register_tool(&telemetry.register_upstream("bench"), "echo");
    let mut group = criterion.benchmark_group("telemetry");
    group.bench_function("a call from start to end", |bencher| {
        bencher.iter(|| account(&telemetry, black_box(&tool)));
    });
    group.bench_function("a scrape", |bencher| bencher.iter(|| telemetry.encode()));
    group.finish();
}

fn account(telemetry: &Telemetry, tool: &ToolLabel) {
    let info = CallInfo {
        method: Method::ToolsCall,
        transport: Transport::Http,
        revision: Some(Revision::LATEST_LEGACY),
        session_id: Some("5f0c8a4e-4f0e-4a53-9a35-2c8e8f3b7a10"),
        request_id: "7",
        target: Some("echo"),
        parent: TraceContext::default(),
        ambient: TraceContext::default(),
        client_address: None,
    };
    let mut scope = telemetry.call_started(&info);
    scope.set_tool(tool.clone());
    scope.finish(CallEnd::of(Outcome::Ok));
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("it is JSON")
}

criterion_group!(pure, envelope, header_ladder, events, telemetry);
criterion_main!(pure);

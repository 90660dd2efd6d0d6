//! Collectors that are dead, slow or lie: no call is slower for it, memory is bounded, and what is
//! lost is counted.

use crate::support::{Modern, Port, Server, Setup, modern_meta, pooled, until_within};
use serde_json::json;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::Instant,
};

/// Calls that are timed, with a collector and without one in turn.
const TIMED: usize = 200;
/// Calls that must leave no trace in memory; each has a span.
const MANY: usize = 1_500;
/// What memory may grow by over them, in bytes.
const GROWTH: f64 = 24e6;

/// What a collector does with whoever connects.
#[derive(Clone, Copy, Debug)]
enum Collector {
    /// It is not there.
    Dead,
    /// It takes everything and never answers.
    Slow,
    /// It answers with an error of HTTP.
    Failing,
    /// It answers with what is no answer.
    Garbage,
}

struct Stand {
    port: u16,
    /// Held, so that nobody else is given its port.
    _port: Option<Port>,
    _tasks: JoinSet<()>,
}

impl Collector {
    async fn stand(self) -> Stand {
        if matches!(self, Self::Dead) {
            let port = Port::reserve();
            let number = port.address().port();
            return Stand { port: number, _port: Some(port), _tasks: JoinSet::new() };
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                open.spawn(self.serve(socket));
            }
        });
        Stand { port, _port: None, _tasks: tasks }
    }

    async fn serve(self, mut socket: TcpStream) {
        let answer: &[u8] = match self {
            Self::Failing => b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
            Self::Garbage => b"\x00\xffno answer at all\r\n\r\n",
            Self::Dead | Self::Slow => b"",
        };
        let mut buffer = vec![0; 1 << 16];
        while socket.read(&mut buffer).await.is_ok_and(|read| read > 0) {
            if socket.write_all(answer).await.is_err() {
                return;
            }
        }
    }
}

async fn server(collector: Option<(&Stand, &str)>) -> Server {
    let mut setup = Setup::new()
        .env("OTEL_BSP_SCHEDULE_DELAY", "100")
        .env("OTEL_BSP_MAX_QUEUE_SIZE", "512")
        .env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "128")
        .env("OTEL_EXPORTER_OTLP_TIMEOUT", "1000");
    if let Some((stand, protocol)) = collector {
        let endpoint = format!("http://127.0.0.1:{}", stand.port);
        setup = setup.env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint);
        setup = setup.env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol);
    }
    setup.start().await
}

async fn call(client: &Modern<'_>) -> Duration {
    let begun = Instant::now();
    client.call("echo", json!({"message": "x"})).await;
    begun.elapsed()
}

/// The medians of calls with a collector and without, timed in turn: whatever else the machine does
/// slows both.
async fn medians(with: &Modern<'_>, without: &Modern<'_>) -> [Duration; 2] {
    let (mut one, mut other) = (Vec::new(), Vec::new());
    for _ in 0..TIMED {
        one.push(call(with).await);
        other.push(call(without).await);
    }
    [one, other].map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    })
}

async fn memory(server: &Server) -> f64 {
    server.scrape().await.sum("process_resident_memory_bytes", &[])
}

/// Many calls over few connections.
async fn many(server: &Server) {
    let http = pooled();
    let params = json!({"name": "echo", "arguments": {"message": "x"},
        "_meta": modern_meta("many", &json!({}))});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    for _ in 0..MANY {
        let request = server.post(&http).header("mcp-protocol-version", "2026-07-28");
        let request = request.header("mcp-method", "tools/call").header("mcp-name", "echo");
        let answer = request.json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap();
    }
    server.sent_times("tools/call", MANY as u64);
}

async fn costs_no_call(collector: Collector, protocol: &str) -> String {
    let stand = collector.stand().await;
    let (server, reference) = (server(Some((&stand, protocol))).await, server(None).await);
    let (with, without) = (Modern::new(&server), Modern::new(&reference));
    // Until it is known that the collector is no good, and memory has its size.
    many(&server).await;
    let [with, without] = medians(&with, &without).await;
    let before = memory(&server).await;
    many(&server).await;
    let grown = memory(&server).await - before;
    assert!(with < without * 2 + Duration::from_millis(2), "{with:?}, {without:?} without");
    assert!(grown < GROWTH, "{grown} bytes over {MANY} calls");
    let spans = [("signal", "spans")];
    until_within(60, "what is lost is counted", || async {
        server.scrape().await.sum("mcp_telemetry_dropped_total", &spans) > 100.0
    })
    .await;
    server.finish().await;
    reference.finish().await;
    format!("{collector:?} {protocol}: {with:.1?} a call, {without:.1?} without; grew by {grown}")
}

#[tokio::test]
async fn a_collector_that_is_not_there_costs_no_call() {
    println!("{}", costs_no_call(Collector::Dead, "grpc").await);
}

#[tokio::test]
async fn a_collector_that_never_answers_costs_no_call() {
    println!("{}", costs_no_call(Collector::Slow, "grpc").await);
}

#[tokio::test]
async fn a_collector_that_never_answers_over_http_costs_no_call() {
    println!("{}", costs_no_call(Collector::Slow, "http/protobuf").await);
}

#[tokio::test]
async fn a_collector_that_answers_with_errors_costs_no_call() {
    println!("{}", costs_no_call(Collector::Failing, "http/protobuf").await);
}

#[tokio::test]
async fn a_collector_that_answers_with_garbage_costs_no_call() {
    println!("{}", costs_no_call(Collector::Garbage, "grpc").await);
}

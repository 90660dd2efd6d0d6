//! Spans arrive at a real OTLP receiver, over gRPC and over HTTP; one that is away costs counted
//! losses and nothing else.

use super::{call, telemetry};
use crate::{
    CallEnd, OtlpConfig, OtlpProtocol, Outcome, Telemetry, TelemetryError,
    export::{Exporter, dropped_spans},
};
use mcp_protocol::Method;
use mock_collector::{MockServer, Protocol};
use std::time::Duration;
use tokio::{net::TcpListener, time::Instant};

fn exporter(endpoint: String, protocol: OtlpProtocol) -> Exporter {
    let config = OtlpConfig { endpoint, protocol };
    Exporter::of(Some(&config)).expect("a sound configuration").expect("an endpoint")
}

/// Makes spans, then flushes.
async fn make_spans(exporter: Exporter, number: usize) {
    let telemetry = Telemetry::with_spans(exporter.provider()).expect("a sound catalogue");
    for _ in 0..number {
        telemetry.call_started(&call(Method::Ping)).finish(CallEnd::of(Outcome::Ok));
    }
    let flushed = tokio::task::spawn_blocking(move || exporter.shutdown(Duration::from_secs(3)));
    flushed.await.expect("shutdown does not panic");
}

async fn spans_arrive(receiver: Protocol, protocol: OtlpProtocol) {
    let server = MockServer::builder().protocol(receiver).start().await.expect("a free port");
    make_spans(exporter(format!("http://{}", server.addr()), protocol), 3).await;
    let look = |collector: &mock_collector::MockCollector| {
        let ours = collector.expect_span_with_name("ping");
        ours.with_resource_attributes([("service.name", "mcp-orchestrator")]).count()
    };
    assert_eq!(server.with_collector(look).await, 3);
    server.shutdown().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_arrive_over_grpc() {
    spans_arrive(Protocol::Grpc, OtlpProtocol::Grpc).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_arrive_over_http() {
    spans_arrive(Protocol::HttpBinary, OtlpProtocol::Http).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_costs_counted_losses_and_a_bounded_wait() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let (before, start) = (dropped_spans(), Instant::now());
    make_spans(exporter(format!("http://{address}"), OtlpProtocol::Http), 5_000).await;
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(dropped_spans() - before >= 5_000 - 2_048, "{} lost", dropped_spans() - before);
    let told = super::value(&telemetry(), r#"mcp_telemetry_dropped_total{signal="spans"}"#);
    assert!(told.is_some_and(|lost| lost >= 2_952.0));
}

#[tokio::test]
async fn an_https_endpoint_is_taken_and_a_bad_one_is_not_repeated() {
    for protocol in [OtlpProtocol::Http, OtlpProtocol::Grpc] {
        let made = exporter("https://collector.invalid:4318".into(), protocol);
        tokio::task::spawn_blocking(move || made.shutdown(Duration::from_secs(1)))
            .await
            .expect("no panic");
        let config = OtlpConfig { endpoint: "http://me:hunter2@ha ha".into(), protocol };
        let refused = Exporter::of(Some(&config)).expect_err("not a URL");
        assert!(matches!(refused, TelemetryError::Export(_)));
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
    }
}

#[test]
fn grpc_outside_a_runtime_is_refused_with_a_reason() {
    let config =
        OtlpConfig { endpoint: "http://127.0.0.1:4317".into(), protocol: OtlpProtocol::Grpc };
    assert!(matches!(Exporter::of(Some(&config)), Err(TelemetryError::Export(_))));
}

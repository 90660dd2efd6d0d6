//! Every scope ends exactly once, and afterwards nothing is open.

use super::{SESSION, attempt, call, telemetry, value};
use crate::{
    AttemptEnd, AttemptOutcome, AuthCause, CallEnd, ConnectionInfo, ConnectionKind,
    ConnectionStatus, Direction, Event, Limit, Outcome, RateLimit, Reason, StoreEvent,
    StoreOperation, Telemetry, Transport, UpstreamState,
};
use mcp_protocol::Method;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// What must be zero when nothing is under way.
fn assert_nothing_is_open(telemetry: &Telemetry) {
    let gauges = [
        "mcp_requests_in_flight",
        "mcp_oldest_request_in_flight_seconds",
        "mcp_active",
        "mcp_sockets_open{",
        "mcp_streams_active",
    ];
    for line in
        telemetry.encode().lines().filter(|line| gauges.iter().any(|gauge| line.starts_with(gauge)))
    {
        assert!(line.ends_with(" 0"), "{line}");
    }
}

#[test]
fn a_call_ends_once_whether_finished_or_dropped() {
    let telemetry = telemetry();
    telemetry.call_started(&call(Method::Ping)).finish(CallEnd::of(Outcome::Ok));
    let open = telemetry.call_started(&call(Method::Ping));
    assert_eq!(value(&telemetry, r#"mcp_requests_in_flight{method="ping"}"#), Some(1.0));
    drop(open);
    let of = |status: &str| {
        value(&telemetry, &format!(r#"mcp_requests_total{{method="ping",status="{status}"}}"#))
    };
    assert_eq!((of("ok"), of("cancelled"), of("timeout")), (Some(1.0), Some(1.0), Some(0.0)));
    assert_eq!(value(&telemetry, r#"mcp_requests_started_total{method="ping"}"#), Some(2.0));
    let failed = r#"mcp_request_duration_seconds_count{method="ping",outcome="error"}"#;
    assert_eq!(value(&telemetry, failed), Some(1.0));
    assert_nothing_is_open(&telemetry);
}

#[tokio::test(start_paused = true)]
async fn time_at_upstreams_is_taken_off_the_overhead() {
    let telemetry = telemetry();
    let upstream = telemetry.register_upstream("files");
    let scope = telemetry.call_started(&call(Method::ToolsCall));
    let work = async {
        let attempt = telemetry.attempt_started(&attempt(&upstream));
        attempt.run(tokio::time::sleep(Duration::from_secs(3))).await;
        attempt.finish(AttemptEnd::of(AttemptOutcome::Ok));
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    scope.run(work).await;
    scope.finish(CallEnd::of(Outcome::Ok));
    assert_eq!(
        value(&telemetry, r#"mcp_gateway_overhead_seconds_sum{method="tools/call"}"#),
        Some(1.0)
    );
    let whole = r#"mcp_request_duration_seconds_sum{method="tools/call",outcome="ok"}"#;
    assert_eq!(value(&telemetry, whole), Some(4.0));
    let attempts = r#"mcp_upstream_attempt_duration_seconds_sum{outcome="ok",upstream="files"}"#;
    assert_eq!(value(&telemetry, attempts), Some(3.0));
    assert_eq!(telemetry.snapshot().latency.p95_ms, 4_000.0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cancelled_cancels_its_attempt() {
    let telemetry = telemetry();
    let upstream = telemetry.register_upstream("files");
    let scope = telemetry.call_started(&call(Method::ToolsCall));
    let work = scope.run(async {
        let attempt = telemetry.attempt_started(&attempt(&upstream));
        attempt.run(std::future::pending::<()>()).await;
    });
    assert!(tokio::time::timeout(Duration::from_secs(2), work).await.is_err());
    drop(scope);
    let attempts = r#"mcp_upstream_attempts_total{outcome="cancelled",upstream="files"}"#;
    assert_eq!(value(&telemetry, attempts), Some(1.0));
    let overhead = r#"mcp_gateway_overhead_seconds_sum{method="tools/call"}"#;
    assert_eq!(value(&telemetry, overhead), Some(0.0));
    assert_nothing_is_open(&telemetry);
}

#[tokio::test(start_paused = true)]
async fn connections_are_accounted_for() {
    let telemetry = telemetry();
    let session = telemetry.connection_accepted(SESSION);
    let kind = ConnectionKind::Presence;
    let presence = telemetry.connection_accepted(ConnectionInfo { kind, ..SESSION });
    let gauge = |name: &str| value(&telemetry, &format!(r#"{name}{{transport="http"}}"#));
    assert_eq!(
        (gauge("mcp_active_connections"), gauge("mcp_active_sessions")),
        (Some(2.0), Some(1.0))
    );
    tokio::time::advance(Duration::from_secs(30)).await;
    session.end(Reason::ClientDeleted);
    drop(presence);
    let ended = |reason: &str| {
        value(
            &telemetry,
            &format!(r#"mcp_disconnections_total{{reason="{reason}",transport="http"}}"#),
        )
    };
    assert_eq!((ended("client_deleted"), ended("error")), (Some(1.0), Some(1.0)));
    let life = r#"mcp_session_duration_seconds_sum{reason="client_deleted",transport="http"}"#;
    assert_eq!(value(&telemetry, life), Some(30.0));
    let none = r#"mcp_session_duration_seconds_count{reason="error",transport="http"}"#;
    assert_eq!(value(&telemetry, none), Some(0.0), "a presence is no session");
    let connections = telemetry.snapshot().connections;
    assert_eq!((connections.active, connections.total, connections.peak), (0, 2, 2));
    assert_nothing_is_open(&telemetry);
}

#[test]
fn streams_sockets_and_refusals_are_counted() {
    let telemetry = telemetry();
    let transport = Transport::Http;
    drop((telemetry.stream_opened(transport), telemetry.socket_opened(transport)));
    for event in [
        Event::ConnectionRefused {
            transport,
            status: ConnectionStatus::RejectedOrigin,
            detail: "",
        },
        Event::AuthFailed { cause: AuthCause::Wrong },
        Event::RateLimited { limit: RateLimit::Address },
        Event::LimitReached { limit: Limit::JsonDepth },
        Event::HandshakeFinished { transport, ok: true, elapsed: Duration::from_millis(3) },
        Event::MessageTransferred { transport, direction: Direction::In, bytes: 300 },
        Event::StreamGap { transport, missed: 4 },
        Event::Store(StoreEvent::Done {
            operation: StoreOperation::Commit,
            elapsed: Duration::from_millis(2),
        }),
        Event::Store(StoreEvent::Failed { operation: StoreOperation::Insert, error: "full" }),
    ] {
        telemetry.emit(&event);
    }
    for (series, expected) in [
        (r#"mcp_connections_total{status="rejected_origin",transport="http"}"#, 1.0),
        (r#"mcp_connections_total{status="accepted",transport="http"}"#, 0.0),
        (r#"mcp_auth_failures_total{cause="wrong"}"#, 1.0),
        (r#"mcp_rate_limited_total{limit="address"}"#, 1.0),
        (r#"mcp_limit_refusals_total{limit="json_depth"}"#, 1.0),
        (r#"mcp_limit_refusals_total{limit="batch"}"#, 0.0),
        (r#"mcp_handshakes_total{outcome="ok",transport="http"}"#, 1.0),
        (r#"mcp_message_size_bytes_sum{direction="in",transport="http"}"#, 300.0),
        (r#"mcp_stream_gap_total{transport="http"}"#, 4.0),
        (r#"mcp_store_write_duration_seconds_sum{operation="commit"}"#, 0.002),
        (r#"mcp_store_errors_total{operation="insert"}"#, 1.0),
        (r#"mcp_store_errors_total{operation="open"}"#, 0.0),
        (r#"mcp_sockets_opened_total{transport="http"}"#, 1.0),
        (r#"mcp_stream_duration_seconds_count{transport="http"}"#, 1.0),
    ] {
        assert_eq!(value(&telemetry, series), Some(expected), "{series}");
    }
    assert_eq!(telemetry.handshake_metrics().succeeded, 1);
    assert_eq!(telemetry.snapshot().messages.processed, 1);
    assert_nothing_is_open(&telemetry);
}

#[test]
fn an_upstream_is_in_one_state_at_a_time() {
    let telemetry = telemetry();
    let upstream = &telemetry.register_upstream("files");
    for state in UpstreamState::ALL {
        telemetry.emit(&Event::UpstreamStateChanged { upstream, state: *state, error: None });
        let text = telemetry.encode();
        let set: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("mcp_upstream_state{") && line.ends_with(" 1"))
            .collect();
        let expected =
            format!(r#"mcp_upstream_state{{state="{}",upstream="files"}} 1"#, state.as_str());
        assert_eq!(set, [expected]);
    }
    telemetry.emit(&Event::CatalogueRefreshed { upstream, tools: 1, resources: 0, prompts: 0 });
    let refreshed =
        value(&telemetry, r#"mcp_catalogue_refreshed_timestamp_seconds{upstream="files"}"#);
    assert!(refreshed.is_some_and(|time| time > 1.6e9));
}

#[test]
fn each_instance_counts_for_itself() {
    let (one, other) = (telemetry(), telemetry());
    one.call_started(&call(Method::Ping)).finish(CallEnd::of(Outcome::Ok));
    assert_eq!(value(&other, r#"mcp_requests_started_total{method="ping"}"#), Some(0.0));
}

#[test]
fn at_every_scrape_what_came_has_ended_or_is_there() {
    let telemetry = telemetry();
    let sum = |text: &str, start: &str| -> f64 {
        let lines = text.lines().filter(|line| line.starts_with(start));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    telemetry.connection_accepted(SESSION).end(Reason::ClientClosed);
                }
            });
        }
        for _ in 0..300 {
            let text = telemetry.encode();
            let accepted = text.lines().filter(|line| line.contains("status=\"accepted\""));
            let accepted = accepted.collect::<Vec<_>>().join("\n");
            let came = sum(&accepted, "mcp_connections_total");
            let ended = sum(&text, "mcp_disconnections_total");
            let there = sum(&text, "mcp_active_connections");
            if came != ended + there {
                over.store(true, Ordering::Relaxed);
            }
            assert_eq!(came, ended + there);
        }
        over.store(true, Ordering::Relaxed);
    });
}

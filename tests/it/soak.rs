//! Minutes of mixed traffic: `./test --long` runs these, `./test` names them as skipped.

mod abuse;
mod alerts;
mod outage;

use crate::{
    churn::opened_and_dropped,
    handshakes::{all_succeeded, at_once, in_sequence, median_and_longest},
    killing::{Load, kill_in_a_loop},
    session_scenarios::{Clock, sixteen_of_sixteen},
    support::{Legacy, Modern, Server, Setup, text},
    upstream_calls::cut_calls,
};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

const LONG: Duration = Duration::from_secs(120);

/// Memory in use, in bytes.
async fn memory(server: &Server) -> f64 {
    server.scrape().await.sum("process_resident_memory_bytes", &[])
}

async fn round(server: &Server, number: u64) {
    let legacy = Legacy::open(server).await;
    let modern = Modern::with(server, &format!("soak-{}", number % 50), json!({}));
    for _ in 0..5 {
        legacy.call("fix__test_simple_text", json!({})).await;
        assert_eq!(text(&modern.call("echo", json!({"message": "x"})).await), "x");
    }
    // Some go in the middle of a call.
    let sleep = json!({"name": "fix__sleep", "arguments": {"ms": 300}});
    drop(modern.start("tools/call", sleep.clone()).await);
    drop(legacy.start("tools/call", sleep).await);
    modern.ask("tools/call", json!({"name": format!("unknown_{number}")})).await;
    legacy.close().await;
}

#[tokio::test]
async fn minutes_of_clients_that_come_call_and_go_leave_nothing_open() {
    let server = Setup::new().fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    let begun = Instant::now();
    let mut number = 0;
    while begun.elapsed() < LONG / 4 {
        round(&server, number).await;
        number += 1;
    }
    let settled = memory(&server).await;
    while begun.elapsed() < LONG {
        tokio::join!(
            round(&server, number),
            round(&server, number + 1),
            round(&server, number + 2)
        );
        number += 3;
    }
    let grown = memory(&server).await - settled;
    assert!(grown < 32e6, "memory grew by {grown} bytes over {number} rounds");
    server.finish().await;
}

#[tokio::test]
async fn a_child_that_crashes_again_and_again_is_started_again_every_time() {
    let server = Setup::new().fixture("fix", json!({})).start().await;
    let client = Modern::new(&server);
    let begun = Instant::now();
    let mut crashes = 0.0;
    while begun.elapsed() < LONG {
        connected_again(&server).await;
        client.ask("tools/call", json!({"name": "fix__crash", "arguments": {}})).await;
        crashes += 1.0;
    }
    connected_again(&server).await;
    assert!(crashes >= 4.0, "{crashes}");
    assert!(client.tools().await.contains(&"fix__sleep".to_owned()));
    let restarts = server.scrape().await.sum("mcp_upstream_restarts_total", &[]);
    assert!(restarts >= crashes, "{restarts} restarts after {crashes} crashes");
    server.finish().await;
}

/// The pauses between restarts grow to half a minute.
async fn connected_again(server: &Server) {
    let state = [("upstream", "fix"), ("state", "connected")];
    let end = Instant::now() + Duration::from_secs(60);
    while server.scrape().await.sum("mcp_upstream_state", &state) == 0.0 {
        assert!(Instant::now() < end, "not connected again within a minute\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn ten_thousand_handshakes_in_sequence_and_a_thousand_at_once_all_succeed() {
    let server = Setup::new().start().await;
    let (median, longest) = median_and_longest(in_sequence(&server, 10_000).await);
    println!("10,000 in sequence: median {median:?}, longest {longest:?}");
    let (median, longest) = median_and_longest(at_once(&server, 1_000).await);
    println!("1,000 at once: median {median:?}, longest {longest:?}");
    all_succeeded(&server, 11_000).await;
    server.finish().await;
}

#[tokio::test]
async fn five_scenarios_pass_sixteen_checks_of_sixteen_in_real_time() {
    println!("{:?}", sixteen_of_sixteen(Clock::REAL).await);
}

#[tokio::test]
async fn killed_fifty_times_under_load_it_loses_no_session_and_answers_nothing_twice() {
    println!("{}", kill_in_a_loop(50, Load { callers: 20, leavers: 6, sockets: 6 }).await);
}

#[tokio::test]
async fn a_hundred_thousand_sessions_opened_and_dropped_leave_nothing_but_their_history() {
    println!("{}", opened_and_dropped(100_000, 5_000).await);
}

#[tokio::test]
async fn no_call_of_ten_thousand_runs_twice_on_a_wire_that_is_cut() {
    for (era, seed) in [("legacy", 11), ("modern", 12)] {
        println!("{}", cut_calls(era, seed, 5_000).await);
    }
}

//! Minutes of mixed traffic: `./test --long` runs these, `./test` names them as skipped.

use crate::support::{Legacy, Modern, Server, Setup, text};
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
async fn hundreds_of_crashes_of_a_child_are_all_survived() {
    let server = Setup::new().fixture("fix", json!({})).start().await;
    let client = Modern::new(&server);
    let begun = Instant::now();
    let mut crashes = 0;
    while begun.elapsed() < LONG {
        server.upstreams(&["fix"], "connected").await;
        client.ask("tools/call", json!({"name": "fix__crash", "arguments": {}})).await;
        crashes += 1;
    }
    assert!(crashes >= 3, "{crashes}");
    assert!(client.tools().await.contains(&"fix__sleep".to_owned()));
    server.finish().await;
}

//! An upstream that has forgotten our session, as a server does that was restarted or tidies up:
//! it answers 404, and no client sees anything of it.

use super::{far, listed, over};
use crate::support::{Cut, Legacy, Modern, Server, Wire, http, text, within};
use futures_util::future::join_all;
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout;

const WATCHED: &str = "test://watched-resource";

/// Ends every session at that server; how many there were.
pub async fn forget(far: &Server) -> usize {
    let listed = far.json("/api/sessions?status=active").await;
    let sessions = listed["sessions"].as_array().expect("a list").clone();
    for session in &sessions {
        let id = session["id"].as_str().expect("an id");
        let request = http().delete(far.url()).bearer_auth(far.token());
        let request = request.header("mcp-session-id", id);
        let answer = request.header("mcp-protocol-version", "2025-11-25").send().await;
        assert!(answer.expect("an answer").status().is_success());
    }
    sessions.len()
}

#[tokio::test]
async fn a_session_that_an_upstream_forgot_is_opened_again_and_no_client_notices() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("ran");
    let far = far(&log).await;
    let wire = Wire::before(far.base(), |_| Cut::None);
    let server = over(&wire, &far, "legacy").start().await;
    listed(&server, "far__touch_resource").await;
    let (legacy, modern) = (Legacy::open(&server).await, Modern::new(&server));
    let mut heard = legacy.stream().await;
    legacy.ask("resources/subscribe", json!({"uri": WATCHED})).await;
    let mut calls = 0;
    for round in 0..5 {
        assert!(forget(&far).await >= 1, "a session of the server's");
        let keys: Vec<_> = (0..8).map(|call| format!("{round}-{call}")).collect();
        let results = join_all(keys.iter().enumerate().map(async |(at, key)| {
            let arguments = json!({"key": key});
            if at % 2 == 0 {
                legacy.call("far__record", arguments).await
            } else {
                modern.call("far__record", arguments).await
            }
        }));
        for (key, result) in keys.iter().zip(results.await) {
            assert_eq!(text(&result), key, "{result}");
            calls += 1;
        }
    }
    let mut ran: Vec<_> =
        std::fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect();
    ran.sort();
    ran.dedup();
    assert_eq!(ran.len(), calls, "each ran, and once");
    // Its subscription goes on in the new session.
    within(20, "the subscription is there again", async {
        loop {
            legacy.call("far__touch_resource", json!({"uri": WATCHED})).await;
            let update = heard.method("notifications/resources/updated");
            if timeout(Duration::from_millis(500), update).await.is_ok() {
                break;
            }
        }
    })
    .await;
    let scrape = server.scrape().await;
    let restarts = [("upstream", "far"), ("cause", "session_lost")];
    let lost = scrape.sum("mcp_upstream_restarts_total", &restarts);
    assert!(lost >= 5.0, "{lost}");
    assert_eq!(scrape.sum("mcp_upstream_recovery_duration_seconds_count", &restarts), lost);
    assert_eq!(scrape.sum("mcp_calls_outcome_unknown_total", &[]), 0.0);
    let took = scrape.sum("mcp_upstream_recovery_duration_seconds_sum", &restarts) / lost;
    println!("{lost} sessions forgotten, {calls} calls answered, {took:.3} s to come back");
    drop(heard);
    legacy.close().await;
    server.finish().await;
}

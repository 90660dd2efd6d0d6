//! Each shipped scenario in its quick form: all its expectations hold.

use super::{Lab, assert_passed};
use mcp_lab::result::Scenario;

/// Runs a shipped scenario, asserts that all held, and gives what came of it.
pub(super) async fn passes(name: &str) -> Scenario {
    let lab = Lab::new();
    let (ended, mut result) = lab.quick(name, "out", &[]).await;
    assert_passed(&ended, &result, &lab.path("out"));
    for file in ["events.jsonl", "summary.json", "report.html", "junit.xml", "report.md"] {
        assert!(lab.path("out").join(file).exists(), "{file} is missing");
    }
    let target = &result.target;
    assert!(target.server_name.is_some() && target.protocol_version.is_some(), "{target:?}");
    result.scenarios.remove(0)
}

#[tokio::test]
async fn handshake_reliability() {
    let scenario = passes("handshake-reliability").await;
    let agents = scenario.clients.iter().filter(|client| client.role == "agent").count();
    assert_eq!(agents, 20);
    assert!(scenario.sessions.expect("told").opened >= 25);
}

#[tokio::test]
async fn concurrent_sessions() {
    let scenario = passes("concurrent-sessions").await;
    let of = |role: &str| scenario.clients.iter().filter(|client| client.role == role).count();
    let roles = ["normal", "stale", "concurrent", "reconnect", "longrunning"];
    assert_eq!(roles.map(of), [5, 2, 5, 3, 1]);
    let back = scenario.clients.iter().find(|client| client.role == "reconnect").expect("one");
    assert_eq!(back.sessions_different, Some(false), "{back:?}");
    let oracle = scenario.oracle.expect("the fixture counts");
    assert!(oracle.sent > 30 && oracle.ran == oracle.sent, "{oracle:?}");
}

#[tokio::test]
async fn reconnection_resilience() {
    let scenario = passes("reconnection-resilience").await;
    assert_eq!(scenario.faults.len(), 9, "{:?}", scenario.faults);
    assert!(scenario.clients.iter().all(|client| client.sessions_different == Some(false)));
}

#[tokio::test]
async fn server_restart() {
    let scenario = passes("server-restart").await;
    let kinds: Vec<&str> = scenario.faults.iter().map(|fault| fault.kind.as_str()).collect();
    assert_eq!(kinds, ["terminate", "kill"]);
    let resources = scenario.resources.expect("the lab started it");
    assert!(resources.samples.iter().all(|sample| sample.rss_bytes > 1 << 20));
    assert!(scenario.target_metrics.contains_key("mcp_requests_total"));
}

#[tokio::test]
async fn at_most_once() {
    let scenario = passes("at-most-once").await;
    let oracle = scenario.oracle.expect("the fixture counts");
    assert!(oracle.ran > 100, "{oracle:?}");
    assert!(scenario.faults.iter().filter(|fault| fault.kind == "reset").count() == 4);
    let latency = scenario.latency.expect("calls were made");
    assert!(latency.corrected.max_ms >= latency.raw.max_ms);
}

#[tokio::test]
async fn connection_stability() {
    let scenario = passes("connection-stability").await;
    assert!(scenario.faults.is_empty() && scenario.recoveries.is_empty());
    assert!(scenario.resources.expect("known").rss_slope_bytes_per_hour.is_some());
}

#[tokio::test]
async fn network_chaos() {
    let scenario = passes("network-chaos").await;
    let latency = scenario.latency.expect("calls were made");
    assert!(latency.raw.p90_ms > 100.0, "both ways are slow: {latency:?}");
    assert!(scenario.faults.iter().all(|fault| fault.injected > 0), "{:?}", scenario.faults);
}

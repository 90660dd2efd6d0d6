//! The shipped scenarios in which something is away, forgotten, slow or too much at once, in their
//! quick form: all their expectations hold.

use super::shipped::passes;
use std::collections::BTreeSet;

#[tokio::test]
async fn upstream_outage() {
    let scenario = passes("upstream-outage").await;
    let kinds: Vec<&str> = scenario.faults.iter().map(|fault| fault.kind.as_str()).collect();
    assert_eq!(kinds, ["kill", "kill", "stop"]);
    assert_eq!(scenario.availability.expect("it was watched").listed_percent, 100.0);
}

#[tokio::test]
async fn session_loss() {
    let scenario = passes("session-loss").await;
    let steady: Vec<_> = scenario.clients.iter().filter(|client| client.role == "steady").collect();
    assert!(steady.iter().all(|client| client.sessions_different == Some(true)), "{steady:?}");
    let oracle = scenario.oracle.expect("the fixture counts");
    assert!(oracle.sent > 50 && oracle.ran == oracle.sent, "{oracle:?}");
}

#[tokio::test]
async fn half_open() {
    let scenario = passes("half-open").await;
    assert!(scenario.faults.iter().all(|fault| fault.injected > 0), "{:?}", scenario.faults);
    assert_eq!(scenario.faults.len(), 3);
}

#[tokio::test]
async fn slow_consumer() {
    let scenario = passes("slow-consumer").await;
    assert!(scenario.faults.iter().any(|fault| fault.kind == "bandwidth" && fault.injected > 0));
}

#[tokio::test]
async fn reconnect_storm() {
    let scenario = passes("reconnect-storm").await;
    let crowd: Vec<_> = scenario.clients.iter().filter(|client| client.role == "crowd").collect();
    assert_eq!(crowd.len(), 30);
    assert!(crowd.iter().all(|client| client.sessions_different == Some(false)), "{crowd:?}");
}

#[tokio::test]
async fn reconnect_storm_in_place() {
    let scenario = passes("reconnect-storm-in-place").await;
    assert_eq!(scenario.faults.len(), 3, "{:?}", scenario.faults);
    // Each of the crowd has a way of its own, and the prober one more.
    assert!(scenario.faults.iter().all(|fault| fault.injected > 30), "{:?}", scenario.faults);
    assert!(scenario.clients.iter().all(|client| client.sessions_different == Some(false)));
}

#[tokio::test]
async fn high_load_stress() {
    let scenario = passes("high-load-stress").await;
    let oracle = scenario.oracle.expect("the fixture counts");
    assert!(oracle.sent > 200 && oracle.ran == oracle.sent, "{oracle:?}");
}

#[tokio::test]
async fn resource_pressure() {
    let scenario = passes("resource-pressure").await;
    assert!(scenario.faults.len() > 15, "{:?}", scenario.faults);
    let kinds: BTreeSet<&str> = scenario.faults.iter().map(|fault| fault.kind.as_str()).collect();
    assert_eq!(kinds, ["cpu", "memory", "stop"].into());
}

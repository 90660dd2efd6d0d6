//! All is accounted for: what was sent equals what was counted, and nothing is left open.

use super::{Scrape, Server};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep};

/// Waits until every active and in-flight gauge is at zero, then compares what the test sent with
/// what was counted.
pub async fn assert_accounted(server: &Server) {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let open = open_gauges(&server.scrape().await);
        if open.is_empty() {
            break;
        }
        assert!(
            Instant::now() < end,
            "after every client left, still open: {open:?}\n{}",
            server.log()
        );
        sleep(Duration::from_millis(100)).await;
    }
    // A scrape takes its time: what ended meanwhile may be counted in one place only.
    let scrape = server.scrape().await;
    assert_sums(&scrape);
    let counted = scrape.by("mcp_requests_total", "method");
    let mut sent: BTreeMap<String, f64> = BTreeMap::new();
    for (method, times) in server.all_sent() {
        let label = if counted.contains_key(&method) { method } else { "_OTHER".to_owned() };
        *sent.entry(label).or_default() += f64::from(u32::try_from(times).expect("few requests"));
    }
    let counted: BTreeMap<String, f64> =
        counted.into_iter().filter(|(_, count)| *count > 0.0).collect();
    assert_eq!(counted, sent, "counted, and sent by this test");
}

fn open_gauges(scrape: &Scrape) -> Vec<(&'static str, f64)> {
    let mut open: Vec<_> = [
        "mcp_active_connections",
        "mcp_active_sessions",
        "mcp_requests_in_flight",
        "mcp_streams_active",
    ]
    .map(|name| (name, scrape.sum(name, &[])))
    .into();
    // The scrape itself comes over a socket.
    open.push(("mcp_sockets_open", scrape.sum("mcp_sockets_open", &[]) - 1.0));
    open.retain(|(_, value)| *value != 0.0);
    open
}

/// What holds at every scrape while nothing begins or ends: nothing is counted that did not start,
/// nothing ends twice.
pub fn assert_sums(scrape: &Scrape) {
    let started = scrape.by("mcp_requests_started_total", "method");
    let ended = scrape.by("mcp_requests_total", "method");
    let in_flight = scrape.by("mcp_requests_in_flight", "method");
    let timed = scrape.by("mcp_request_duration_seconds_count", "method");
    for (method, started) in &started {
        let of = |counts: &BTreeMap<String, f64>| counts.get(method).copied().unwrap_or_default();
        assert_eq!(*started, of(&ended) + of(&in_flight), "{method}: started = ended + in flight");
        // How long a subscription stays open says nothing about how fast we are.
        let timed = if method == "subscriptions/listen" { of(&ended) } else { of(&timed) };
        assert_eq!(of(&ended), timed, "{method}: every call that ended was timed");
    }
    let accepted = scrape.sum("mcp_connections_total", &[("status", "accepted")]);
    let ended = scrape.sum("mcp_disconnections_total", &[]);
    let active = scrape.sum("mcp_active_connections", &[]);
    let came_back = |outcome| scrape.sum("mcp_sessions_restored_total", &[("outcome", outcome)]);
    assert_eq!(
        accepted + came_back("restored") + came_back("revived"),
        ended + active,
        "accepted + restored + revived = ended + active"
    );
    let attempts = scrape.sum("mcp_upstream_attempts_total", &[]);
    let timed = scrape.sum("mcp_upstream_attempt_duration_seconds_count", &[]);
    assert_eq!(attempts, timed, "every attempt that ended was timed");
    let handshakes = scrape.sum("mcp_handshakes_total", &[]);
    let timed = scrape.sum("mcp_handshake_duration_seconds_count", &[]);
    assert_eq!(handshakes, timed, "every handshake that ended was timed");
    let tool_calls = scrape.sum("mcp_tool_calls_total", &[]);
    let calls = scrape.sum("mcp_requests_total", &[("method", "tools/call")]);
    assert!(tool_calls <= calls, "{tool_calls} tool calls of {calls} calls");
    for (upstream, states) in scrape.by("mcp_upstream_state", "upstream") {
        assert_eq!(states, 1.0, "{upstream} is in one state");
    }
}

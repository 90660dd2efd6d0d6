//! An upstream over a socket that is lost in ways that nobody says.

use super::{
    server,
    wire::{Cut, Wire},
};
use crate::support::{Legacy, Modern, Server, Setup, text, until, within};
use serde_json::{Value, json};

/// A setup with that server as its legacy upstream `far`, over the wire.
fn over(wire: &Wire, far: &Server) -> Setup {
    Setup::new()
        .set("upstreams.far.url", wire.url())
        .set("upstreams.far.era", "legacy")
        .set("upstreams.far.headers.Authorization", format!("Bearer {}", far.token()))
}

async fn listed(near: &Server) {
    let client = Modern::new(near);
    until("its tools are listed", || async {
        client.tools().await.iter().any(|tool| tool == "far__fix__record")
    })
    .await;
}

/// How many tries of it to come back had that outcome.
async fn tries(near: &Server, outcome: &str) -> f64 {
    let labels = [("side", "upstream"), ("outcome", outcome)];
    near.scrape().await.sum("mcp_reconnect_attempts_total", &labels)
}

/// How many sessions were opened there over a socket.
async fn sessions(far: &Server) -> f64 {
    far.scrape().await.sum("mcp_connections_total", &[("transport", "websocket")])
}

fn record(key: &str, ms: u64) -> Value {
    json!({"name": "far__fix__record", "arguments": {"key": key, "ms": ms}})
}

#[tokio::test]
async fn a_silent_socket_is_replaced_and_the_calls_on_it_end_in_their_own_results() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("ran");
    let far = server(&log).await;
    let wire = Wire::whole(far.base());
    let near = over(&wire, &far).set("limits.upstream_ping", 0.3);
    let near = near.set("limits.upstream_ping_timeout", 2.0).set("limits.upstream_ping_misses", 2);
    let near = near.start().await;
    listed(&near).await;
    // One goes out on the session of all, one on a session of its client's own.
    let all = Modern::new(&near);
    let own = Legacy::with(&near, "2025-11-25", json!({"sampling": {}})).await;
    let silence = async {
        until("both run", || async {
            std::fs::read_to_string(&log).is_ok_and(|ran| ran.lines().count() == 2)
        })
        .await;
        let opened = sessions(&far).await;
        wire.mute();
        opened
    };
    let calls = async {
        let (mut one, other) = tokio::join!(all.start("tools/call", record("all", 2_000)), async {
            own.ask("tools/call", record("own", 2_000)).await
        });
        (one.answer().await, other)
    };
    let both = async { tokio::join!(calls, silence) };
    let ((one, other), opened) = within(60, "the calls end", both).await;
    assert_eq!((text(&one["result"]), text(&other["result"])), ("all", "own"));
    until("both are counted as resumed", || async { tries(&near, "resumed").await >= 2.0 }).await;
    assert_eq!(sessions(&far).await, opened, "no session was opened in their place");
    assert_eq!(text(&all.call("far__fix__record", json!({"key": "next"})).await), "next");
    let ran = std::fs::read_to_string(&log).unwrap();
    assert_eq!(ran.lines().count(), 3, "each ran once: {ran}");
    own.close().await;
    near.finish().await;
}

#[tokio::test]
async fn a_server_that_is_there_but_does_not_take_its_session_back_is_given_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let far = server(&dir.path().join("ran")).await;
    let wire = Wire::before(far.base(), |text| {
        if text.contains("\"received\":") {
            // Who comes back has a socket, which ends before it is answered.
            Cut::During
        } else if text.contains("key-cut") {
            Cut::After
        } else {
            Cut::None
        }
    });
    let near = over(&wire, &far).start().await;
    listed(&near).await;
    let opened = sessions(&far).await;
    let client = Modern::new(&near);
    let lost = client.call("far__fix__record", json!({"key": "key-cut", "ms": 60_000}));
    let lost = within(30, "it is given up", lost).await;
    assert_eq!(lost["_meta"]["mcp-orchestrator/code"], "outcome_unknown", "{lost}");
    assert_eq!(text(&client.call("far__fix__record", json!({"key": "next"})).await), "next");
    assert_eq!(sessions(&far).await, opened + 1.0);
    assert_eq!((tries(&near, "failed").await, tries(&near, "reinitialized").await), (3.0, 1.0));
    near.finish().await;
}

#[tokio::test]
async fn an_upstream_that_is_removed_while_it_comes_back_is_let_go_with_its_calls() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("ran");
    let far = server(&log).await;
    let wire = Wire::whole(far.base());
    let drain = |setup: Setup| setup.set("drain", 0.2);
    let near = drain(over(&wire, &far)).set("limits.upstream_ping", 0.3).start().await;
    listed(&near).await;
    let all = Modern::new(&near);
    let own = Legacy::with(&near, "2025-11-25", json!({"sampling": {}})).await;
    let removal = async {
        until("both run", || async {
            std::fs::read_to_string(&log).is_ok_and(|ran| ran.lines().count() == 2)
        })
        .await;
        wire.down().await;
        until("it tries to come back", || async { tries(&near, "failed").await >= 3.0 }).await;
        drain(Setup::new()).write(near.dir());
        near.signal("HUP");
    };
    let calls = async {
        let (mut one, other) =
            tokio::join!(all.start("tools/call", record("all", 60_000)), async {
                own.ask("tools/call", record("own", 60_000)).await
            });
        (one.answer().await, other)
    };
    let both = async { tokio::join!(calls, removal) };
    let ((one, other), ()) = within(40, "the calls end", both).await;
    for told in [one, other] {
        let code = &told["result"]["_meta"]["mcp-orchestrator/code"];
        assert_eq!(code, "outcome_unknown", "{told}");
    }
    own.close().await;
    near.finish().await;
}

#[tokio::test]
async fn a_call_that_waits_for_a_socket_until_its_deadline_did_not_run() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("ran");
    let far = server(&log).await;
    let wire = Wire::whole(far.base());
    let near = over(&wire, &far).set("limits.tool_timeout", 1.0).start().await;
    listed(&near).await;
    // Its socket ends, and the next one is never answered: nothing can be sent.
    wire.dead_end();
    let client = Modern::new(&near);
    let told =
        within(30, "the call ends", client.call("far__fix__record", json!({"key": "k"}))).await;
    let meta = |key: &str| told["_meta"][format!("mcp-orchestrator/{key}")].as_str();
    assert_eq!((meta("code"), meta("ran")), (Some("unavailable"), Some("no")), "{told}");
    let labels = [("upstream", "far"), ("outcome", "unavailable")];
    let attempts = near.scrape().await.sum("mcp_upstream_attempts_total", &labels);
    assert_eq!(attempts, 1.0);
    assert!(!log.exists(), "it did not run");
    near.end().await;
}

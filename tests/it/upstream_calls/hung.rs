//! Upstreams that look alive and answer nothing: a ping finds them, they are replaced, and the
//! calls on them end.

use super::{far, listed, over, told};
use crate::support::{Cut, Modern, Server, Setup, Wire, descendants, fixture_path, text, within};
use serde_json::json;

/// Pings that find a silent upstream within a second or two.
fn watchful(setup: Setup) -> Setup {
    setup
        .set("limits.upstream_ping", 0.3)
        .set("limits.upstream_ping_timeout", 0.3)
        .set("limits.upstream_ping_misses", 2)
        .set("limits.request_timeout", 1.0)
}

async fn process_id(client: &Modern<'_>) -> String {
    text(&client.call("fix__process_id", json!({})).await).to_owned()
}

/// How often an upstream was replaced because it hung.
async fn replaced(server: &Server) -> f64 {
    server.scrape().await.sum("mcp_upstream_restarts_total", &[("cause", "hung")])
}

#[tokio::test]
async fn a_stopped_child_is_replaced_and_touches_no_other_upstream() {
    let entry = json!({"command": fixture_path(), "args": []});
    let setup = Setup::new().upstream("fix", entry.clone()).upstream("other", entry);
    let server = watchful(setup).start().await;
    server.upstreams(&["fix", "other"], "connected").await;
    listed(&server, "other__process_id").await;
    listed(&server, "fix__process_id").await;
    let client = Modern::new(&server);
    let before = process_id(&client).await;
    let hanging =
        client.start("tools/call", json!({"name": "fix__sleep", "arguments": {"ms": 60_000}}));
    let stop = async {
        crate::support::until("the call is in flight", || async {
            server.scrape().await.sum("mcp_requests_in_flight", &[("method", "tools/call")]) == 1.0
        })
        .await;
        assert!(descendants(server.pid()).iter().any(|pid| pid.to_string() == before));
        let stopped = std::process::Command::new("kill").args(["-STOP", &before]).status();
        assert!(stopped.unwrap().success());
        let other = client.call("other__process_id", json!({})).await;
        assert!(text(&other).parse::<u32>().is_ok(), "{other}");
    };
    let (hanging, ()) = within(30, "the call ends", async {
        tokio::join!(async { hanging.await.answer().await }, stop)
    })
    .await;
    assert_eq!(told(&hanging["result"]), ("outcome_unknown", "unknown"), "{hanging}");
    let after = process_id(&client).await;
    assert_ne!(before, after);
    assert!(replaced(&server).await >= 1.0);
    server.finish().await;
}

#[tokio::test]
async fn a_peer_that_accepts_and_says_nothing_is_found_and_healed() {
    for era in ["legacy", "modern"] {
        let dir = tempfile::tempdir().unwrap();
        let far = far(&dir.path().join("ran")).await;
        let wire = Wire::before(far.base(), |_| Cut::None);
        let server = watchful(over(&wire, &far, era)).start().await;
        server.upstreams(&["far"], "connected").await;
        listed(&server, "far__record").await;
        let client = Modern::new(&server);
        wire.silent();
        let hanging = client.call("far__record", json!({"key": "hangs"}));
        let hanging = within(30, "the call ends", hanging).await;
        assert_eq!(told(&hanging), ("outcome_unknown", "unknown"), "{era}: {hanging}");
        wire.up();
        // Parked: it is not sent into the silence.
        let result = client.call("far__record", json!({"key": "comes"})).await;
        assert_eq!(text(&result), "comes", "{era}");
        assert_eq!(replaced(&server).await, 1.0, "{era}");
        server.finish().await;
    }
}

//! A session that was put away for want of activity goes on when its own client uses its id.

use crate::support::{Legacy, Server, Setup, assert_sums, http, until, within};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

const WATCHED: &str = "test://watched-resource";
const CI: &str = "token-of-ci-0123456789abcdef";

fn setup() -> Setup {
    let tokens: toml::Table =
        toml::from_str(&format!("tokens = [{{ name = \"ci\", token = \"{CI}\" }}]")).expect("TOML");
    Setup::new()
        .set("limits.session_idle", 0.5)
        .set("limits.session_sweep", 0.1)
        .set("auth.tokens", tokens["tokens"].clone())
}

async fn seen(server: &Server, id: &str) -> Value {
    server.json(&format!("/api/sessions/{id}")).await
}

async fn put_away(server: &Server, id: &str) {
    until("it is put away", || async { seen(server, id).await["status"] == "disconnected" }).await;
    assert_eq!(seen(server, id).await["disconnect_reason"], "timeout_no_activity");
}

/// The status of a ping in that session.
async fn ping(server: &Server, token: &str, session: &str) -> u16 {
    server.sent("ping");
    let request = http().post(server.url()).bearer_auth(token).header("mcp-session-id", session);
    let request = request.header("accept", "application/json, text/event-stream");
    let request = request.header("content-type", "application/json");
    let answer = request.body(r#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#).send().await;
    answer.expect("an answer").status().as_u16()
}

async fn revived(server: &Server, outcome: &str) -> f64 {
    server.scrape().await.sum("mcp_sessions_restored_total", &[("outcome", outcome)])
}

#[tokio::test]
async fn a_client_that_slept_finds_its_session_as_it_left_it() {
    let server = setup().fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    let client = Legacy::open(&server).await;
    let subscribed = client.ask("resources/subscribe", json!({"uri": WATCHED})).await;
    assert!(subscribed["result"].is_object(), "{subscribed}");
    put_away(&server, &client.session).await;
    assert_eq!(server.scrape().await.sum("mcp_active_sessions", &[]), 0.0);

    let mut stream = client.stream().await;
    assert_eq!(revived(&server, "revived").await, 1.0);
    assert_sums(&server.scrape().await);
    assert!(client.tools().await.contains(&"fix__sleep".to_owned()));
    let told = async {
        loop {
            client.call("fix__touch_resource", json!({"uri": WATCHED})).await;
            let told = stream.method("notifications/resources/updated");
            if timeout(Duration::from_millis(300), told).await.is_ok() {
                return;
            }
        }
    };
    within(20, "the subscription is there again", told).await;
    let shown = seen(&server, &client.session).await;
    assert_eq!(shown["status"], "active", "{shown}");
    let history: Vec<&str> = shown["history"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row["what"].as_str())
        .collect();
    assert_eq!(history, ["opened", "initialized", "disconnected", "revived"], "{shown}");
    drop(stream);
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn it_is_its_own_principals_only() {
    let server = setup().start().await;
    let client = Legacy::open(&server).await;
    put_away(&server, &client.session).await;
    assert_eq!(ping(&server, CI, &client.session).await, 404);
    assert_eq!(seen(&server, &client.session).await["status"], "disconnected");
    assert_eq!((revived(&server, "revived").await, revived(&server, "refused").await), (0.0, 1.0));
    assert_eq!(ping(&server, server.token(), &client.session).await, 200);
    assert_eq!(revived(&server, "revived").await, 1.0);
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn many_requests_at_once_revive_it_once() {
    let server = setup().start().await;
    let client = Legacy::open(&server).await;
    put_away(&server, &client.session).await;
    let pings = (0..20).map(|_| ping(&server, server.token(), &client.session));
    let statuses = futures_util::future::join_all(pings).await;
    // All have one id: those that come while another is in flight are told so, with 200 too.
    assert_eq!(statuses, [200; 20]);
    assert_eq!(revived(&server, "revived").await, 1.0);
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn what_its_client_ended_is_gone() {
    let server = setup().start().await;
    let client = Legacy::open(&server).await;
    let id = client.session.clone();
    client.close().await;
    assert_eq!(ping(&server, server.token(), &id).await, 404);
    assert_eq!(seen(&server, &id).await["disconnect_reason"], "client_deleted");

    // Also when it was put away and revived before.
    let client = Legacy::open(&server).await;
    let id = client.session.clone();
    put_away(&server, &id).await;
    client.close().await;
    assert_eq!(ping(&server, server.token(), &id).await, 404);
    assert_eq!(ping(&server, server.token(), "00000000-0000-4000-8000-000000000000").await, 404);
    server.finish().await;
}

#[tokio::test]
async fn after_the_window_it_is_gone() {
    let server = setup().set("limits.resume_window", 0.2).start().await;
    let client = Legacy::open(&server).await;
    put_away(&server, &client.session).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(ping(&server, server.token(), &client.session).await, 404);
    assert_eq!((revived(&server, "revived").await, revived(&server, "refused").await), (0.0, 1.0));
    server.finish().await;
}

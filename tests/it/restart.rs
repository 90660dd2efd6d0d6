//! A restart of ours is no event for a client: same session, same tools, and the truth about every
//! answer.

use crate::support::{Legacy, Raw, Server, Setup, assert_sums, http, text, until};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const WATCHED: &str = "test://watched-resource";

async fn server() -> Server {
    let server = Setup::new().fixture("fix", json!({})).set("drain", 0.5).start().await;
    server.upstreams(&["fix"], "connected").await;
    server
}

/// Starts a call that goes over to a stream, and leaves it; the id to come back with.
async fn left_alone(client: &Legacy<'_>, ms: u64) -> String {
    let params = json!({"name": "fix__sleep", "arguments": {"ms": ms}});
    client.start("tools/call", params).await.primed().await
}

async fn rest(client: &Legacy<'_>, last: &str) -> Vec<Value> {
    let mut stream = client.resume(last).await;
    let mut messages = Vec::new();
    while let Some(message) = stream.next().await {
        messages.push(message);
    }
    messages
}

async fn restart_with(signal: &str) {
    let mut server = server().await;
    let (session, finished, running, general) = {
        let client = Legacy::open(&server).await;
        let level = client.ask("logging/setLevel", json!({"level": "error"})).await;
        assert!(level.get("result").is_some(), "{level}");
        let subscribed = client.ask("resources/subscribe", json!({"uri": WATCHED})).await;
        assert!(subscribed.get("result").is_some(), "{subscribed}");
        let mut stream = client.stream().await;
        client.call("fix__touch_resource", json!({"uri": WATCHED})).await;
        stream.method("notifications/resources/updated").await;
        let general = stream.ids.last().expect("an id").clone();
        let finished = left_alone(&client, 1_000).await;
        until("the call has ended", || async {
            let calls = [("method", "tools/call"), ("status", "ok")];
            server.scrape().await.sum("mcp_requests_total", &calls) == 2.0
        })
        .await;
        let running = left_alone(&client, 60_000).await;
        // What a kill may lose is the last moment.
        sleep(Duration::from_millis(100)).await;
        (client.session, finished, running, general)
    };
    server.start_again(signal).await;
    server.upstreams(&["fix"], "connected").await;
    let client = Legacy::knowing(&server, &session);
    assert!(client.tools().await.contains(&"fix__sleep".to_owned()));
    let messages = rest(&client, &finished).await;
    assert_eq!(messages.len(), 1, "{signal}: {messages:?}");
    assert_eq!(text(&messages[0]["result"]), "slept 1000 ms", "{signal}");
    let messages = rest(&client, &running).await;
    assert_eq!(messages.len(), 1, "{signal}: {messages:?}");
    let told = &messages[0]["result"]["_meta"]["mcp-orchestrator/code"];
    assert_eq!(told, "outcome_unknown", "{signal}: {messages:?}");
    let mut stream = client.resume(&general).await;
    stream.method("notifications/tools/list_changed").await;
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        client.call("fix__touch_resource", json!({"uri": WATCHED})).await;
        let heard = stream.method("notifications/resources/updated");
        if tokio::time::timeout(Duration::from_millis(200), heard).await.is_ok() {
            break;
        }
        assert!(Instant::now() < end, "{signal}: the subscription is not taken up again");
    }
    let params = json!({"name": "fix__emit_logs", "arguments": {"count": 3, "level": "info"}});
    let mut call = client.start("tools/call", params).await;
    let mut said = Vec::new();
    while let Some(message) = call.next().await {
        said.push(message);
    }
    assert_eq!(said.len(), 1, "{signal}: the level is kept: {said:?}");
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("mcp_sessions_restored_total", &[("outcome", "restored")]), 1.0);
    assert_sums(&scrape);
    drop((stream, call));
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn after_sigterm_sessions_go_on() {
    restart_with("TERM").await;
}

#[tokio::test]
async fn after_sigkill_sessions_go_on() {
    restart_with("KILL").await;
}

/// Forty at once, so that those that hear of the stop before their streams do are among them.
#[tokio::test]
async fn no_call_that_a_stop_takes_back_ends_in_silence() {
    let mut server = server().await;
    let (session, left) = {
        let client = Legacy::open(&server).await;
        let calls = (0..40).map(|_| left_alone(&client, 60_000));
        (client.session.clone(), futures_util::future::join_all(calls).await)
    };
    server.start_again("TERM").await;
    let client = Legacy::knowing(&server, &session);
    for last in left {
        let messages = rest(&client, &last).await;
        assert_eq!(messages.len(), 1, "{last}: {messages:?}");
        let told = &messages[0]["result"]["_meta"]["mcp-orchestrator/code"];
        assert_eq!(told, "outcome_unknown", "{last}: {messages:?}");
    }
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn a_session_that_was_deleted_stays_deleted_and_one_of_others_stays_theirs() {
    let tokens = toml::toml! {
        [[t]]
        name = "other"
        token = "token-of-another-0123456789"
    };
    let mut server = Setup::new().set("auth.tokens", tokens["t"].clone()).start().await;
    let (deleted, kept) = {
        let (gone, kept) = (Legacy::open(&server).await, Legacy::open(&server).await);
        let id = gone.session.clone();
        gone.close().await;
        (id, kept.session)
    };
    server.start_again("KILL").await;
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let status = async |session: &str, token: &str| {
        let request = http().post(server.url()).bearer_auth(token);
        let request = request.header("accept", "application/json, text/event-stream");
        let answer = request.header("mcp-session-id", session).json(&ping).send().await;
        answer.expect("an answer").status().as_u16()
    };
    assert_eq!(status(&deleted, server.token()).await, 404);
    assert_eq!(status(&kept, "token-of-another-0123456789").await, 404);
    assert_eq!(status(&kept, server.token()).await, 200);
    let client = Legacy::knowing(&server, &kept);
    client.close().await;
}

/// What a kill may lose is the last moment, and that a handshake was completed may be in it.
#[tokio::test]
async fn a_handshake_that_was_completed_just_before_a_kill_was_completed() {
    let setup = Setup::new().set("limits.handshake_timeout", 0.4);
    let mut server = setup.set("limits.session_sweep", 0.1).start().await;
    let mut raw = Raw::connect(&server).await;
    let mut sessions = Vec::new();
    for _ in 0..5 {
        sessions.push(raw.handshake().await);
    }
    drop(raw);
    server.start_again("KILL").await;
    // Long enough for whoever waits for the end of a handshake to give up.
    sleep(Duration::from_secs(1)).await;
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("mcp_disconnections_total", &[]), 0.0);
    for session in sessions {
        let client = Legacy::knowing(&server, &session);
        assert!(client.ask("ping", json!({})).await["result"].is_object());
        client.close().await;
    }
    server.finish().await;
}

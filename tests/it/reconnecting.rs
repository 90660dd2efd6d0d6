//! Whoever lost a connection in the middle of a session and opens a new one finds it clean: of the
//! old one nothing leaks, not to itself and not to another principal.

use crate::support::{Legacy, Messages, Reply, Server, Setup, http, text, until};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

const WATCHED: &str = "test://watched-resource";
const CI: &str = "token-of-ci-0123456789abcdef";

async fn server() -> Server {
    let tokens: toml::Table =
        toml::from_str(&format!("tokens = [{{ name = \"ci\", token = \"{CI}\" }}]")).expect("TOML");
    let server =
        Setup::new().fixture("fix", json!({})).set("auth.tokens", tokens["tokens"].clone());
    let server = server.start().await;
    server.upstreams(&["fix"], "connected").await;
    server
}

/// What an old session had when its connections went.
struct Left {
    session: String,
    question: Value,
    /// The id of its call that still runs, and of an event on that call's stream.
    call: i64,
    event: String,
}

/// Opens a session, uses all that it has, and drops every connection of it.
async fn lost_in_the_middle(server: &Server) -> Left {
    let client = Legacy::with(server, "2025-11-25", json!({"elicitation": {}})).await;
    let level = client.ask("logging/setLevel", json!({"level": "emergency"})).await;
    assert!(level["result"].is_object(), "{level}");
    let subscribed = client.ask("resources/subscribe", json!({"uri": WATCHED})).await;
    assert!(subscribed["result"].is_object(), "{subscribed}");
    let stream = client.stream().await;
    let asking = json!({"name": "fix__ask_name", "arguments": {"question": "who was it?"}});
    let mut asked = client.start("tools/call", asking).await;
    let question = asked.method("elicitation/create").await;
    let event = asked.ids.last().expect("an id").clone();
    drop((stream, asked));
    // The fourth request of the session, after two and the stream, which is none.
    Left { session: client.session.clone(), question, call: 3, event }
}

/// Fails if the stream says anything that belongs to the old session.
async fn hears_nothing(stream: &mut Messages) {
    while let Ok(Some(message)) = timeout(Duration::from_millis(400), stream.next()).await {
        let method = message["method"].as_str().unwrap_or_default();
        assert!(method.ends_with("list_changed"), "{message}");
    }
}

/// Whether a message of that method comes, with the call or on the session's stream.
async fn comes(method: &str, call: &mut Messages, stream: &mut Messages) -> bool {
    let in_call = async {
        while let Some(message) = call.next().await {
            if message["method"] == method {
                return;
            }
        }
        std::future::pending().await
    };
    let either = async {
        tokio::select! { () = in_call => {}, _ = stream.method(method) => {} }
    };
    timeout(Duration::from_secs(5), either).await.is_ok()
}

async fn is_clean(server: &Server, left: &Left) {
    let client = Legacy::with(server, "2025-11-25", json!({"elicitation": {}})).await;
    assert_ne!(client.session, left.session);
    // Not its streams: it is told what the event's id itself says, that an answer is lost.
    let mut resumed = client.resume(&left.event).await;
    while let Some(message) = resumed.next().await {
        assert!(message.get("method").is_none(), "{message}");
        let told = message.to_string();
        assert!(told.contains("outcome_unknown") && !told.contains("accept"), "{told}");
    }
    drop(resumed);
    let mut stream = client.stream().await;
    // Not its subscriptions.
    client.call("fix__touch_resource", json!({"uri": WATCHED})).await;
    hears_nothing(&mut stream).await;
    // Not its log level.
    let logs = json!({"name": "fix__emit_logs", "arguments": {"count": 1, "level": "info"}});
    let mut call = client.start("tools/call", logs).await;
    assert!(comes("notifications/message", &mut call, &mut stream).await, "no log message came");
    // Not its questions and calls: an answer and a cancel here mean nothing there.
    let stolen = json!({"action": "accept", "content": {"name": "somebody else"}});
    client.answer(&left.question, stolen).await;
    client.notify("notifications/cancelled", json!({"requestId": left.call})).await;
    let shown = server.json(&format!("/api/sessions/{}", client.session)).await;
    assert_eq!(shown["live"]["calls_in_flight"], 0, "{shown}");
    drop((stream, call));
    client.close().await;
}

async fn goes_on(server: &Server, left: &Left) {
    let client = Legacy::knowing(server, &left.session);
    let shown = server.json(&format!("/api/sessions/{}", left.session)).await;
    assert_eq!(shown["status"], "active", "{shown}");
    assert_eq!(shown["live"]["calls_in_flight"], 1, "{shown}");
    let mut stream = client.resume(&left.event).await;
    client.answer(&left.question, json!({"action": "accept", "content": {"name": "me"}})).await;
    assert_eq!(text(&stream.answer().await["result"]), "accept: me");
    drop(stream);
    client.close().await;
}

#[tokio::test]
async fn a_new_session_of_the_same_principal_has_nothing_of_the_old_one() {
    let server = server().await;
    let left = lost_in_the_middle(&server).await;
    is_clean(&server, &left).await;
    goes_on(&server, &left).await;
    server.finish().await;
}

#[tokio::test]
async fn a_session_of_another_principal_has_nothing_of_it_either() {
    let server = server().await;
    let left = lost_in_the_middle(&server).await;
    let owner = server.token().to_owned();
    let server = server.with_token(CI);
    is_clean(&server, &left).await;
    let post = |session: &str| {
        let request = http().post(server.url()).bearer_auth(CI).header("mcp-session-id", session);
        let request = request.header("accept", "application/json, text/event-stream");
        request.json(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})).send()
    };
    let stolen = Reply::of(post(&left.session).await.expect("an answer")).await;
    let unknown = post("00000000-0000-4000-8000-000000000000").await.expect("an answer");
    assert_eq!((stolen.status, stolen.text), (404, Reply::of(unknown).await.text));
    server.sent_times("ping", 2);
    let seen = format!("/api/sessions/{}", left.session);
    let seen = Reply::of(server.get(&http(), &seen).send().await.expect("an answer")).await;
    assert_eq!(seen.status, 404, "{seen:?}");

    let server = server.with_token(&owner);
    until("the call still waits for its own client", || async {
        let shown = server.json(&format!("/api/sessions/{}", left.session)).await;
        shown["live"]["calls_in_flight"] == 1
    })
    .await;
    goes_on(&server, &left).await;
    server.finish().await;
}

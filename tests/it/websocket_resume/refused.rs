//! Whoever cannot go on gets a new session, and hears nothing of why.

use super::{Client, KEY, Way, calls_ended, came_back, connect, ended, server_with};
use crate::support::{Setup, http, until};
use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

const OTHER: &str = "token-of-another-0123456789";

#[tokio::test]
async fn a_stranger_a_wrong_token_and_a_frame_never_sent_are_refused_alike() {
    let tokens = toml::toml! {
        [[t]]
        name = "other"
        token = "token-of-another-0123456789"
    };
    let server = server_with(Setup::new().set("auth.tokens", tokens["t"].clone())).await;
    let mut client = Client::open(&server).await;
    client.nothing_more(&server).await;
    let way = client.cut(&server).await;
    let unknown = Way { token: "no-such-session-0123456789-012345678".to_owned(), ..way.clone() };
    let beyond = Way { received: way.received + 1, ..way.clone() };
    let far = Way { received: u64::MAX, ..way.clone() };
    for (way, token) in [
        (&way, OTHER),
        (&unknown, server.token()),
        (&beyond, server.token()),
        (&far, server.token()),
    ] {
        let mut refused = Client::hello(&server, way.wish(), token).await;
        let mut told = refused.told.clone();
        assert_ne!(told["token"], way.token, "a session of its own");
        told["token"] = Value::Null;
        let window = told["window_ms"].clone();
        assert_eq!(told, json!({"token": null, "window_ms": window, "resumed": false}));
        refused.say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        refused.nothing_more(&server).await;
        refused.stream.close(None).await.unwrap();
    }
    // Nothing of that has touched the session.
    let mut client = Client::back(&server, &way).await;
    assert_eq!(client.told["received"], way.sent);
    client.nothing_more(&server).await;
    let scrape = server.scrape().await;
    assert_eq!((came_back(&scrape, "refused"), came_back(&scrape, "resumed")), (4.0, 1.0));
    client.stream.close(None).await.unwrap();
    until("all ended", || async { ended(&server.scrape().await, "client_closed") == 5.0 }).await;
    // A clean close is for good.
    let late = Client::knock(&server, &way).await;
    assert_eq!(late.told["resumed"], false);
    drop(late);
}

#[tokio::test]
async fn a_client_that_has_missed_too_much_starts_anew() {
    let server = server_with(Setup::new().set("limits.stream_events", 4)).await;
    let mut client = Client::open(&server).await;
    let steps = json!({"steps": 10, "delay_ms": 30});
    client.call(&server, "fix__count_progress", steps).await;
    client.next().await;
    let way = client.cut(&server).await;
    calls_ended(&server, 1.0).await;
    let mut client = Client::knock(&server, &way).await;
    assert_eq!(client.told["resumed"], false, "{}", client.told);
    client.say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    client.nothing_more(&server).await;
    let scrape = server.scrape().await;
    assert_eq!(came_back(&scrape, "refused"), 1.0);
    assert_eq!(ended(&scrape, "superseded"), 1.0, "the old session is of no use any more");
    assert_eq!(scrape.sum("mcp_active_sessions", &[]), 1.0);
    client.stream.close(None).await.unwrap();
    server.finish().await;
}

#[tokio::test]
async fn a_client_that_asks_for_nothing_gets_nothing() {
    let server = server_with(Setup::new()).await;
    let mut plain = Client::hello(&server, Value::Null, server.token()).await;
    assert_eq!(plain.told, Value::Null);
    plain.say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    plain.call(&server, "fix__sleep", json!({"ms": 3_000})).await;
    until("the call is in flight", || async {
        server.scrape().await.sum("mcp_requests_in_flight", &[("method", "tools/call")]) == 1.0
    })
    .await;
    plain.cut(&server).await;
    until("it ended", || async { ended(&server.scrape().await, "client_gone") == 1.0 }).await;
    server.finish().await;
}

#[tokio::test]
async fn a_wish_of_the_wrong_shape_is_an_error_and_a_token_opens_no_other_door() {
    let server = server_with(Setup::new()).await;
    let mut client = Client::open(&server).await;
    client.nothing_more(&server).await;
    let mut stream = connect(&server, server.token()).await;
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "raw", "version": "1"}, "_meta": {KEY: {"token": 7}}});
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    server.sent("initialize");
    stream.send(Message::text(hello.to_string())).await.unwrap();
    let answer = futures_util::StreamExt::next(&mut stream).await.unwrap().unwrap();
    let answer: Value = serde_json::from_str(answer.to_text().unwrap()).unwrap();
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    drop(stream);
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let request = server.post(&http()).header("mcp-session-id", &client.way.token).json(&ping);
    server.sent("ping");
    assert_eq!(request.send().await.unwrap().status(), 404, "it is no session of HTTP");
    client.stream.close(None).await.unwrap();
    server.finish().await;
}

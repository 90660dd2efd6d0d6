//! Tokens and principals that change while clients are there.

use super::{hang_up, initialize, reload};
use crate::{
    cli,
    support::{Legacy, Modern, Server, Setup, http},
    websocket::Socket,
};
use serde_json::json;
use std::fs;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

const CI: &str = "token-of-ci-0123456789";

fn own_token(server: &Server) -> String {
    fs::read_to_string(server.dir().join("data/token")).unwrap().trim().to_owned()
}

fn rotate(server: &Server) -> String {
    let (old, data) = (own_token(server), server.dir().join("data"));
    let data = data.to_str().unwrap();
    let rotated = cli::run(server.dir(), &["token", "rotate", "--data-dir", data]);
    assert_eq!(rotated.code, Some(0), "{}", rotated.err);
    let new = own_token(server);
    assert_ne!(new, old);
    new
}

/// The status that a session's request with that token gets.
async fn ping(server: &Server, session: &str, token: &str) -> u16 {
    let body = json!({"jsonrpc": "2.0", "id": "p", "method": "ping"});
    let request = http().post(server.url()).bearer_auth(token).json(&body);
    let request = request.header("accept", "application/json, text/event-stream");
    let request = request.header("mcp-session-id", session);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_rotated_token_comes_in_the_old_one_does_not_and_the_session_goes_on() {
    let server = Setup::new().with_own_token().start().await;
    let old = own_token(&server);
    let server = server.with_token(&old);
    let session = Legacy::open(&server).await.session;
    let mut socket = Socket::legacy(&server, json!({})).await;
    let new = rotate(&server);
    assert_eq!(initialize(&server, &new).await.0, 401, "it was not told yet");
    assert_eq!(ping(&server, &session, &old).await, 200);
    server.sent("ping");
    hang_up(&server, "ok").await;
    assert_eq!(ping(&server, &session, &old).await, 401);
    assert_eq!(ping(&server, &session, &new).await, 200, "the session goes on");
    server.sent("ping");
    assert_eq!(socket.close_code().await, Some(CloseCode::Policy), "it came in with the old one");
    drop(socket);
    assert!(!server.log().contains(&old) && !server.log().contains(&new));
    let gone = http().delete(server.url()).bearer_auth(&new).header("mcp-session-id", &session);
    assert!(gone.send().await.unwrap().status().is_success());
    server.finish().await;
}

fn with_ci(lists: &str) -> Setup {
    let token = format!("[{{ name = \"ci\", token = \"{CI}\" }}]");
    let value = |text: &str| {
        let table: toml::Table = format!("x = {text}").parse().unwrap();
        table["x"].clone()
    };
    Setup::new().set("auth.tokens", value(&token)).set("auth.principals", value(lists))
}

#[tokio::test]
async fn open_sockets_and_sessions_have_the_tools_that_their_principal_has_now() {
    let server = with_ci("{}").start().await;
    let base = server.token().to_owned();
    let server = server.with_token(CI);
    let client = Legacy::open(&server).await;
    let mut socket = Socket::legacy(&server, json!({})).await;
    let mut stream = client.stream().await;
    let names = |answer: serde_json::Value| {
        let tools = answer["result"]["tools"].as_array().unwrap().clone();
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(names(socket.ask("tools/list", json!({})).await).len() > 1);
    reload(&server, &with_ci("{ ci = { allow = [\"echo\"] } }")).await;
    stream.method("notifications/tools/list_changed").await;
    assert_eq!(client.tools().await, ["echo"]);
    assert_eq!(names(socket.ask("tools/list", json!({})).await), ["echo"]);

    // Without the principal nothing of it stays.
    let wanted = json!({"notifications": {"toolsListChanged": true}});
    let mut listening = Modern::new(&server).start("subscriptions/listen", wanted).await;
    listening.method("notifications/subscriptions/acknowledged").await;
    reload(&server, &Setup::new()).await;
    assert_eq!(socket.close_code().await, Some(CloseCode::Policy));
    while stream.next().await.is_some() {}
    while listening.next().await.is_some() {}
    assert_eq!(initialize(&server, CI).await.0, 401);
    assert_eq!(initialize(&server, &base).await.0, 200);
    server.sent("initialize");
    drop(socket);
    let ended = [("reason", "error")];
    let scrape = server.scrape().await;
    assert!(scrape.sum("mcp_disconnections_total", &ended) >= 2.0);
    reload(&server, &Setup::new().set("limits.session_idle", 0.2)).await;
    server.finish().await;
}

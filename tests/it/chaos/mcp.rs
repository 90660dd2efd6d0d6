//! Faults of MCP messages, over HTTP, event streams and WebSocket.

use super::{Client, before, fault, injected, server, with_fixture};
use crate::{
    support::{Messages, Server, text, until},
    websocket::Socket,
};
use mcp_chaos::{End, Kind, Proxy, kind};
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// A legacy session over a WebSocket through the proxy.
async fn socket<'a>(server: &'a Server, proxy: &Proxy) -> Socket<'a> {
    let stream = TcpStream::connect(proxy.address()).await.expect("it accepts");
    let mut socket = Socket::over(server, stream).await;
    socket.begin(json!({})).await;
    socket
}

async fn calls_that_ran(server: &Server) -> f64 {
    server.scrape().await.sum("mcp_requests_total", &[("method", "tools/call")])
}

fn progress(steps: u64) -> Value {
    json!({"name": "fix__count_progress", "arguments": {"steps": steps, "delay_ms": 60},
        "_meta": {"progressToken": "p"}})
}

#[tokio::test]
async fn a_session_is_lost_for_good_and_a_new_one_is_not() {
    let server = server().await;
    let proxy = before(&server, vec![]).await;
    let old = Client::open(&proxy).await;
    proxy.add(fault(Kind::SessionLost(kind::session_lost::SessionLost {}))).expect("added");
    assert_eq!(old.ping().await, 404);
    let new = Client::open(&proxy).await;
    assert_eq!(new.ping().await, 200, "opened since");
    assert_eq!((old.ping().await, injected(&proxy)), (404, 2));
    proxy.remove("f").expect("removed");
}

#[tokio::test]
async fn a_call_runs_and_its_reply_is_lost() {
    let server = server().await;
    let proxy = before(&server, vec![]).await;
    let client = Client::open(&proxy).await;
    let lost = Kind::ReplyLost(kind::reply_lost::ReplyLost::default());
    proxy.add(fault(lost)).expect("added");
    assert!(client.echo("a").await.is_err(), "no answer came");
    until("it ran", || async { calls_that_ran(&server).await == 1.0 }).await;
    assert_eq!(client.ping().await, 200, "other replies pass");
    assert_eq!(injected(&proxy), 1);
}

#[tokio::test]
async fn a_reply_is_lost_over_a_websocket_too() {
    let server = server().await;
    let lost = kind::reply_lost::ReplyLost {
        how: kind::reply_lost::Instead::Silence,
        ..kind::reply_lost::ReplyLost::default()
    };
    let proxy = before(&server, vec![fault(Kind::ReplyLost(lost))]).await;
    let mut socket = socket(&server, &proxy).await;
    let call = json!({"jsonrpc": "2.0", "id": "lost", "method": "tools/call",
        "params": {"name": "echo", "arguments": {"message": "a"}}});
    socket.say(call).await;
    until("it was lost", || async { injected(&proxy) == 1 }).await;
    assert_eq!(socket.ask("ping", json!({})).await["result"], json!({}), "and nothing else");
    assert_eq!(calls_that_ran(&server).await, 1.0);
}

#[tokio::test]
async fn a_call_is_sent_twice_and_answered_once() {
    let server = server().await;
    let proxy = before(&server, vec![]).await;
    let client = Client::open(&proxy).await;
    let twice = Kind::Duplicate(kind::duplicate::Duplicate {});
    proxy.add(fault(twice).direction(mcp_chaos::Direction::Up)).expect("added");
    let answer = Messages::of(client.echo("a").await.expect("an answer")).answer().await;
    assert_eq!(text(&answer["result"]), "a");
    until("both ran", || async { calls_that_ran(&server).await == 2.0 }).await;
    proxy.remove("f").expect("removed");
    assert_eq!(client.ping().await, 200, "the connection still holds");
}

#[tokio::test]
async fn messages_of_a_websocket_come_twice_or_in_another_order() {
    let server = with_fixture().await;
    let proxy = before(&server, vec![]).await;
    let mut socket = socket(&server, &proxy).await;
    proxy.add(fault(Kind::Reorder(kind::reorder::Reorder::default()))).expect("added");
    let ids = ["a", "b"].map(|id| json!({"jsonrpc": "2.0", "id": id, "method": "ping"}));
    for ping in &ids {
        socket.say(ping.clone()).await;
    }
    assert_eq!([socket.next().await["id"].clone(), socket.next().await["id"].clone()], ["b", "a"]);
    proxy.remove("f").expect("removed");
    proxy.add(fault(Kind::Duplicate(kind::duplicate::Duplicate {}))).expect("added");
    socket.say(ids[0].clone()).await;
    assert_eq!([socket.next().await["id"].clone(), socket.next().await["id"].clone()], ["a", "a"]);
}

#[tokio::test]
async fn word_of_a_change_is_lost_and_the_change_is_not() {
    let server = with_fixture().await;
    let lost = Kind::ListChangedLost(kind::list_changed_lost::ListChangedLost {});
    let proxy = before(&server, vec![fault(lost)]).await;
    let mut socket = socket(&server, &proxy).await;
    let add = json!({"name": "fix__add_tool", "arguments": {"name": "new"}});
    let call = json!({"jsonrpc": "2.0", "id": "add", "method": "tools/call", "params": add});
    socket.say(call).await;
    until("word of it was lost", || async { injected(&proxy) >= 1 }).await;
    let list = json!({"jsonrpc": "2.0", "id": "list", "method": "tools/list"});
    socket.say(list).await;
    loop {
        let message = socket.next().await;
        assert_ne!(message["method"], "notifications/tools/list_changed");
        if message["id"] == "list" {
            assert!(message.to_string().contains("fix__new"), "{message}");
            break;
        }
    }
}

#[tokio::test]
async fn the_list_of_tools_is_empty_for_a_while() {
    let server = server().await;
    let empty = || fault(Kind::EmptyTools(kind::empty_tools::EmptyTools {}));
    let proxy = before(&server, vec![empty()]).await;
    let client = Client::open(&proxy).await;
    let mut socket = socket(&server, &proxy).await;
    let none = json!([]);
    assert_eq!(client.ask("tools/list", json!({})).await["result"]["tools"], none);
    assert_eq!(socket.ask("tools/list", json!({})).await["result"]["tools"], none);
    proxy.remove("f").expect("removed");
    assert!(client.ask("tools/list", json!({})).await.to_string().contains("\"echo\""));
    assert!(socket.ask("tools/list", json!({})).await.to_string().contains("\"echo\""));
}

#[tokio::test]
async fn a_request_is_answered_with_a_status_and_the_server_does_not_hear_of_it() {
    let server = server().await;
    let proxy = before(&server, vec![]).await;
    let client = Client::open(&proxy).await;
    for code in [401, 429, 500, 503] {
        let status = kind::status::Status {
            retry_after: Some(std::time::Duration::from_secs(2)),
            methods: vec!["tools/call".to_owned()],
            ..kind::status::Status::of(code)
        };
        proxy.add(fault(Kind::Status(status))).expect("added");
        let response = client.echo("a").await.expect("an answer");
        assert_eq!(response.status(), code);
        assert_eq!(response.headers()["retry-after"], "2");
        assert_eq!(client.ping().await, 200, "another method");
        proxy.remove("f").expect("removed");
    }
    assert_eq!(calls_that_ran(&server).await, 0.0);
    assert_eq!(client.echo("a").await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn a_stream_is_cut_at_its_nth_event() {
    let server = with_fixture().await;
    let cut = kind::stream_cut::StreamCut { after: 2, how: End::Reset };
    let proxy = before(&server, vec![]).await;
    let client = Client::open(&proxy).await;
    proxy.add(fault(Kind::StreamCut(cut))).expect("added");
    let response = client.send("tools/call", progress(20)).await.expect("an answer");
    let mut messages = Messages::of(response);
    assert!(messages.is_stream());
    let mut seen = 0;
    let error = loop {
        match messages.try_next().await {
            Ok(Some(_)) => seen += 1,
            Ok(None) => panic!("it ended properly after {seen}"),
            Err(error) => break error,
        }
    };
    assert!(seen <= 2, "{seen} events before {error}");
    assert_eq!(injected(&proxy), 1);
}

//! Streamable HTTP in the legacy era: handshake, session, cancel, the stream in the background.

use crate::support::{
    Memory, Peer, begin_stream, call, identity, json, legacy_handshake, legacy_without_get, open,
    options, respond, respond_json, until, write,
};
use mcp_client::{ClientError, Connection, Ran};
use mcp_protocol::{Era, Revision};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::{sleep, timeout};

#[tokio::test]
async fn the_session_and_the_revision_go_with_every_message() {
    let peer = Peer::start(|seen, socket| async move {
        let Some((seen, mut socket)) = legacy_without_get(seen, socket).await else { return };
        respond_json(&mut socket, "200 OK", &seen.result("{}")).await;
    })
    .await;
    let (connection, _) = open(&peer.target()).await;
    assert_eq!((connection.era(), connection.revision()), (Era::Legacy, Revision::V2025_11_25));
    connection.call(call("tools/list", "{}")).await.expect("an answer").expect("a result");
    until("the stream was asked for", || !peer.requests(|seen| seen.method == "GET").is_empty())
        .await;
    connection.close().await;
    for seen in peer.requests(|seen| !seen.is("server/discover") && !seen.is("initialize")) {
        assert_eq!(seen.header("mcp-session-id"), "s1", "{seen:?}");
        assert_eq!(seen.header("mcp-protocol-version"), "2025-11-25", "{seen:?}");
    }
    let first = peer.requests(|seen| seen.is("initialize")).remove(0);
    assert_eq!((first.header("mcp-session-id"), first.header("mcp-protocol-version")), ("", ""));
    assert_eq!(peer.requests(|seen| seen.method == "DELETE").len(), 1);
    assert_eq!(connection.call(call("tools/list", "{}")).await.expect_err("closed").ran(), Ran::No);
}

#[tokio::test]
async fn a_connection_that_is_dropped_leaves_no_session() {
    let peer = Peer::start(|seen, socket| async move {
        legacy_without_get(seen, socket).await;
    })
    .await;
    let (connection, _) = open(&peer.target()).await;
    drop(connection);
    until("the session is deleted", || peer.requests(|seen| seen.method == "DELETE").len() == 1)
        .await;
}

#[tokio::test]
async fn a_server_that_hangs_on_discover_is_legacy() {
    let peer = Peer::start(|seen, socket| async move {
        if seen.is("server/discover") {
            sleep(Duration::from_secs(30)).await;
        }
        legacy_without_get(seen, socket).await;
    })
    .await;
    let (connection, _) = open(&peer.target()).await;
    assert_eq!(connection.era(), Era::Legacy);
    assert!(peer.requests(|seen| seen.is("notifications/cancelled")).is_empty());
}

#[tokio::test]
async fn a_lost_session_ends_the_connection_and_the_call_did_not_run() {
    for (status, body) in [
        ("404 Not Found", ""),
        (
            "400 Bad Request",
            r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}"#,
        ),
    ] {
        let peer = Peer::start(move |seen, socket| async move {
            let Some((_, mut socket)) = legacy_without_get(seen, socket).await else { return };
            respond_json(&mut socket, status, body).await;
        })
        .await;
        let (connection, _) = open(&peer.target()).await;
        let error =
            connection.call(call("tools/call", r#"{"name":"x"}"#)).await.expect_err("no answer");
        assert_eq!((error.ran(), error), (Ran::No, ClientError::SessionLost));
        assert_eq!(connection.closed().await, ClientError::SessionLost);
        assert_eq!(
            connection.call(call("ping", "{}")).await.expect_err("dead"),
            ClientError::SessionLost
        );
        assert_eq!(peer.requests(|seen| seen.is("ping")).len(), 0);
        connection.close().await;
        assert!(
            peer.requests(|seen| seen.method == "DELETE").is_empty(),
            "there is nothing to delete"
        );
    }
}

/// A peer that takes calls, begins to answer them, and does not go on.
async fn without_answers() -> Peer {
    Peer::start(|seen, socket| async move {
        let Some((_, mut socket)) = legacy_without_get(seen, socket).await else { return };
        begin_stream(&mut socket).await;
        sleep(Duration::from_secs(30)).await;
    })
    .await
}

#[tokio::test]
async fn dropping_a_call_tells_the_server() {
    let peer = without_answers().await;
    let (connection, _) = open(&peer.target()).await;
    let slow = connection.call(call("tools/call", r#"{"name":"slow"}"#));
    assert!(timeout(Duration::from_millis(300), slow).await.is_err());
    until("the server is told", || {
        !peer.requests(|seen| seen.is("notifications/cancelled")).is_empty()
    })
    .await;
    let id = peer.requests(|seen| seen.is("tools/call")).remove(0).id();
    let told = peer.requests(|seen| seen.is("notifications/cancelled")).remove(0);
    assert!(told.body.contains(&format!(r#""requestId":{id}"#)), "{}", told.body);
}

#[tokio::test]
async fn the_stream_in_the_background_brings_news_and_questions() {
    let peer = Peer::start(|seen, socket| async move {
        let Some((seen, mut socket)) = legacy_handshake(seen, socket).await else { return };
        if seen.method == "GET" {
            begin_stream(&mut socket).await;
            if seen.header("last-event-id").is_empty() {
                write(&mut socket, "id: e1\nretry: 10\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n").await;
                return;
            }
            write(&mut socket, "id: e2\ndata: {\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"roots/list\"}\n\n").await;
            write(&mut socket, "data: {\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"ping\"}\n\n").await;
            sleep(Duration::from_secs(30)).await;
        } else {
            respond(&mut socket, "202 Accepted", "", "").await;
        }
    })
    .await;
    let memory = Arc::new(Memory::default());
    *memory.answer.lock().expect("no panic") = Some(json(r#"{"roots":[]}"#));
    let connection =
        Connection::open(&peer.target(), None, &identity(), Arc::clone(&memory) as _, &options())
            .await
            .expect("a connection");
    until("the news came", || memory.names() == ["notifications/tools/list_changed"]).await;
    until("both answers are posted", || {
        peer.requests(|seen| seen.body.contains(r#""result""#)).len() == 2
    })
    .await;
    let answers = peer.requests(|seen| seen.body.contains(r#""result""#));
    assert!(
        answers.iter().any(|seen| seen.body == r#"{"jsonrpc":"2.0","id":5,"result":{"roots":[]}}"#)
    );
    assert!(answers.iter().any(|seen| seen.body == r#"{"jsonrpc":"2.0","id":6,"result":{}}"#));
    let resumed =
        peer.requests(|seen| seen.method == "GET" && seen.header("last-event-id") == "e1");
    assert_eq!(resumed.len(), 1);
    drop(connection);
    assert_eq!(memory.asked(), 1);
}

#[tokio::test]
async fn a_question_that_is_withdrawn_is_dropped() {
    let peer = Peer::start(|seen, socket| async move {
        let Some((seen, mut socket)) = legacy_without_get(seen, socket).await else { return };
        begin_stream(&mut socket).await;
        write(&mut socket, "data: {\"jsonrpc\":\"2.0\",\"id\":\"q\",\"method\":\"elicitation/create\",\"params\":{}}\n\n").await;
        sleep(Duration::from_millis(200)).await;
        write(&mut socket, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":\"q\"}}\n\n").await;
        write(&mut socket, &format!("data: {}\n\n", seen.result("{}"))).await;
    })
    .await;
    let (connection, memory) = open(&peer.target()).await;
    connection
        .call(call("tools/call", r#"{"name":"asks"}"#))
        .await
        .expect("an answer")
        .expect("a result");
    until("the question is dropped", || memory.dropped.load(Ordering::SeqCst) == 1).await;
    assert!(memory.names().is_empty());
}

#[tokio::test]
async fn closing_ends_the_calls_in_flight() {
    let peer = without_answers().await;
    let (connection, _) = open(&peer.target()).await;
    let slow = connection.call(call("tools/call", r#"{"name":"slow"}"#));
    let close = async {
        until("the call is there", || !peer.requests(|seen| seen.is("tools/call")).is_empty())
            .await;
        connection.close().await;
    };
    let (ended, ()) = tokio::join!(slow, close);
    assert_eq!(ended.expect_err("closed").ran(), Ran::Unknown);
}

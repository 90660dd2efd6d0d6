//! Legacy streams that break, and how they are resumed.

use crate::support::{
    Peer, Seen, begin_stream, call, legacy_handshake, open, open_with, options, respond, write,
};
use mcp_client::{ClientError, Options, Ran};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpStream, time::Instant};

/// Opens the first stream with one event and breaks it; `again` serves what is resumed.
async fn breaking<F, B>(again: B) -> Peer
where
    F: Future<Output = ()> + Send + 'static,
    B: Fn(Seen, TcpStream, String) -> F + Send + Sync + 'static,
{
    let answer = Arc::new(Mutex::new(String::new()));
    let again = Arc::new(again);
    Peer::start(move |seen, socket| {
        let (answer, again) = (Arc::clone(&answer), Arc::clone(&again));
        async move {
            let Some((seen, mut socket)) = legacy_handshake(seen, socket).await else { return };
            if seen.method == "GET" && seen.header("last-event-id").is_empty() {
                respond(&mut socket, "405 Method Not Allowed", "", "").await;
            } else if seen.method == "GET" {
                let answer = answer.lock().expect("no panic").clone();
                again(seen, socket, answer).await;
            } else {
                *answer.lock().expect("no panic") = seen.result(r#"{"late":1}"#);
                begin_stream(&mut socket).await;
                write(&mut socket, "id: a1\nretry: 100\ndata: \n\n").await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_stream_is_resumed_where_it_broke() {
    let peer = breaking(|seen, mut socket, answer| async move {
        begin_stream(&mut socket).await;
        match seen.header("last-event-id") {
            "a1" => {
                let news = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#;
                write(&mut socket, &format!("id: a2\ndata: {news}\n\ndata: half")).await;
            }
            "a2" => write(&mut socket, &format!("id: a3\ndata: {answer}\n\n")).await,
            other => panic!("resumed behind {other}"),
        }
    })
    .await;
    let (connection, memory) = open(&peer.target()).await;
    let start = Instant::now();
    let answer = connection
        .call(call("tools/call", r#"{"name":"slow"}"#))
        .await
        .expect("an answer")
        .expect("a result");
    assert_eq!(answer.get(), r#"{"late":1}"#);
    assert_eq!(memory.names(), ["notifications/message"]);
    assert!(start.elapsed() >= Duration::from_millis(200), "the server's pauses are kept");
}

#[tokio::test]
async fn a_stream_that_cannot_be_resumed_leaves_the_outcome_open() {
    let tries = Arc::new(AtomicUsize::new(0));
    for (status, wanted) in
        [("405 Method Not Allowed", 1), ("503 Service Unavailable", 5), ("200 OK", 5)]
    {
        let count = Arc::clone(&tries);
        count.store(0, Ordering::SeqCst);
        let peer =
            breaking(move |_, mut socket, _| {
                count.fetch_add(1, Ordering::SeqCst);
                async move {
                    respond(&mut socket, status, "content-type: text/event-stream\r\n", "").await
                }
            })
            .await;
        let (connection, _) = open(&peer.target()).await;
        let error =
            connection.call(call("tools/call", r#"{"name":"slow"}"#)).await.expect_err("no answer");
        assert_eq!(error.ran(), Ran::Unknown, "{error}");
        assert_eq!(tries.load(Ordering::SeqCst), wanted, "{status}");
    }
}

#[tokio::test]
async fn a_session_lost_while_away_ends_the_connection_but_the_call_may_have_run() {
    let peer =
        breaking(
            |_, mut socket, _| async move { respond(&mut socket, "404 Not Found", "", "").await },
        )
        .await;
    let (connection, _) = open(&peer.target()).await;
    let error =
        connection.call(call("tools/call", r#"{"name":"slow"}"#)).await.expect_err("no answer");
    assert_eq!(error.ran(), Ran::Unknown);
    assert_eq!(connection.closed().await, ClientError::SessionLost);
}

#[tokio::test]
async fn an_answer_counts_though_what_follows_it_is_too_large() {
    let peer = Peer::start(|seen, socket| async move {
        let Some((seen, mut socket)) = legacy_handshake(seen, socket).await else { return };
        if seen.method == "GET" {
            return respond(&mut socket, "405 Method Not Allowed", "", "").await;
        }
        let (answer, large) = (seen.result(r#"{"done":1}"#), "x".repeat(2_000));
        let head =
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n";
        write(&mut socket, &format!("{head}data: {answer}\n\ndata: {large}")).await;
    })
    .await;
    let options = Options { max_message: 1_000, ..options() };
    let (connection, _) = open_with(&peer.target(), &options).await;
    let answer = connection.call(call("tools/call", r#"{"name":"quick"}"#)).await;
    assert_eq!(answer.expect("an answer").expect("a result").get(), r#"{"done":1}"#);
}

//! Handshakes: they all succeed, in sequence and at once; those that are not completed end and
//! cost nobody anything.

use crate::support::{Legacy, Raw, Server, Setup, assert_sums, until};
use futures_util::future::join_all;
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};
use tokio::time::Instant;

/// How many are made in sequence here; a soak makes them all.
const IN_SEQUENCE: usize = 2_000;
const AT_ONCE: usize = 1_000;

/// Makes so many handshakes, one after the other on one connection; how long each took.
pub async fn in_sequence(server: &Server, count: usize) -> Vec<Duration> {
    let mut client = Raw::connect(server).await;
    let mut times = Vec::with_capacity(count);
    let mut ids = BTreeSet::new();
    for _ in 0..count {
        let begun = Instant::now();
        let session = client.handshake().await;
        times.push(begun.elapsed());
        client.delete(&session).await;
        ids.insert(session);
    }
    assert_eq!(ids.len(), count, "every session has an id of its own");
    server.sent_times("initialize", count as u64);
    times
}

/// Makes so many at once, each on a connection of its own; how long each took.
pub async fn at_once(server: &Server, count: usize) -> Vec<Duration> {
    let mut clients = join_all((0..count).map(|_| Raw::connect(server))).await;
    let each = clients.iter_mut().map(async |client| {
        let begun = Instant::now();
        let session = client.handshake().await;
        (begun.elapsed(), session)
    });
    let (times, sessions): (Vec<_>, Vec<_>) = join_all(each).await.into_iter().unzip();
    assert_eq!(sessions.iter().collect::<BTreeSet<_>>().len(), count);
    let end = clients.iter_mut().zip(&sessions).map(async |(client, id)| client.delete(id).await);
    join_all(end).await;
    server.sent_times("initialize", count as u64);
    times
}

/// Fails unless so many handshakes, and no more, were counted, all of them as successes.
pub async fn all_succeeded(server: &Server, count: usize) {
    let scrape = server.scrape().await;
    let count = count as f64;
    assert_eq!(scrape.sum("mcp_handshakes_total", &[("outcome", "ok")]), count);
    assert_eq!(scrape.sum("mcp_handshakes_total", &[]), count);
    assert_eq!(scrape.sum("mcp_connections_total", &[("status", "accepted")]), count);
    assert_eq!(scrape.sum("mcp_connections_total", &[]), count);
    let deleted = [("reason", "client_deleted")];
    assert_eq!(scrape.sum("mcp_disconnections_total", &deleted), count);
}

/// The one in the middle, and the longest.
pub fn median_and_longest(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[times.len() - 1])
}

#[tokio::test]
async fn fifty_in_sequence_and_ten_at_once_all_succeed() {
    let server = Setup::new().start().await;
    in_sequence(&server, 50).await;
    let (_, longest) = median_and_longest(at_once(&server, 10).await);
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    all_succeeded(&server, 60).await;
    server.finish().await;
}

#[tokio::test]
async fn of_a_hundred_the_median_is_short_and_none_is_long() {
    let server = Setup::new().start().await;
    let (median, longest) = median_and_longest(in_sequence(&server, 100).await);
    println!("of 100 handshakes: median {median:?}, longest {longest:?}");
    assert!(median < Duration::from_millis(50), "{median:?}");
    assert!(longest < Duration::from_millis(500), "{longest:?}");
    let figures = server.json("/api/status").await["handshakes"].clone();
    assert_eq!((&figures["total"], &figures["failed"]), (&json!(100), &json!(0)), "{figures}");
    assert!(figures["medianMs"].as_f64().is_some_and(|median| median < 50.0), "{figures}");
    server.finish().await;
}

#[tokio::test]
async fn thousands_in_sequence_and_a_thousand_at_once_all_succeed() {
    let server = Setup::new().start().await;
    let begun = Instant::now();
    in_sequence(&server, IN_SEQUENCE).await;
    let sequence = begun.elapsed();
    let (_, longest) = median_and_longest(at_once(&server, AT_ONCE).await);
    println!("{IN_SEQUENCE} in sequence: {sequence:?}; longest of {AT_ONCE} at once: {longest:?}");
    all_succeeded(&server, IN_SEQUENCE + AT_ONCE).await;
    server.finish().await;
}

#[tokio::test]
async fn a_client_that_never_says_initialized_is_told_so_and_let_go() {
    let server = Setup::new().set("limits.handshake_timeout", 0.7).start().await;
    let whole = Legacy::open(&server).await;
    let begun = Instant::now();
    let session = Raw::connect(&server).await.initialize().await;
    server.sent("initialize");
    let silent = Legacy::knowing(&server, &session);
    let mut stream = silent.stream().await;
    let told = stream.next().await.expect("a message");
    assert_eq!((&told["error"]["code"], &told["id"]), (&json!(1408), &json!(null)), "{told}");
    assert!(told["error"]["message"].as_str().is_some_and(|text| text.contains("initialized")));
    assert!(begun.elapsed() >= Duration::from_millis(700), "{:?}", begun.elapsed());
    assert_eq!(stream.next().await, None, "then the stream ends");
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("mcp_disconnections_total", &[("reason", "handshake_timeout")]), 1.0);
    assert_eq!(scrape.sum("mcp_handshakes_total", &[("outcome", "error")]), 1.0);
    let ping = silent.post().body(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    assert_eq!(ping.send().await.expect("an answer").status(), 404);
    server.sent("ping");
    let shown = server.json(&format!("/api/sessions/{session}")).await;
    assert_eq!(shown["disconnect_reason"], "handshake_timeout", "{shown}");
    assert!(whole.ask("ping", json!({})).await["result"].is_object(), "it was in time");
    drop(stream);
    whole.close().await;
    server.finish().await;
}

/// Begins so many handshakes and completes none.
async fn flood(server: &Server, count: u64) {
    let mut client = Raw::connect(server).await;
    for _ in 0..count {
        client.initialize().await;
    }
    server.sent_times("initialize", count);
}

#[tokio::test]
async fn a_flood_of_half_open_handshakes_pushes_out_no_session_and_keeps_nobody_out() {
    let setup = Setup::new().set("limits.sessions", 150).set("limits.handshake_timeout", 30.0);
    let mut server = setup.start().await;
    let live = join_all((0..50).map(|_| Legacy::open(&server))).await;
    let late = async {
        let half = [("transport", "http")];
        until("the table is full", || async {
            server.scrape().await.sum("mcp_active_sessions", &half) >= 150.0
        })
        .await;
        let client = Legacy::open(&server).await;
        assert_eq!(client.call("echo", json!({"message": "in"})).await["isError"], json!(false));
        client
    };
    let (_, _, late) = tokio::join!(flood(&server, 400), flood(&server, 400), late);
    for client in live.iter().chain([&late]) {
        assert!(client.ask("ping", json!({})).await["result"].is_object());
    }
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("mcp_connections_total", &[("status", "over_capacity")]), 0.0);
    let ended = scrape.sum("mcp_disconnections_total", &[]);
    assert_eq!(scrape.sum("mcp_disconnections_total", &[("reason", "handshake_timeout")]), ended);
    assert_eq!(ended, 851.0 - 150.0, "each too many has pushed out an older one");
    assert_sums(&scrape);
    drop((live, late));
    server.signal("TERM");
    assert_eq!(server.exit_code().await, Some(0), "{}", server.log());
}

#[tokio::test]
async fn a_thousand_that_come_at_once_find_a_place_all_of_them() {
    let server = Setup::new().start().await;
    // They send nothing: one for which there was no place would not be noticed by its client.
    let clients = join_all((0..AT_ONCE).map(|_| Raw::connect(&server))).await;
    until("all are accepted", || async {
        server.scrape().await.sum("mcp_sockets_open", &[]) > AT_ONCE as f64
    })
    .await;
    drop(clients);
    server.finish().await;
}

//! Faults of bytes and connections. Times are checked against what a fault claims from below, for
//! nothing makes them shorter, and loosely from above, for a busy machine makes all longer.

use super::{Client, before, fault, injected, server};
use crate::support::{until, within};
use futures_util::{SinkExt as _, StreamExt as _};
use mcp_chaos::{Direction, Kind, Phase, kind};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// How long pings took, from the shortest to the longest.
async fn pings(client: &Client, count: usize) -> Vec<Duration> {
    let mut took = Vec::new();
    for _ in 0..count {
        let from = Instant::now();
        assert_eq!(client.ping().await, 200);
        took.push(from.elapsed());
    }
    took.sort();
    took
}

#[tokio::test]
async fn latency_is_spread_around_its_delay() {
    let server = server().await;
    let proxy = before(&server, vec![]).await;
    let client = Client::open(&proxy).await;
    let latency = kind::latency::Latency { jitter: ms(15), ..kind::latency::Latency::of(ms(25)) };
    proxy.add(fault(Kind::Latency(latency))).expect("added");
    let took = pings(&client, 100).await;
    assert!(took[0] >= ms(10), "none is quicker than 25 - 15 ms: {:?}", took[0]);
    assert!(took[90] >= ms(34), "and a tenth takes 37 ms and more: {:?}", took[90]);
    let spread = took[90] - took[10];
    assert!(spread >= ms(12), "from 13 ms to 37 ms: {spread:?}");
    assert!(took[50] < ms(25 + 200), "half of them: {:?}", took[50]);
    assert_eq!(injected(&proxy), 100, "one for each answer");
    proxy.remove("f").expect("removed");
}

#[tokio::test]
async fn latency_delays_the_pings_of_a_socket_too() {
    let server = server().await;
    let proxy = before(&server, vec![]).await;
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{}/ws", proxy.address()))
        .await
        .expect("a socket");
    let delay = ms(400);
    let latency = kind::latency::Latency::of(delay);
    proxy.add(fault(Kind::Latency(latency)).direction(Direction::Both)).expect("added");
    let from = Instant::now();
    socket.send(Message::Ping("p".into())).await.expect("sent");
    let pong = within(30, "the pong", socket.next()).await.expect("a frame").expect("a frame");
    assert_eq!(pong, Message::Pong("p".into()));
    assert!(from.elapsed() >= 2 * delay, "late each way: {:?}", from.elapsed());
    assert_eq!(injected(&proxy), 0, "they are no messages");
}

#[tokio::test]
async fn bandwidth_lets_so_many_bytes_through_in_a_second() {
    let server = server().await;
    let proxy = before(&server, vec![]).await;
    let client = Client::open(&proxy).await;
    let narrow = kind::bandwidth::Bandwidth { rate: 200_000 };
    proxy.add(fault(Kind::Bandwidth(narrow))).expect("added");
    let (text, from) = ("x".repeat(100_000), Instant::now());
    let answer = client.echo(&text).await.expect("an answer").text().await.expect("a body");
    let took = from.elapsed();
    assert!(answer.contains(&text));
    let rate = answer.len() as f64 / took.as_secs_f64();
    assert!((10_000.0..=201_000.0).contains(&rate), "{rate} bytes a second");
}

#[tokio::test]
async fn so_many_answers_stall_as_segments_are_lost() {
    let server = server().await;
    let proxy = before(&server, vec![]).await;
    let client = Client::open(&proxy).await;
    let loss = kind::loss::Loss { timeout: ms(300), ..kind::loss::Loss::of(0.1) };
    proxy.add(fault(Kind::Loss(loss))).expect("added");
    let took = pings(&client, 100).await;
    let lost = usize::try_from(injected(&proxy)).unwrap();
    assert!((2..=20).contains(&lost), "some 10 of 100: {lost}");
    let stalled = took.iter().filter(|took| **took >= ms(300)).count();
    assert!(stalled >= lost, "each of the {lost} took a timeout: {stalled}");
    assert!(took[100 - lost - 1] < took[100 - lost], "the others did not");
}

#[tokio::test]
async fn a_pause_holds_everything_and_loses_nothing() {
    let server = server().await;
    let proxy = before(&server, vec![]).await;
    let client = Client::open(&proxy).await;
    proxy.add(fault(Kind::Pause(kind::pause::Pause {}))).expect("added");
    let mut asked = std::pin::pin!(client.ping());
    let early = tokio::time::timeout(ms(500), &mut asked).await;
    assert!(early.is_err(), "nothing passes");
    proxy.remove("f").expect("removed");
    assert_eq!(within(30, "the answer", asked).await, 200);
}

#[tokio::test]
async fn a_reset_takes_connections_and_the_session_goes_on() {
    let server = server().await;
    let proxy = before(&server, vec![]).await;
    let client = Client::open(&proxy).await;
    let mut events = proxy.events();
    proxy.add(fault(Kind::Reset(kind::reset::Reset::default()))).expect("added");
    let told = loop {
        let event = within(30, "an event", events.next()).await.expect("an event");
        if event.phase == Phase::Injected {
            break event;
        }
    };
    assert_eq!((told.connection, told.kind), (Some(1), "reset"));
    // What was on its way at that moment may still get through.
    until("every connection is reset", || async { client.send("ping", json!({})).await.is_err() })
        .await;
    proxy.remove("f").expect("removed");
    assert_eq!(client.ping().await, 200, "the server knows the session");
}

#[tokio::test]
async fn who_is_refused_or_not_answered_finds_out_as_it_should() {
    let server = server().await;
    let proxy = before(&server, vec![fault(Kind::Refuse(kind::refuse::Refuse {}))]).await;
    let url = format!("http://{}/health", proxy.address());
    let get = || crate::support::http().get(&url).timeout(ms(500)).send();
    let refused = get().await.expect_err("refused");
    assert!(!refused.is_timeout(), "at once: {refused:?}");
    let silent = kind::half_open::HalfOpen::default();
    proxy.remove("f").expect("removed");
    proxy.add(fault(Kind::HalfOpen(silent))).expect("added");
    let silent = get().await.expect_err("no answer");
    assert!(silent.is_timeout(), "it waits in vain: {silent:?}");
    proxy.remove("f").expect("removed");
    until("it answers again", || async { get().await.is_ok() }).await;
}

#[tokio::test]
async fn a_share_of_connections_is_refused() {
    let server = server().await;
    let refuse = fault(Kind::Refuse(kind::refuse::Refuse {})).share(0.5);
    let proxy = before(&server, vec![refuse]).await;
    let url = format!("http://{}/health", proxy.address());
    let mut refused = 0;
    for _ in 0..60 {
        refused += u64::from(crate::support::http().get(&url).send().await.is_err());
    }
    assert_eq!(refused, injected(&proxy));
    assert!((15..=45).contains(&refused), "half of 60: {refused}");
}

//! The server goes away and comes back: what becomes of calls, session and lists.

use super::server::{Does, Place, config, list_changed, returned, stands, start};
use crate::support::{call, until};
use mcp_client::{
    Client, ClientError, ClientEvent, List, OutCall, Ran, Return, State, Terms, Unfinished,
};
use mcp_protocol::Payload;
use std::time::Duration;
use tokio::{task::JoinSet, time::Instant};

fn tool(name: &str) -> OutCall {
    call("tools/call", &format!(r#"{{"name":"{name}"}}"#))
}

fn within(deadline: Duration) -> Terms {
    Terms { deadline, ..Terms::default() }
}

const REPEATABLE: Terms =
    Terms { deadline: Duration::from_secs(30), may_repeat: true, progress_extends: false };

/// Makes the client notice that the server is away: it is asked something.
async fn parked(client: &Client, calls: &mut JoinSet<Result<Payload, ClientError>>) {
    let (client, waiting) = (client.clone(), client.stats().waiting);
    let asking = client.clone();
    calls.spawn(async move { asking.call(tool("a"), Terms::default()).await });
    until("the call waits", || client.stats().waiting > waiting).await;
}

#[tokio::test]
async fn calls_wait_for_a_server_that_is_away_and_the_session_goes_on() {
    let mut place = Place::new();
    let (client, _) = start(config(&place));
    let mut events = client.events();
    let mut calls = JoinSet::new();
    parked(&client, &mut calls).await;
    assert_eq!(client.state(), State::Connecting);
    place.up().await;
    calls.join_next().await.expect("one").expect("no panic").expect("an answer").expect("a result");
    assert_eq!(client.state(), State::Connected);
    place.down();
    for _ in 0..3 {
        parked(&client, &mut calls).await;
    }
    assert_eq!(client.state(), State::Reconnecting);
    place.up().await;
    while let Some(ended) = calls.join_next().await {
        ended.expect("no panic").expect("an answer").expect("a result");
    }
    let how = returned(&mut events).await;
    assert!(matches!(how, (Return::Resumed, 1..)), "{how:?}");
    assert_eq!((place.asked("initialize"), place.asked("tools/call")), (1, 4));
    client.close().await;
    assert_eq!(client.state(), State::Disconnected);
    let closed = client.call(tool("a"), Terms::default()).await.expect_err("closed");
    assert_eq!(closed.ran(), Ran::No);
}

#[tokio::test]
async fn a_new_session_has_what_the_old_one_had_before_calls_use_it() {
    let mut place = Place::new();
    place.up().await;
    let (client, _) = start(config(&place));
    let mut events = client.events();
    for (method, params) in
        [("logging/setLevel", r#"{"level":"debug"}"#), ("resources/subscribe", r#"{"uri":"a:1"}"#)]
    {
        client.call(call(method, params), Terms::default()).await.expect("sent").expect("granted");
    }
    until("its tools are known", || place.asked("resources/templates/list") > 0).await;
    let before = place.methods().len();
    place.set(|server| (server.session, server.tools) = ("s2", vec!["b", "c"]));
    client.call(tool("a"), Terms::default()).await.expect("an answer").expect("a result");
    let methods = place.methods().split_off(before);
    let expected = [
        "tools/call",
        "initialize",
        "notifications/initialized",
        "logging/setLevel",
        "resources/subscribe",
        "tools/call",
    ];
    assert_eq!(methods, expected);
    let how = returned(&mut events).await.0;
    assert_eq!(how, Return::Reinitialized);
    let change = list_changed(&mut events).await;
    assert_eq!(
        (change.list, change.added, change.removed),
        (List::Tools, vec!["c".into()], vec!["a".into()])
    );
}

#[tokio::test]
async fn what_may_have_run_is_sent_again_only_if_that_does_no_harm() {
    let mut place = Place::new();
    place.up().await;
    let (client, _) = start(config(&place));
    stands(&client, State::Connected).await;
    place.set(|server| server.call = Does::Break);
    let lost = client.call(tool("a"), Terms::default()).await.expect_err("no answer");
    assert_eq!(lost.ran(), Ran::Unknown);
    assert!(matches!(lost, ClientError::Unfinished(Unfinished::Unknown(_))), "{lost:?}");
    assert_eq!(place.asked("tools/call"), 1);
    let again = client.clone();
    let again =
        tokio::task::JoinSet::from_iter([async move { again.call(tool("a"), REPEATABLE).await }]);
    until("it is sent again", || place.asked("tools/call") >= 3).await;
    place.set(|server| server.call = Does::Answer);
    for ended in again.join_all().await {
        ended.expect("an answer").expect("a result");
    }
    let stats = client.stats();
    assert_eq!(stats.refused_unsafe, 1);
    assert_eq!(stats.resent as usize, place.asked("tools/call") - 2);
}

#[tokio::test]
async fn no_call_outlives_its_deadline() {
    let mut place = Place::new();
    let (client, _) = start(config(&place));
    let soon = within(Duration::from_millis(100));
    let began = Instant::now();
    let away = client.call(tool("a"), soon).await.expect_err("nobody there");
    assert!(matches!(away, ClientError::Unfinished(Unfinished::Away { .. })), "{away:?}");
    assert_eq!(away.ran(), Ran::No);
    place.set(|server| server.call = Does::Hang);
    place.up().await;
    stands(&client, State::Connected).await;
    let silent = client.call(tool("a"), soon).await.expect_err("no answer");
    assert!(matches!(silent, ClientError::Unfinished(Unfinished::NoAnswer { .. })), "{silent:?}");
    assert_eq!(silent.ran(), Ran::Unknown);
    assert!(began.elapsed() < Duration::from_secs(20));
    until("the server is told", || place.asked("notifications/cancelled") == 1).await;
}

#[tokio::test]
async fn who_asks_nothing_notices_too_and_hears_again_when_the_server_is_back() {
    let mut place = Place::new();
    place.set(|server| server.speaks = true);
    place.up().await;
    let (client, _) = start(config(&place));
    stands(&client, State::Connected).await;
    until("the stream is open", || place.requests("GET") == 1).await;
    place.down();
    stands(&client, State::Reconnecting).await;
    place.up().await;
    stands(&client, State::Connected).await;
    until("the stream is open again", || place.requests("GET") == 2).await;
    assert_eq!(place.asked("initialize"), 1);
}

#[tokio::test]
async fn what_may_have_run_once_is_never_said_not_to_have_run() {
    let mut place = Place::new();
    place.set(|server| server.call = Does::Break);
    place.up().await;
    let (client, _) = start(config(&place));
    stands(&client, State::Connected).await;
    let terms = Terms { deadline: Duration::from_secs(2), ..REPEATABLE };
    let caller = client.clone();
    let mut calls = JoinSet::from_iter([async move { caller.call(tool("a"), terms).await }]);
    until("it was sent", || place.asked("tools/call") > 0).await;
    place.down();
    let error = calls.join_next().await.expect("one").expect("no panic").expect_err("no answer");
    assert_eq!(error.ran(), Ran::Unknown, "{error:?}");
}

#[tokio::test]
async fn a_server_that_does_not_take_an_old_wish_is_connected_to_all_the_same() {
    let mut place = Place::new();
    place.up().await;
    let (client, _) = start(config(&place));
    let subscribe = call("resources/subscribe", r#"{"uri":"a:1"}"#);
    client.call(subscribe, Terms::default()).await.expect("an answer").expect("a result");
    let mut events = client.events();
    place.set(|server| {
        server.session = "s2";
        server.ignores = Some("resources/subscribe");
    });
    client.call(tool("a"), Terms::default()).await.expect("an answer").expect("a result");
    let what = loop {
        if let ClientEvent::NotRestored { method, .. } = events.recv().await.expect("an event") {
            break method;
        }
    };
    assert_eq!(what, "resources/subscribe");
}

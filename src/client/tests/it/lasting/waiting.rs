//! What waits for the server: in order, within bounds, and never lost without a word.

use super::server::{Does, Place, config, event, stands, start};
use crate::support::{Memory, call, until};
use mcp_client::{
    ClientConfig, ClientError, ClientEvent, OutCall, QueueRule, Ran, State, Terms, Unfinished,
};
use mcp_protocol::raw_value;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::task::JoinSet;

fn numbered(number: usize) -> OutCall {
    call("tools/call", &format!(r#"{{"name":"n{number}"}}"#))
}

#[tokio::test]
async fn those_that_wait_go_one_after_the_other_and_what_does_not_fit_is_told_so() {
    let mut place = Place::new();
    let queue = QueueRule { messages: 5, message_bytes: 100, ..QueueRule::default() };
    let (client, _) = start(ClientConfig { queue: Some(queue), ..config(&place) });
    let mut calls = JoinSet::new();
    for number in 0..5 {
        let asking = client.clone();
        calls.spawn(async move { asking.call(numbered(number), Terms::default()).await });
        until("it waits", || client.stats().waiting == number + 1).await;
    }
    let full = client.call(numbered(5), Terms::default()).await.expect_err("no place");
    assert_eq!(full, ClientError::Unfinished(Unfinished::QueueFull { messages: 5 }));
    let large = call("tools/call", &json!({ "name": "x".repeat(200) }).to_string());
    let large = client.call(large, Terms::default()).await.expect_err("too large to wait");
    assert!(matches!(large, ClientError::Unfinished(Unfinished::TooLargeToWait { .. })));
    assert_eq!((full.ran(), large.ran()), (Ran::No, Ran::No));
    place.up().await;
    while let Some(ended) = calls.join_next().await {
        ended.expect("no panic").expect("an answer").expect("a result");
    }
    assert_eq!((place.asked("tools/call"), client.stats().waiting), (5, 0));
}

#[tokio::test]
async fn notifications_wait_in_order_and_one_that_is_dropped_is_told() {
    let mut place = Place::new();
    let queue = QueueRule { messages: 3, ..QueueRule::default() };
    let (client, _) = start(ClientConfig { queue: Some(queue), ..config(&place) });
    let note = |number: usize| client.notify("test/note", Some(raw_value(&json!({ "n": number }))));
    note(0).expect("a place");
    // The first is taken up by the task that sends them; the others wait behind it.
    let mut taken = 1;
    while note(taken).is_ok() {
        taken += 1;
        assert!(taken < 10, "there is no bound");
        tokio::task::yield_now().await;
    }
    assert!(taken >= 3, "{taken}");
    place.up().await;
    until("all are sent", || place.asked("test/note") == taken).await;
    let numbers = place.params_of("test/note");
    let expected: Vec<_> = (0..taken).map(|number| format!(r#"{{"n":{number}}}"#)).collect();
    assert_eq!(numbers, expected);
    let mut events = client.events();
    place.set(|server| server.gate = Some("500 Internal Server Error"));
    client.notify("test/lost", None).expect("a place");
    let method = event(&mut events, |event| {
        if let ClientEvent::Dropped { method, .. } = event { Some(method) } else { None }
    })
    .await;
    assert_eq!((method.as_str(), client.stats().dropped), ("test/lost", 1));
}

#[tokio::test]
async fn progress_puts_the_deadline_off_where_it_is_asked_to() {
    let mut place = Place::new();
    place.set(|server| server.call = Does::Progress(16));
    place.up().await;
    let (client, _) = start(config(&place));
    stands(&client, State::Connected).await;
    let short = Terms { deadline: Duration::from_millis(400), ..Terms::default() };
    let late = client.call(numbered(0), short).await.expect_err("too slow");
    assert!(matches!(late, ClientError::Unfinished(Unfinished::NoAnswer { .. })), "{late:?}");
    let memory = Arc::new(Memory::default());
    let extended = Terms { progress_extends: true, ..short };
    let asked = OutCall { sink: Some(Arc::clone(&memory) as _), ..numbered(1) };
    client.call(asked.clone(), extended).await.expect("an answer").expect("a result");
    assert!(memory.names().is_empty(), "it did not ask for progress");
    let asked = OutCall { progress: true, ..asked };
    client.call(asked, extended).await.expect("an answer").expect("a result");
    until("progress came", || memory.names().len() == 16).await;
}

#[tokio::test]
async fn who_waits_is_told_when_the_client_is_closed_or_dropped() {
    let place = Place::new();
    let (client, _) = start(config(&place));
    let asking = client.clone();
    let mut calls = JoinSet::new();
    calls.spawn(async move { asking.call(numbered(0), Terms::default()).await });
    until("it waits", || client.stats().waiting == 1).await;
    client.close().await;
    let ended = calls.join_next().await.expect("one").expect("no panic").expect_err("closed");
    assert_eq!(ended.ran(), Ran::No);
    assert!(client.notify("test/note", None).is_err());
    let mut place = Place::new();
    place.up().await;
    let (client, _) = start(config(&place));
    stands(&client, State::Connected).await;
    drop(client);
    until("the session is deleted", || place.deletions() == 1).await;
}

#[tokio::test]
async fn notifications_that_are_left_at_the_end_are_told() {
    let place = Place::new();
    let (client, _) = start(config(&place));
    let mut events = client.events();
    for number in 0..3 {
        client.notify(format!("test/{number}"), None).expect("a place");
    }
    client.close().await;
    let mut dropped = Vec::new();
    for _ in 0..3 {
        let told = event(&mut events, |event| {
            if let ClientEvent::Dropped { method, why } = event {
                Some((method, why))
            } else {
                None
            }
        });
        let (method, why) = told.await;
        assert!(matches!(why, ClientError::Closed { .. }), "{why:?}");
        dropped.push(method);
    }
    assert_eq!(dropped, ["test/0", "test/1", "test/2"]);
    assert_eq!(client.stats().dropped, 3);
}

#[tokio::test]
async fn no_call_waits_longer_than_the_queue_lets_it() {
    let place = Place::new();
    let longest = Duration::from_millis(200);
    let queue = QueueRule { longest, ..QueueRule::default() };
    let (client, _) = start(ClientConfig { queue: Some(queue), ..config(&place) });
    let away = client.call(numbered(0), Terms::default()).await.expect_err("nobody there");
    let ClientError::Unfinished(Unfinished::Away { waited, .. }) = &away else {
        panic!("{away:?}")
    };
    assert!(*waited >= longest && *waited < Terms::default().deadline, "{waited:?}");
    assert_eq!((away.ran(), client.stats().waiting), (Ran::No, 0));
}

//! What sets something: the last word counts, and there is room for other calls beside it.

use super::server::{Place, config, returned, stands, start};
use crate::support::{call, until};
use mcp_client::{Client, ClientConfig, ClientError, OutCall, QueueRule, State, Terms, Unfinished};
use mcp_protocol::Payload;
use std::time::Duration;
use tokio::task::JoinSet;

type Calls = JoinSet<Result<Payload, ClientError>>;

fn level(level: &str) -> OutCall {
    call("logging/setLevel", &format!(r#"{{"level":"{level}"}}"#))
}

fn subscribe(uri: &str) -> OutCall {
    call("resources/subscribe", &format!(r#"{{"uri":"{uri}"}}"#))
}

fn ask(client: &Client, calls: &mut Calls, asked: OutCall, terms: Terms) {
    let client = client.clone();
    calls.spawn(async move { client.call(asked, terms).await });
}

#[tokio::test]
async fn of_two_words_on_the_same_thing_the_second_waits_for_the_first() {
    let mut place = Place::new();
    place.set(|server| server.ignores = Some("logging/setLevel"));
    let (client, _) = start(config(&place));
    let mut events = client.events();
    let (mut calls, mut second) = (Calls::new(), Calls::new());
    // Both are given while the server is away.
    let short = Terms { deadline: Duration::from_secs(2), ..Terms::default() };
    ask(&client, &mut calls, level("debug"), short);
    until("the first waits", || client.stats().waiting == 1).await;
    ask(&client, &mut second, level("error"), Terms::default());
    ask(&client, &mut calls, subscribe("a:1"), Terms::default());
    until("what is about something else waits beside it", || client.stats().waiting == 2).await;
    place.up().await;
    until("the first is on its way", || place.asked("logging/setLevel") == 1).await;
    client.call(subscribe("b:2"), Terms::default()).await.expect("an answer").expect("a result");
    assert_eq!(place.params_of("logging/setLevel"), [r#"{"level":"debug"}"#]);
    place.set(|server| server.ignores = None);
    let ended = second.join_next().await.expect("one").expect("no panic");
    ended.expect("an answer").expect("a result");
    let levels = place.params_of("logging/setLevel");
    assert_eq!(levels, [r#"{"level":"debug"}"#, r#"{"level":"error"}"#]);
    let ends = calls.join_all().await;
    assert_eq!(ends.iter().filter(|end| end.is_err()).count(), 1, "the first alone: {ends:?}");
    // A new session has the last word.
    place.set(|server| server.session = "s2");
    client.call(call("tools/call", "{}"), Terms::default()).await.expect("sent").expect("a result");
    let _how = returned(&mut events).await;
    assert_eq!(place.params_of("logging/setLevel").last(), levels.last());
    assert_eq!(place.asked("logging/setLevel"), 3);
}

#[tokio::test]
async fn however_much_is_wished_for_other_calls_have_room() {
    let mut place = Place::new();
    let queue = QueueRule { messages: 4, ..QueueRule::default() };
    let (client, _) = start(ClientConfig { queue: Some(queue), ..config(&place) });
    let mut calls = Calls::new();
    for number in 1..=2 {
        ask(&client, &mut calls, subscribe(&format!("a:{number}")), Terms::default());
        until("it waits", || client.stats().waiting == number).await;
    }
    let full = client.call(subscribe("a:3"), Terms::default()).await.expect_err("no place");
    assert!(matches!(full, ClientError::Unfinished(Unfinished::QueueFull { .. })), "{full:?}");
    for number in 3..=4 {
        ask(&client, &mut calls, call("tools/call", "{}"), Terms::default());
        until("it waits", || client.stats().waiting == number).await;
    }
    place.up().await;
    stands(&client, State::Connected).await;
    for ended in calls.join_all().await {
        ended.expect("an answer").expect("a result");
    }
}

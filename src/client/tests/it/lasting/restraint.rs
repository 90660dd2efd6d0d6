//! What the client does not do: hammer a server, try credentials again and again, look away.

use super::server::{Does, Place, config, event, stands, start};
use crate::support::{call, until};
use mcp_client::{
    Backoff, BreakerRule, BudgetRule, ClientConfig, ClientError, ClientEvent, ConnectionRate,
    ErrorKind, Pulse, Ran, State, Terms, Unfinished,
};
use std::time::Duration;
use tokio::time::Instant;

const FAST: Duration = Duration::from_millis(20);

#[tokio::test]
async fn refused_credentials_are_not_tried_again_until_the_user_says_so() {
    let mut place = Place::new();
    place.set(|server| server.gate = Some("401 Unauthorized"));
    place.up().await;
    let (client, _) = start(config(&place));
    stands(&client, State::Failed).await;
    for _ in 0..3 {
        let refused =
            client.call(call("tools/list", "{}"), Terms::default()).await.expect_err("no way in");
        assert!(matches!(refused, ClientError::Unfinished(Unfinished::GivenUp { .. })));
        assert_eq!((refused.kind(), refused.ran()), (ErrorKind::Authentication, Ran::No));
    }
    assert_eq!(client.stats().attempts, 1);
    place.set(|server| server.gate = None);
    client.reconnect_now();
    stands(&client, State::Connected).await;
    assert_eq!(client.stats().attempts, 2);
}

#[tokio::test]
async fn a_server_that_is_given_up_is_tried_when_a_call_wants_it() {
    let mut place = Place::new();
    let backoff = Backoff { first: FAST, longest: FAST, attempts: Some(3), ..Backoff::default() };
    let (client, _) = start(ClientConfig { backoff, ..config(&place) });
    stands(&client, State::Failed).await;
    assert_eq!(client.stats().attempts, 3);
    let given_up =
        client.call(call("tools/list", "{}"), Terms::default()).await.expect_err("nobody there");
    assert!(matches!(given_up, ClientError::Unfinished(Unfinished::GivenUp { .. })));
    assert_eq!((given_up.kind(), client.stats().attempts), (ErrorKind::Network, 4));
    place.up().await;
    client
        .call(call("tools/list", "{}"), Terms::default())
        .await
        .expect("an answer")
        .expect("a result");
    assert_eq!(client.state(), State::Connected);
}

#[tokio::test]
async fn there_are_no_more_tries_than_the_rate_allows() {
    let place = Place::new();
    let rate = ConnectionRate { tries: 4, within: Duration::from_secs(3_600) };
    let (client, _) = start(ClientConfig { connection_rate: Some(rate), ..config(&place) });
    until("all tries are made", || client.stats().attempts == 4).await;
    client.reconnect_now();
    let soon = Terms { deadline: Duration::from_millis(300), ..Terms::default() };
    let away = client.call(call("tools/list", "{}"), soon).await.expect_err("nobody there");
    assert_eq!((away.ran(), client.stats().attempts), (Ran::No, 4));
}

#[tokio::test]
async fn a_server_that_fails_again_and_again_is_left_alone_for_a_while() {
    let mut place = Place::new();
    let pause = Duration::from_millis(700);
    let breaker = BreakerRule { failures: 3, pause };
    let (client, _) = start(ClientConfig { breaker: Some(breaker), ..config(&place) });
    until("the breaker opens", || client.stats().failures == 3).await;
    let opened = Instant::now();
    place.up().await;
    stands(&client, State::Connected).await;
    assert!(opened.elapsed() > pause / 2, "{:?}", opened.elapsed());
    assert_eq!((client.stats().attempts, client.stats().successes), (4, 1));
}

#[tokio::test]
async fn a_server_that_only_looks_alive_is_found_and_returned_to() {
    let mut place = Place::new();
    place.up().await;
    let pulse =
        Pulse { every: Duration::from_millis(50), within: Duration::from_millis(400), misses: 2 };
    let (client, _) = start(ClientConfig { health: Some(pulse), ..config(&place) });
    let mut events = client.events();
    until("its latency is known", || client.stats().latency.is_some()).await;
    place.set(|server| server.silent = true);
    let why = event(&mut events, |event| {
        if let ClientEvent::State { to: State::Reconnecting, why, .. } = event { why } else { None }
    })
    .await;
    assert_eq!(why.kind(), ErrorKind::Timeout);
    place.set(|server| server.silent = false);
    stands(&client, State::Connected).await;
    let stats = client.stats();
    assert!(stats.lost_pings >= 2 && stats.pings > stats.lost_pings, "{stats:?}");
}

#[tokio::test]
async fn what_is_switched_off_does_nothing() {
    let mut place = Place::new();
    place.up().await;
    let off = ClientConfig {
        queue: None,
        health: None,
        monitoring: None,
        lists: false,
        ..config(&place)
    };
    let (client, _) = start(off);
    stands(&client, State::Connected).await;
    place.down();
    for _ in 0..2 {
        let away = client.call(call("tools/list", "{}"), Terms::default()).await.expect_err("away");
        assert!(matches!(away, ClientError::Unfinished(Unfinished::Away { .. })), "{away:?}");
    }
    assert!(client.notify("notifications/roots/list_changed", None).is_err());
    assert_eq!((place.asked("ping"), place.asked("tools/list")), (0, 0));
}

#[tokio::test]
async fn the_figures_are_told_and_add_up() {
    let mut place = Place::new();
    place.up().await;
    let every = Some(Duration::from_millis(50));
    let (client, _) = start(ClientConfig { monitoring: every, lists: false, ..config(&place) });
    let mut events = client.events();
    let params = r#"{"name":"a"}"#;
    client.call(call("tools/call", params), Terms::default()).await.expect("sent").expect("done");
    let stats = event(&mut events, |event| {
        if let ClientEvent::Stats(stats) = event
            && stats.received.messages > 0
        {
            Some(stats)
        } else {
            None
        }
    })
    .await;
    assert_eq!((stats.attempts, stats.successes, stats.failures), (1, 1, 0));
    assert_eq!((stats.sent.messages, stats.sent.bytes), (1, params.len() as u64));
    assert_eq!((stats.received.messages, stats.received.bytes), (1, 2));
    assert!(stats.mean_connect.is_some() && stats.uptime > Duration::ZERO, "{stats:?}");
}

#[tokio::test]
async fn a_server_that_forgets_every_session_gets_a_call_a_few_times_and_no_more() {
    let mut place = Place::new();
    place.set(|server| server.forgets = true);
    place.up().await;
    let backoff = Backoff { first: FAST, longest: FAST, attempts: Some(6), ..Backoff::default() };
    let (client, _) = start(ClientConfig { backoff, ..config(&place) });
    let lost =
        client.call(call("tools/call", "{}"), Terms::default()).await.expect_err("no session");
    assert_eq!(lost.ran(), Ran::No, "{lost:?}");
    // What listens and lists in the background finds the session gone, too: it is given up.
    stands(&client, State::Failed).await;
    let (calls, sessions) = (place.asked("tools/call"), place.asked("initialize"));
    assert!(calls <= 5 && (6..=8).contains(&sessions), "{calls} calls, {sessions} sessions");
}

#[tokio::test]
async fn what_may_be_sent_again_is_bounded_by_the_budget() {
    let mut place = Place::new();
    place.set(|server| server.call = Does::Break);
    place.up().await;
    let budget = BudgetRule { share: 0.0, reserve: 1 };
    let (client, _) = start(ClientConfig { budget: Some(budget), ..config(&place) });
    stands(&client, State::Connected).await;
    let terms = Terms { may_repeat: true, ..Terms::default() };
    for sent in [2, 3] {
        let lost = client.call(call("tools/call", "{}"), terms).await.expect_err("no answer");
        assert_eq!(lost.ran(), Ran::Unknown);
        // The first may have had its second chance; what it spent comes back in a second.
        assert!(place.asked("tools/call") >= sent);
    }
    assert!(place.asked("tools/call") <= 4 && client.stats().resent <= 2);
}

//! A restart of ours is for such a session like any other lost socket, and what a crash has lost
//! is told.

use super::{Client, calls_ended, came_back, progress, server_with};
use crate::support::{Server, Setup, assert_sums, text, until};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// The answers among messages; all others are news of lists.
fn answers(messages: &[Value]) -> Vec<&Value> {
    let (news, answers): (Vec<_>, Vec<_>) =
        messages.iter().partition(|message| message.get("method").is_some());
    for news in news {
        let method = news["method"].as_str().expect("a name");
        assert!(method.ends_with("list_changed"), "{news}");
    }
    answers
}

/// News may come; beside them only the answer to a ping is left.
async fn counts_on(server: &Server, client: &mut Client) {
    let id = client.send(server, "ping", json!({})).await;
    let messages = client.up_to(id).await;
    assert_eq!(answers(&messages).len(), 1, "{messages:?}");
}

#[tokio::test]
async fn after_a_clean_stop_both_counts_go_on() {
    let mut server = server_with(Setup::new().set("drain", 0.5)).await;
    let mut client = Client::open(&server).await;
    let id = client.call(&server, "fix__count_progress", json!({"steps": 5, "delay_ms": 40})).await;
    let first = client.next().await;
    let way = client.cut(&server).await;
    calls_ended(&server, 1.0).await;
    let mut attached = Client::open(&server).await;
    let running = attached.call(&server, "fix__sleep", json!({"ms": 60_000})).await;
    attached.nothing_more(&server).await;
    let (code, ()) = tokio::join!(attached.close_code(), server.start_again("TERM"));
    assert_eq!(code, Some(CloseCode::Away));
    let other = attached.way;
    server.upstreams(&["fix"], "connected").await;

    let mut client = Client::back(&server, &way).await;
    assert_eq!(client.told["received"], way.sent);
    let mut seen = vec![first];
    seen.extend(client.up_to(id).await);
    assert_eq!(progress(&seen).last(), Some(&5.0), "{seen:?}");
    assert!(progress(&seen).is_sorted_by(|one, next| one < next), "{seen:?}");
    let mut attached = Client::back(&server, &other).await;
    assert_eq!(attached.told["received"], other.sent);
    let messages = attached.up_to(running).await;
    let [lost] = answers(&messages)[..] else { panic!("{messages:?}") };
    let code = &lost["result"]["_meta"]["mcp-orchestrator/code"];
    assert_eq!(code, "outcome_unknown", "a call that the stop has cut");
    counts_on(&server, &mut attached).await;
    let way = attached.cut_one(&server, 1.0).await;
    let mut attached = Client::back(&server, &way).await;
    assert_eq!(attached.told["received"], way.sent);
    counts_on(&server, &mut attached).await;
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("mcp_sessions_restored_total", &[("outcome", "restored")]), 2.0);
    assert_eq!(came_back(&scrape, "resumed"), 3.0);
    assert_sums(&scrape);
}

#[tokio::test]
async fn after_a_crash_the_server_says_that_it_does_not_know() {
    let mut server = server_with(Setup::new()).await;
    let mut plain = Client::hello(&server, Value::Null, server.token()).await;
    plain.say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    plain.nothing_more(&server).await;
    let mut client = Client::open(&server).await;
    let finished = client.call(&server, "fix__sleep", json!({"ms": 300})).await;
    let running = client.call(&server, "fix__sleep", json!({"ms": 60_000})).await;
    client.nothing_more(&server).await;
    let way = client.cut_one(&server, 1.0).await;
    calls_ended(&server, 1.0).await;
    // What a crash may lose is the last moment.
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.start_again("KILL").await;
    server.upstreams(&["fix"], "connected").await;

    let mut client = Client::back(&server, &way).await;
    assert_eq!(client.told["received"], Value::Null, "nobody knows");
    let messages = client.up_to(running).await;
    let [result, lost] = answers(&messages)[..] else { panic!("{messages:?}") };
    assert_eq!(result["id"], finished);
    assert_eq!(text(&result["result"]), "slept 300 ms");
    assert_eq!(lost["result"]["_meta"]["mcp-orchestrator/code"], "outcome_unknown", "{lost}");
    // From the first frame that it sends now, both count anew.
    client.way.sent = 0;
    counts_on(&server, &mut client).await;
    let way = client.cut(&server).await;
    let mut client = Client::back(&server, &way).await;
    assert_eq!(client.told["received"], way.sent);
    counts_on(&server, &mut client).await;
    let scrape = server.scrape().await;
    let restored = scrape.sum("mcp_sessions_restored_total", &[("outcome", "restored")]);
    assert_eq!(restored, 1.0, "a plain session has ended with its socket");
    assert_sums(&scrape);
    drop(plain);
}

#[tokio::test]
async fn a_crash_while_the_client_was_away_for_long_loses_nothing_either() {
    let mut server = server_with(Setup::new().set("limits.session_idle", 0.6)).await;
    let mut client = Client::open(&server).await;
    let id = client.call(&server, "fix__sleep", json!({"ms": 200})).await;
    let way = client.cut(&server).await;
    until("it is put away", || async {
        super::ended(&server.scrape().await, "client_gone") == 1.0
    })
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.start_again("KILL").await;
    server.upstreams(&["fix"], "connected").await;
    let mut client = Client::back(&server, &way).await;
    assert_eq!(client.told["received"], way.sent, "nothing came after it was put away");
    let messages = client.up_to(id).await;
    assert_eq!(text(&answers(&messages)[0]["result"]), "slept 200 ms");
    assert_sums(&server.scrape().await);
}

//! What happens while the client is away reaches it when it is back: all of it, in order, once.

use super::{Client, calls_ended, came_back, ended, progress, server_with, sockets};
use crate::support::{Setup, text, until};
use futures_util::StreamExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

#[tokio::test]
async fn a_client_cut_in_mid_call_gets_the_rest_in_order_and_once() {
    let server = server_with(Setup::new()).await;
    let mut client = Client::open(&server).await;
    let steps = json!({"steps": 6, "delay_ms": 60});
    let id = client.call(&server, "fix__count_progress", steps).await;
    let mut seen = vec![client.next().await];
    let way = client.cut(&server).await;
    calls_ended(&server, 1.0).await;
    // Its socket is lost twice more before it has read on.
    for _ in 0..2 {
        let mut lost = Client::back(&server, &way).await;
        assert_eq!(lost.told["received"], way.sent);
        lost.next().await;
        lost.cut(&server).await;
    }
    let mut client = Client::back(&server, &way).await;
    seen.extend(client.up_to(id).await);
    let reports = progress(&seen);
    assert!(reports.is_sorted_by(|one, next| one < next), "in order and once: {seen:?}");
    assert_eq!((reports.first(), reports.last()), (Some(&1.0), Some(&6.0)), "{seen:?}");
    assert_eq!(reports.len(), seen.len() - 1, "{seen:?}");
    client.nothing_more(&server).await;
    // What it has read by now does not come again.
    let way = client.cut(&server).await;
    let mut client = Client::back(&server, &way).await;
    assert_eq!(client.told["received"], way.sent);
    client.nothing_more(&server).await;
    let scrape = server.scrape().await;
    assert_eq!(came_back(&scrape, "resumed"), 4.0);
    assert!(scrape.sum("mcp_stream_replayed_events_total", &[("transport", "websocket")]) >= 6.0);
    assert_eq!(scrape.sum("mcp_connections_total", &[("status", "accepted")]), 1.0);
    assert_eq!(scrape.sum("mcp_disconnections_total", &[]), 0.0);
    client.stream.close(None).await.unwrap();
    until("it ended", || async { ended(&server.scrape().await, "client_closed") == 1.0 }).await;
    server.finish().await;
}

#[tokio::test]
async fn several_calls_run_on_while_the_client_is_away() {
    let server = server_with(Setup::new()).await;
    let mut client = Client::open(&server).await;
    let mut ids = Vec::new();
    for ms in [3_000, 2_900, 2_800] {
        ids.push(client.call(&server, "fix__sleep", json!({"ms": ms})).await);
    }
    until("they are in flight", || async {
        server.scrape().await.sum("mcp_requests_in_flight", &[("method", "tools/call")]) == 3.0
    })
    .await;
    let way = client.cut(&server).await;
    calls_ended(&server, 3.0).await;
    let mut client = Client::back(&server, &way).await;
    let mut answered = Vec::new();
    for _ in 0..3 {
        let answer = client.next().await;
        assert!(text(&answer["result"]).starts_with("slept"), "{answer}");
        answered.push(answer["id"].as_u64().expect("a number"));
    }
    answered.sort_unstable();
    assert_eq!(answered, ids);
    client.nothing_more(&server).await;
    client.stream.close(None).await.unwrap();
    server.finish().await;
}

#[tokio::test]
async fn a_second_connection_supersedes_the_first() {
    let server = server_with(Setup::new()).await;
    let mut first = Client::open(&server).await;
    let id = first.call(&server, "fix__sleep", json!({"ms": 700})).await;
    first.nothing_more(&server).await;
    let mut second = Client::back(&server, &first.way).await;
    assert_eq!(first.close_code().await, Some(CloseCode::Library(4001)));
    let answer = second.up_to(id).await;
    assert_eq!(text(&answer[0]["result"]), "slept 700 ms", "{answer:?}");
    drop(first);
    second.nothing_more(&server).await;
    let scrape = server.scrape().await;
    assert_eq!(came_back(&scrape, "resumed"), 1.0);
    assert_eq!(scrape.sum("mcp_disconnections_total", &[]), 0.0, "the session did not end");
    assert_eq!(scrape.sum("mcp_active_sessions", &[]), 1.0);
    second.stream.close(None).await.unwrap();
    until("it ended", || async { ended(&server.scrape().await, "client_closed") == 1.0 }).await;
    server.finish().await;
}

#[tokio::test]
async fn a_client_that_says_it_has_less_gets_the_same_frames() {
    let server = server_with(Setup::new()).await;
    let mut client = Client::open(&server).await;
    let steps = json!({"steps": 3, "delay_ms": 5});
    let id = client.call(&server, "fix__count_progress", steps).await;
    let heard = client.up_to(id).await;
    assert_eq!(progress(&heard).len(), 3, "{heard:?}");
    client.way.received -= 4;
    let way = client.cut(&server).await;
    let mut client = Client::back(&server, &way).await;
    assert_eq!(client.up_to(id).await, heard, "the same frames");
    client.stream.close(None).await.unwrap();
    server.finish().await;
}

#[tokio::test]
async fn a_session_whose_client_stays_away_is_put_away_and_revived() {
    let setup = Setup::new().set("limits.session_idle", 0.6);
    let server = server_with(setup).await;
    let mut client = Client::open(&server).await;
    let id = client.call(&server, "fix__sleep", json!({"ms": 300})).await;
    let way = client.cut(&server).await;
    until("it is put away", || async { ended(&server.scrape().await, "client_gone") == 1.0 }).await;
    let mut client = Client::back(&server, &way).await;
    assert_eq!(client.told["received"], way.sent);
    let messages = client.up_to(id).await;
    assert_eq!(text(&messages[0]["result"]), "slept 300 ms", "{messages:?}");
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("mcp_sessions_restored_total", &[("outcome", "revived")]), 1.0);
    assert_eq!((came_back(&scrape, "resumed"), came_back(&scrape, "refused")), (1.0, 0.0));
    // Once more, and in the same process: its numbers go on.
    let way = client.cut(&server).await;
    until("it is put away", || async { ended(&server.scrape().await, "client_gone") == 2.0 }).await;
    let mut client = Client::back(&server, &way).await;
    assert_eq!(client.told["received"], way.sent);
    let id = client.send(&server, "ping", json!({})).await;
    client.up_to(id).await;
    client.stream.close(None).await.unwrap();
    while client.stream.next().await.is_some() {}
    sockets(&server, 0.0).await;
    crate::support::assert_sums(&server.scrape().await);
}

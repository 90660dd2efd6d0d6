//! How fast requests may come.

use super::{CI, ask, bye, guarded, hello};
use crate::support::{Modern, Reply, http, modern_meta, until};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

#[tokio::test]
async fn who_asks_too_fast_is_told_when_to_come_back() {
    let server = guarded()
        .set("limits.rate.per_principal", 1)
        .set("limits.rate.per_principal_burst", 3)
        .start()
        .await;
    let welcome = hello(&server, CI).await;
    let session = welcome.header("mcp-session-id").to_owned();
    let mut refused = Vec::new();
    server.sent("initialize");
    while refused.len() < 2 {
        server.sent("ping");
        let reply = ask(&server, CI, &session, "ping", json!({})).await;
        if reply.status == 429 {
            refused.push(reply);
        }
    }
    let error = refused[0].json();
    assert_eq!(refused[0].header("retry-after"), "1");
    assert_eq!((&error["id"], &error["error"]["code"]), (&json!(2), &json!(1429)));
    assert_eq!(error["error"]["data"]["code"], "rate_limited");
    let count = refused.len() as f64;
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("mcp_rate_limited_total", &[("limit", "principal")]), count);
    assert_eq!(
        scrape.sum("mcp_requests_total", &[("method", "ping"), ("status", "rate_limited")]),
        count
    );
    assert_eq!(scrape.sum("mcp_connections_total", &[("status", "rate_limited")]), 0.0);

    // Another principal has a rate of its own; its first message can be the one too many.
    let modern = Modern::with(&server, "fast", json!({}));
    modern.ask("server/discover", json!({})).await;
    for number in 0.. {
        // Each is a new client; the slower this machine, the more of them come in.
        let late = Modern::with(&server, &format!("late-{number}"), json!({}));
        let answer = late.ask("server/discover", json!({})).await;
        if answer["error"]["code"] == 1429 {
            break;
        }
    }
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("mcp_connections_total", &[("status", "rate_limited")]), 1.0);

    tokio::time::sleep(Duration::from_millis(1_200)).await;
    bye(&server, CI, &session).await;
    server.finish().await;
}

#[tokio::test]
async fn guesses_at_tokens_are_slowed_down_by_address() {
    let server = guarded()
        .set("limits.rate.per_address", 1)
        .set("limits.rate.per_address_burst", 4)
        .set("auth.trusted_proxies", toml::Value::Array(vec!["127.0.0.1".into()]))
        .start()
        .await;
    let from = async |address: &str| {
        let request = http().post(server.url()).bearer_auth("a-guess");
        Reply::of(request.header("x-forwarded-for", address).send().await.expect("one")).await
    };
    let mut statuses = Vec::new();
    for guess in 0..20 {
        // What the client itself wrote before the proxy's own entry changes nothing.
        statuses.push(from(&format!("10.0.0.{guess}, 192.0.2.1")).await.status);
    }
    assert_eq!(statuses[..4], [401; 4]);
    assert!(statuses[5..].contains(&429), "{statuses:?}");
    let status = format!("{}/api/status", server.base());
    until("it counts wherever a token is looked at", || async {
        let request = http().get(&status).bearer_auth("a-guess");
        let answer = request.header("x-forwarded-for", "192.0.2.1").send().await;
        answer.expect("an answer").status() == 429
    })
    .await;
    assert_eq!(from("192.0.2.2").await.status, 401, "another address");
    let scrape = server.scrape().await;
    assert!(scrape.sum("mcp_rate_limited_total", &[("limit", "address")]) >= 1.0);
    assert!(scrape.sum("mcp_connections_total", &[("status", "rate_limited")]) >= 1.0);
    server.finish().await;
}

#[tokio::test]
async fn messages_on_a_websocket_count_each() {
    let server = guarded().set("limits.rate.per_principal", 1);
    let server = server.set("limits.rate.per_principal_burst", 3).start().await;
    let url = format!("{}/ws", server.base().replacen("http", "ws", 1));
    let mut request = url.into_client_request().expect("a request");
    let token = format!("Bearer {CI}").parse().expect("a header");
    request.headers_mut().insert("authorization", token);
    let (mut socket, _) = connect_async(request).await.expect("it opens");
    let meta = modern_meta("fast", &json!({}));
    for id in 0..20 {
        let params = json!({ "_meta": meta });
        let message =
            json!({"jsonrpc": "2.0", "id": id, "method": "server/discover", "params": params});
        socket.send(Message::text(message.to_string())).await.expect("sent");
    }
    server.sent_times("server/discover", 20);
    let mut refused = Vec::new();
    for _ in 0..20 {
        let message = socket.next().await.expect("an answer").expect("a frame");
        let answer: Value = serde_json::from_str(message.to_text().expect("text")).expect("JSON");
        refused.extend(answer.get("error").cloned());
    }
    assert!((1..=17).contains(&refused.len()), "{refused:?}");
    assert_eq!(refused[0]["code"], 1429);
    assert!(refused[0]["data"]["retry_after_ms"].as_u64().is_some_and(|wait| wait <= 1_000));
    socket.close(None).await.expect("closed");
    server.finish().await;
}

//! How fast requests may come.

use super::{CI, ask, bye, guarded, hello};
use crate::support::{Modern, Reply, http};
use serde_json::json;
use std::time::Duration;

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
    for _ in 0..5 {
        let reply = ask(&server, CI, &session, "ping", json!({})).await;
        if reply.status == 429 {
            refused.push(reply);
        }
    }
    server.sent("initialize");
    server.sent_times("ping", 5);
    assert!((2..=3).contains(&refused.len()), "{refused:?}");
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
    for _ in 0..4 {
        modern.ask("server/discover", json!({})).await;
    }
    let other = Modern::with(&server, "late", json!({}));
    let late = other.ask("server/discover", json!({})).await;
    assert_eq!(late["error"]["code"], 1429, "{late}");
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
    for guess in 0..8 {
        // What the client itself wrote before the proxy's own entry changes nothing.
        statuses.push(from(&format!("10.0.0.{guess}, 192.0.2.1")).await.status);
    }
    assert_eq!(statuses[..4], [401; 4]);
    assert!(statuses[5..].contains(&429), "{statuses:?}");
    assert_eq!(from("192.0.2.2").await.status, 401, "another address");
    let scrape = server.scrape().await;
    assert!(scrape.sum("mcp_rate_limited_total", &[("limit", "address")]) >= 1.0);
    assert!(scrape.sum("mcp_connections_total", &[("status", "rate_limited")]) >= 1.0);
    server.finish().await;
}

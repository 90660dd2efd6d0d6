//! Guesses at the token: none of very many comes in, and what is open tells nothing.

use super::{CI, OPS_SHA256, guarded};
use crate::support::{Raw, RawReply, Reply, Server, http, initialize};
use serde_json::json;

/// A wrong token that is like the right one, or not at all; never the right one.
fn guess(number: usize, right: &str) -> String {
    let at = number / 10 % right.len();
    match number % 10 {
        0 => String::new(),
        1 => right[..at].to_owned(),
        2 => right[at + 1..].to_owned(),
        3 => format!("{right}{}", char::from(b'a' + u8::try_from(number % 26).unwrap())),
        4 => format!("{}{right}", char::from(b'a' + u8::try_from(number % 26).unwrap())),
        5 => format!("{}~{}", &right[..at], &right[at + 1..]),
        6 => right.to_uppercase(),
        7 => format!("Bearer {right}"),
        8 => OPS_SHA256.to_owned(),
        // As random as a test may be.
        _ => format!("{:016x}", (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
    }
}

async fn try_to_come_in(server: &Server, numbers: std::ops::Range<usize>) {
    let (mut client, body) = (Raw::connect(server).await, initialize().to_string());
    for number in numbers {
        let token = guess(number, server.token());
        client.use_token(&token);
        let (method, path) = match number % 16 {
            13 => ("GET", "/api/status"),
            14 => ("GET", "/api/sessions"),
            15 => ("GET", "/mcp"),
            _ => ("POST", "/mcp"),
        };
        let sent = if method == "POST" { body.as_str() } else { "" };
        let RawReply { status, session, body } = client.send(method, path, "", sent).await;
        let text = String::from_utf8_lossy(&body);
        assert_eq!((status, session), (401, None), "{method} {path} `{token}`: {text}");
        assert!(!text.contains(server.token()) && !text.contains(CI), "{text}");
    }
}

#[tokio::test]
async fn of_ten_thousand_wrong_tokens_none_comes_in() {
    let server = guarded().start().await;
    let parts = [0..2_500, 2_500..5_000, 5_000..7_500, 7_500..10_000];
    let [a, b, c, d] = parts.map(|numbers| try_to_come_in(&server, numbers));
    tokio::join!(a, b, c, d);
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("mcp_auth_failures_total", &[]), 10_000.0);
    assert_eq!(scrape.sum("mcp_connections_total", &[("status", "accepted")]), 0.0);
    assert_eq!(scrape.sum("mcp_requests_total", &[]), 0.0);
    let sessions = server.json("/api/mcp/sessions/health").await;
    assert_eq!(sessions["status_breakdown"]["total"], 0, "{sessions}");
    server.finish().await;
}

#[tokio::test]
async fn health_needs_no_token_and_tells_three_things() {
    let server = guarded().start().await;
    let url = format!("{}/health", server.base());
    for request in [http().get(&url), http().get(&url).bearer_auth("wrong")] {
        let health = Reply::of(request.send().await.expect("an answer")).await;
        assert_eq!(health.status, 200);
        let told = health.json();
        let keys: Vec<&String> = told.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["status", "serverName", "uptime"], "{told}");
        assert_eq!(told["status"], json!("ok"));
    }
    server.finish().await;
}

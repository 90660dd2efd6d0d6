//! What passes through between clients and upstreams besides calls of tools.

use crate::support::{Legacy, Modern, Server, Setup, text};
use serde_json::{Value, json};
use std::time::Duration;

async fn server(eras: &str) -> Server {
    let server = Setup::new().fixture("fix", json!({"FIXTURE_ERAS": eras})).start().await;
    server.upstreams(&["fix"], "connected").await;
    server
}

const WATCHED: &str = "test://watched-resource";

#[tokio::test]
async fn a_legacy_subscriber_hears_of_its_resource_and_others_do_not() {
    let server = server("both").await;
    let (subscriber, other) = (Legacy::open(&server).await, Legacy::open(&server).await);
    let mut stream = subscriber.stream().await;
    let mut silence = other.stream().await;
    let subscribed = subscriber.ask("resources/subscribe", json!({"uri": WATCHED})).await;
    assert!(subscribed.get("result").is_some(), "{subscribed}");
    subscriber.call("fix__touch_resource", json!({"uri": WATCHED})).await;
    let updated = stream.method("notifications/resources/updated").await;
    assert_eq!(updated["params"]["uri"], WATCHED);
    let wait = Duration::from_millis(300);
    let heard = tokio::time::timeout(wait, silence.method("notifications/resources/updated")).await;
    assert!(heard.is_err(), "another session hears {heard:?}");
    let ended = subscriber.ask("resources/unsubscribe", json!({"uri": WATCHED})).await;
    assert!(ended.get("result").is_some(), "{ended}");
    drop((stream, silence));
    subscriber.close().await;
    other.close().await;
    server.finish().await;
}

#[tokio::test]
async fn a_modern_subscriber_hears_of_its_resource() {
    let server = server("both").await;
    let client = Modern::new(&server);
    let wanted = json!({"notifications": {"resourceSubscriptions": [WATCHED]}});
    let mut stream = client.start("subscriptions/listen", wanted).await;
    let acknowledged = stream.method("notifications/subscriptions/acknowledged").await;
    let subscriptions = &acknowledged["params"]["notifications"]["resourceSubscriptions"];
    assert_eq!(subscriptions, &json!([WATCHED]), "{acknowledged}");
    client.call("fix__touch_resource", json!({"uri": WATCHED})).await;
    let updated = stream.method("notifications/resources/updated").await;
    assert_eq!(updated["params"]["uri"], WATCHED);
    assert!(
        updated["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"].is_number(),
        "{updated}"
    );
    drop(stream);
    server.finish().await;
}

#[tokio::test]
async fn lists_hold_what_the_upstream_has_in_the_same_order_every_time() {
    for eras in ["legacy", "modern", "both"] {
        let server = server(eras).await;
        let (legacy, modern) = (Legacy::open(&server).await, Modern::new(&server));
        for (method, key, wanted) in [
            ("resources/list", "resources", "test://static-text"),
            ("resources/templates/list", "resourceTemplates", "test://template/{id}/data"),
            ("prompts/list", "prompts", "fix__test_simple_prompt"),
            ("tools/list", "tools", "fix__test_simple_text"),
        ] {
            let list = |answer: Value| answer["result"][key].clone();
            let (first, second) = (
                list(legacy.ask(method, json!({})).await),
                list(legacy.ask(method, json!({})).await),
            );
            assert_eq!(first, second, "{eras} {method}");
            let theirs = modern.ask(method, json!({})).await;
            assert!(theirs["result"]["ttlMs"].is_u64(), "{eras} {method}: {theirs}");
            for listed in [first.to_string(), list(theirs).to_string()] {
                assert!(listed.contains(wanted), "{eras} {method}: {listed}");
            }
        }
        legacy.close().await;
        server.finish().await;
    }
}

#[tokio::test]
async fn completions_are_asked_of_the_upstream_by_its_own_names() {
    let server = server("both").await;
    let (legacy, modern) = (Legacy::open(&server).await, Modern::new(&server));
    let params = json!({"ref": {"type": "ref/prompt", "name": "fix__test_prompt_with_arguments"},
        "argument": {"name": "arg1", "value": "a"}});
    for answer in [
        legacy.ask("completion/complete", params.clone()).await,
        modern.ask("completion/complete", params).await,
    ] {
        assert!(answer["result"]["completion"]["values"].is_array(), "{answer}");
    }
    legacy.close().await;
    server.finish().await;
}

#[tokio::test]
async fn an_upstream_of_the_other_era_is_not_offered_questions_and_the_call_ends() {
    let asking = json!({"elicitation": {}, "sampling": {}, "roots": {}});
    let params = json!({"name": "fix__ask_name", "arguments": {"question": "who?"}});

    let server = server("legacy").await;
    let modern = Modern::with(&server, "asking", asking.clone());
    let answer = modern.ask("tools/call", params.clone()).await;
    assert_ne!(answer["result"]["resultType"], "input_required", "{answer}");
    server.finish().await;

    let server = self::server("modern").await;
    let legacy = Legacy::with(&server, "2025-11-25", asking).await;
    let mut stream = legacy.start("tools/call", params).await;
    while let Some(message) = stream.next().await {
        assert_ne!(message["method"], "elicitation/create", "{message}");
        assert_ne!(message["result"]["resultType"], "input_required", "{message}");
    }
    legacy.close().await;
    server.finish().await;
}

#[tokio::test]
async fn no_argument_result_or_token_is_ever_in_the_log() {
    let server = Setup::new().fixture("fix", json!({"SECRET": "kept-secret"})).start().await;
    server.upstreams(&["fix"], "connected").await;
    let client = Legacy::open(&server).await;
    client.call("echo", json!({"message": "an-argument"})).await;
    let variable = client.call("fix__read_env", json!({"name": "SECRET"})).await;
    assert_eq!(text(&variable), "kept-secret", "the child has its variable");
    client
        .ask("tools/call", json!({"name": "echo", "arguments": {"message": {"an-argument": 1}}}))
        .await;
    client.close().await;
    let log = server.log();
    for secret in ["an-argument", "kept-secret", server.token()] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    for line in log.lines().filter(|line| line.starts_with('{')) {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["event"].is_string() && line["level"].is_string(), "{line}");
    }
    server.finish().await;
}

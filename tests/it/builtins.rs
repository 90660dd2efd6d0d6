//! The built-in tools and the checks of their arguments.

use crate::support::{Legacy, Modern, Setup, text};
use serde_json::{Value, json};

#[tokio::test]
async fn the_built_ins_answer_in_both_eras() {
    let server = Setup::new().start().await;
    let (legacy, modern) = (Legacy::open(&server).await, Modern::new(&server));
    assert_eq!(legacy.tools().await.len(), 5);
    assert_eq!(legacy.tools().await, modern.tools().await);

    let info = |result: Value| serde_json::from_str::<Value>(text(&result)).unwrap();
    let mine = info(legacy.call("session_info", json!({})).await);
    assert_eq!(mine["era"], "legacy");
    assert_eq!(mine["sessionId"], legacy.session);
    let theirs = info(modern.call("session_info", json!({})).await);
    assert_eq!((&theirs["era"], &theirs["sessionId"]), (&json!("modern"), &Value::Null));
    let beat = info(legacy.call("heartbeat", json!({})).await);
    assert_eq!((&beat["sessionId"], &beat["principal"]), (&json!(legacy.session), &json!("token")));
    assert!(beat["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{beat}");
    assert_eq!(info(modern.call("heartbeat", json!({})).await)["sessionId"], Value::Null);
    assert_eq!(info(modern.call("health_check", json!({})).await)["status"], "ok");
    let status = info(legacy.call("orchestrator_status", json!({})).await);
    assert_eq!(status["connections"]["active"], 2, "{status}");
    assert_eq!(
        status["handshakes"]["succeeded"],
        server.json("/api/status").await["handshakes"]["succeeded"]
    );
    legacy.close().await;
    server.finish().await;
}

#[tokio::test]
async fn an_argument_that_the_schema_refuses_is_a_tool_error_that_names_the_field() {
    let server = Setup::new().start().await;
    let (legacy, modern) = (Legacy::open(&server).await, Modern::new(&server));
    for (arguments, field) in [
        (json!({}), "message"),
        (json!({"message": 5}), "message"),
        (json!({"message": "x", "massage": "y"}), "massage"),
    ] {
        for result in [
            legacy.call("echo", arguments.clone()).await,
            modern.call("echo", arguments.clone()).await,
        ] {
            assert_eq!(result["isError"], true, "{result}");
            assert!(text(&result).contains(field), "{arguments}: {result}");
        }
    }
    let scrape = server.scrape().await;
    assert_eq!(
        scrape.sum("mcp_tool_calls_total", &[("tool", "echo"), ("status", "tool_error")]),
        6.0
    );
    legacy.close().await;
    server.finish().await;
}

#[tokio::test]
async fn the_built_ins_can_be_switched_off() {
    let server = Setup::new().set("builtins.enabled", false).start().await;
    assert_eq!(Modern::new(&server).tools().await, Vec::<String>::new());
    server.finish().await;
}

#[tokio::test]
async fn without_prefix_names_are_bare_and_a_collision_is_no_failure() {
    let server = Setup::new()
        .fixture("one", json!({}))
        .fixture("two", json!({}))
        .arg("--no-prefix")
        .start()
        .await;
    server.upstreams(&["one", "two"], "connected").await;
    let client = Modern::new(&server);
    let tools = client.tools().await;
    for name in ["echo", "sleep", "two__sleep"] {
        assert!(tools.iter().any(|tool| tool == name), "no {name} in {tools:?}");
    }
    assert!(
        !tools.contains(&"one__sleep".to_owned()),
        "the first of the config keeps the bare name"
    );
    client.call("sleep", json!({"ms": 0})).await;
    client.call("two__sleep", json!({"ms": 0})).await;
    server.finish().await;
}

#[tokio::test]
async fn a_tool_that_takes_too_long_is_counted_as_a_timeout() {
    let server =
        Setup::new().fixture("fix", json!({})).set("limits.tool_timeout", 0.5).start().await;
    server.upstreams(&["fix"], "connected").await;
    let client = Modern::new(&server);
    let answer =
        client.ask("tools/call", json!({"name": "fix__sleep", "arguments": {"ms": 60_000}})).await;
    assert!(answer["result"]["isError"] == true || answer.get("error").is_some(), "{answer}");
    let scrape = server.scrape().await;
    let timeouts = scrape.sum("mcp_requests_total", &[("status", "timeout")]);
    let unknown = scrape.sum("mcp_requests_total", &[("status", "outcome_unknown")]);
    assert_eq!(timeouts + unknown, 1.0, "{answer}");
    server.finish().await;
}

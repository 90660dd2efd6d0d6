//! `connect`, the bridge for agents that speak only stdio.

use crate::{
    cli,
    support::{Bridge, Port, Server, Setup, text, until},
};
use serde_json::{Value, json};
use std::{fs, path::Path};

async fn server() -> Server {
    let server = Setup::new().fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    server
}

fn home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// A server that nobody counts calls of: a bridge asks for lists as it likes.
async fn stop(mut server: Server) {
    server.signal("TERM");
    assert_eq!(server.exit_code().await, Some(0), "{}", server.log());
}

#[tokio::test]
async fn an_agent_sees_the_server_and_everything_it_offers() {
    let (server, home) = (server().await, home());
    let mut bridge = Bridge::before(&server, home.path());
    let greeting = bridge.initialize(json!({})).await;
    assert_eq!(greeting["result"]["serverInfo"]["name"], "devs-orchestrator", "{greeting}");
    for capability in ["tools", "prompts", "resources", "logging", "completions"] {
        assert!(greeting["result"]["capabilities"][capability].is_object(), "{capability}");
    }
    let tools = bridge.tools().await;
    assert!(
        tools.contains(&"echo".to_owned()) && tools.contains(&"fix__test_simple_text".to_owned())
    );
    assert_eq!(text(&bridge.call("echo", json!({"message": "over stdio"})).await), "over stdio");
    let read = bridge.request("resources/read", json!({"uri": "test://static-text"})).await;
    assert_eq!(read["result"]["contents"][0]["uri"], "test://static-text", "{read}");
    let unknown = bridge.request("no/such", json!({})).await;
    assert_eq!(unknown["error"]["code"], -32601, "{unknown}");
    assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
    assert!(!bridge.log().contains(server.token()), "{}", bridge.log());
    assert_eq!(bridge.finish().await, Some(0));
    stop(server).await;
}

#[tokio::test]
async fn what_the_server_says_and_asks_on_the_way_reaches_the_agent() {
    let (server, home) = (server().await, home());
    let model = json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "forty-two"}});
    let mut bridge =
        Bridge::before(&server, home.path()).answering("sampling/createMessage", model).answering(
            "elicitation/create",
            json!({"action": "accept", "content": {"username": "u", "email": "e", "name": "n"}}),
        );
    bridge.initialize(json!({"sampling": {}, "elicitation": {"form": {}}})).await;
    let sampled = bridge.call("fix__test_sampling", json!({"prompt": "?"})).await;
    assert!(text(&sampled).contains("forty-two"), "{sampled}");
    let asked = bridge.call("fix__test_elicitation", json!({"message": "?"})).await;
    assert!(text(&asked).contains("accept"), "{asked}");
    let arguments = json!({"question": "who?", "token": "of the upstream"});
    let params = json!({"name": "fix__ask_name", "arguments": arguments});
    let call = bridge.send("tools/call", params).await;
    let token = async |bridge: &Bridge| {
        let asked =
            bridge.messages().into_iter().find(|asked| asked["params"]["message"] == "who?");
        asked.map(|asked| asked["params"]["_meta"]["progressToken"].clone())
    };
    until("it is asked", || async { token(&bridge).await.is_some() }).await;
    for progress in [1, 2] {
        let params = json!({"progressToken": token(&bridge).await, "progress": progress});
        bridge.notify("notifications/progress", params).await;
    }
    let answer = bridge.answer(call, 20).await;
    assert_eq!(text(&answer["result"]), "accept: n after [1.0, 2.0]");
    let meta = json!({"progressToken": "mine"});
    let params = json!({"name": "fix__test_tool_with_progress", "arguments": {}, "_meta": meta});
    bridge.request("tools/call", params).await;
    let progress = bridge.notifications("notifications/progress");
    assert!(progress.len() >= 3, "{progress:?}");
    assert!(progress.iter().all(|params| params["progressToken"] == "mine"), "{progress:?}");
    bridge.request("logging/setLevel", json!({"level": "debug"})).await;
    bridge.call("fix__test_tool_with_logging", json!({})).await;
    bridge.hears("notifications/message").await;
    assert_eq!(bridge.finish().await, Some(0));
    stop(server).await;
}

#[tokio::test]
async fn a_list_that_changes_is_told_and_listed() {
    let (server, home) = (server().await, home());
    let mut bridge = Bridge::before(&server, home.path());
    bridge.initialize(json!({})).await;
    let before = bridge.tools().await;
    bridge.call("fix__test_trigger_tool_change", json!({})).await;
    bridge.hears("notifications/tools/list_changed").await;
    assert_eq!(bridge.tools().await.len(), before.len() + 1);
    assert_eq!(bridge.finish().await, Some(0));
    stop(server).await;
}

#[tokio::test]
async fn a_call_that_the_agent_cancels_is_cancelled_at_the_server() {
    let folder = home();
    let log = folder.path().join("sleeps");
    let server = Setup::new().fixture("fix", json!({"FIXTURE_LOG": log})).start().await;
    server.upstreams(&["fix"], "connected").await;
    let mut bridge = Bridge::before(&server, folder.path());
    bridge.initialize(json!({})).await;
    let sleep = json!({"name": "fix__sleep", "arguments": {"ms": 60_000, "key": "told"}});
    let id = bridge.send("tools/call", sleep).await;
    written(&log, "start told").await;
    bridge.notify("notifications/cancelled", json!({"requestId": id})).await;
    written(&log, "cancelled told").await;
    assert!(bridge.messages().iter().all(|message| message["id"] != id));
    assert_eq!(bridge.finish().await, Some(0));
    stop(server).await;
}

#[tokio::test]
async fn the_id_of_a_cancelled_call_may_be_used_again_at_once() {
    let folder = home();
    let log = folder.path().join("sleeps");
    let server = Setup::new().fixture("fix", json!({"FIXTURE_LOG": log})).start().await;
    server.upstreams(&["fix"], "connected").await;
    let mut bridge = Bridge::before(&server, folder.path());
    bridge.initialize(json!({})).await;
    let sleep = |key: &str| json!({"name": "fix__sleep", "arguments": {"ms": 60_000, "key": key}});
    let id = bridge.send("tools/call", sleep("one")).await;
    written(&log, "start one").await;
    let cancel = json!({"requestId": id});
    bridge.notify("notifications/cancelled", cancel.clone()).await;
    let again = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": sleep("two")});
    bridge.write(&again.to_string()).await;
    written(&log, "cancelled one").await;
    written(&log, "start two").await;
    bridge.notify("notifications/cancelled", cancel).await;
    written(&log, "cancelled two").await;
    assert_eq!(bridge.finish().await, Some(0));
    stop(server).await;
}

async fn written(log: &Path, line: &str) {
    until(&format!("`{line}` in the fixture's log"), || async {
        fs::read_to_string(log).unwrap_or_default().lines().any(|found| found == line)
    })
    .await;
}

#[tokio::test]
async fn while_the_server_is_away_its_tools_stay_listed_and_calls_wait() {
    let (mut server, home) = (server().await, home());
    let mut bridge = Bridge::before(&server, home.path());
    bridge.initialize(json!({})).await;
    let tools = bridge.tools().await;
    server.signal("KILL");
    server.exit_code().await;
    assert_eq!(bridge.tools().await, tools);
    bridge.says("the server is away").await;
    assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
    let level = bridge.request("logging/setLevel", json!({"level": "error"})).await;
    assert_eq!(level["result"], json!({}), "{level}");
    let waiting =
        bridge.send("tools/call", json!({"name": "echo", "arguments": {"message": "late"}})).await;
    server.start_anew().await;
    let answer = bridge.answer(waiting, 20).await;
    assert_eq!(text(&answer["result"]), "late");
    assert_eq!(bridge.tools().await, tools);
    // Its next call says how it was missed.
    bridge.call("echo", json!({"message": "again"})).await;
    let scrape = server.scrape().await;
    let returns = |outcome| {
        scrape.sum("mcp_reconnect_attempts_total", &[("side", "bridge"), ("outcome", outcome)])
    };
    assert_eq!(returns("resumed") + returns("reinitialized"), 1.0);
    assert_eq!(bridge.finish().await, Some(0));
    stop(server).await;
}

#[tokio::test]
async fn what_was_asked_before_the_end_is_answered_and_a_signal_ends_it_too() {
    let (server, home) = (server().await, home());
    let mut bridge = Bridge::before(&server, home.path());
    bridge.initialize(json!({})).await;
    let sleep = |ms: u64| json!({"name": "fix__sleep", "arguments": {"ms": ms, "key": "k"}});
    let id = bridge.send("tools/call", sleep(500)).await;
    let (code, messages) = bridge.end().await;
    assert_eq!(code, Some(0));
    assert!(messages.iter().any(|message| message["id"] == id), "{messages:?}");

    let mut bridge = Bridge::before(&server, home.path());
    bridge.initialize(json!({})).await;
    let id = bridge.send("tools/call", sleep(60_000)).await;
    let again = json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
    bridge.write(&again.to_string()).await;
    assert_eq!(bridge.answer(id, 20).await["error"]["code"], -32600, "that id is in use");
    bridge.signal("TERM");
    assert_eq!(bridge.finish().await, Some(0), "it waits for no call");
    stop(server).await;
}

#[tokio::test]
async fn a_call_that_waited_in_vain_says_that_it_did_not_run() {
    let (port, home) = (Port::reserve(), home());
    let url = format!("http://{}/mcp", port.address());
    let mut bridge = Bridge::start(&url, home.path(), &["--timeout", "1"]);
    let result = bridge.call("echo", json!({})).await;
    assert_eq!(result["isError"], true, "{result}");
    assert_eq!(result["_meta"]["mcp-orchestrator/code"], "unavailable", "{result}");
    assert_eq!(result["_meta"]["mcp-orchestrator/ran"], "no", "{result}");
    let error = bridge.request("prompts/get", json!({"name": "p"})).await;
    assert_eq!(error["error"]["data"]["code"], "unavailable", "{error}");
    assert_eq!(bridge.finish().await, Some(0));
}

#[tokio::test]
async fn an_agent_that_starts_first_finds_what_was_there_last() {
    let (mut server, home) = (server().await, home());
    let mut bridge = Bridge::before(&server, home.path());
    let greeting = bridge.initialize(json!({})).await;
    let tools = bridge.tools().await;
    assert_eq!(bridge.finish().await, Some(0));
    server.signal("KILL");
    server.exit_code().await;

    let mut bridge = Bridge::before(&server, home.path());
    assert_eq!(bridge.initialize(json!({})).await, greeting);
    assert_eq!(bridge.tools().await, tools);
    server.start_anew().await;
    assert_eq!(text(&bridge.call("echo", json!({"message": "there"})).await), "there");
    assert_eq!(bridge.finish().await, Some(0));

    // Another principal knows nothing of it, and no file says whose it is.
    let files = fs::read_dir(home.path().join("bridge")).unwrap().flatten();
    for file in files {
        let text = fs::read_to_string(file.path()).unwrap();
        let shown = format!("{:?} {text}", file.file_name());
        assert!(!shown.contains(server.token()) && !shown.contains("127.0.0.1"), "{shown}");
    }
    stop(server).await;
}

#[tokio::test]
async fn with_no_server_and_nothing_known_the_agent_gets_an_empty_offer_and_news_later() {
    let home = home();
    let mut server = Setup::new().start().await;
    server.signal("KILL");
    server.exit_code().await;
    let mut bridge = Bridge::before(&server, home.path());
    let greeting = bridge.initialize(json!({})).await;
    assert_eq!(greeting["result"]["serverInfo"]["name"], "mcp-orchestrator", "{greeting}");
    assert!(bridge.tools().await.is_empty());
    server.start_anew().await;
    bridge.hears("notifications/tools/list_changed").await;
    assert!(bridge.tools().await.contains(&"echo".to_owned()));
    assert_eq!(bridge.finish().await, Some(0));
    stop(server).await;
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_is_one_clear_sentence() {
    let (server, home) = (Setup::new().start().await, home());
    let mut bridge = Bridge::start(&server.url(), home.path(), &["--token", "wrong-hunter2"]);
    let answer = bridge.initialize(json!({})).await;
    let sentence = answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{answer}"));
    assert!(sentence.contains("401") && sentence.contains("token"), "{sentence}");
    bridge.says("--token-file").await;
    let log = bridge.log();
    assert!(log.lines().count() == 1 && !log.contains("hunter2"), "{log}");
    assert!(bridge.tools().await.is_empty());
    assert_eq!(bridge.finish().await, Some(0));
    stop(server).await;
}

#[test]
fn what_cannot_be_used_is_refused_in_one_sentence() {
    let home = home();
    for (arguments, words) in [
        (&["connect"][..], &["URL"][..]),
        (&["connect", "nowhere"], &["nowhere", "URL"]),
        (&["connect", "ftp://me:hunter2@a.test/"], &["http://"]),
        (&["connect", "http://127.0.0.1:1/mcp", "--token-file", "absent"], &["absent"]),
        (&["connect", "http://127.0.0.1:1/mcp", "--token", "a b"], &["token"]),
    ] {
        let ended = cli::run(home.path(), arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.err);
        assert_eq!((ended.out.as_str(), ended.err.lines().count()), ("", 1), "{}", ended.err);
        assert!(words.iter().all(|word| ended.err.contains(word)), "{}", ended.err);
        assert!(!ended.err.contains("hunter2"), "{}", ended.err);
    }
    let ended = cli::run(home.path(), &["connect", "http://127.0.0.1:1/mcp"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "nothing was asked: {}", ended.err);
}

#[tokio::test]
async fn what_is_no_message_is_refused_and_harms_nothing() {
    let (server, home) = (Setup::new().start().await, home());
    let mut bridge = Bridge::before(&server, home.path());
    bridge.initialize(json!({})).await;
    let long = "x".repeat(17 << 20);
    let params = json!({"name": "echo", "arguments": {"message": long}});
    let id = bridge.send("tools/call", params).await;
    let refused = bridge.answer(id, 20).await;
    assert_eq!(refused["error"]["code"], -32600, "{refused}");
    bridge.write("no JSON").await;
    bridge.write("").await;
    bridge.write(r#"{"jsonrpc":"2.0","id":"x","method":7}"#).await;
    assert_eq!(text(&bridge.call("echo", json!({"message": "still"})).await), "still");
    let codes: Vec<Value> = bridge.messages().iter().map(|m| m["error"]["code"].clone()).collect();
    assert!(codes.contains(&json!(-32700)) && codes.contains(&json!(-32600)), "{codes:?}");
    assert_eq!(bridge.finish().await, Some(0));
    stop(server).await;
}

//! Real upstreams that nobody here wrote, over stdio and over HTTP at once.

use crate::support::{
    Legacy, Modern, Peer, Port, Server, Setup, node, run_plan, text, tool, until,
};
use serde_json::{Value, json};
use std::{fs, path::Path, time::Duration};
use tokio::process::Command;

const EVERYTHING: &str = "node_modules/@modelcontextprotocol/server-everything/dist/index.js";
const FILESYSTEM: &str = "node_modules/@modelcontextprotocol/server-filesystem/dist/index.js";

/// server-everything over Streamable HTTP, and where it is.
pub async fn everything_over_http() -> (Peer, String) {
    let port = Port::reserve();
    let mut command = Command::new(node());
    command
        .arg(tool(EVERYTHING))
        .arg("streamableHttp")
        .env("PORT", port.address().port().to_string());
    let url = format!("http://{}/mcp", port.address());
    (Peer::start(command, vec![port]).await, url)
}

/// A server with all three upstreams, connected, and a folder that one of them serves.
async fn all_three(url: &str, folder: &Path) -> Server {
    let server = Setup::new()
        .upstream("everything", json!({"command": node(), "args": [tool(EVERYTHING), "stdio"]}))
        .upstream("files", json!({"command": node(), "args": [tool(FILESYSTEM), folder]}))
        .upstream("remote", json!({"type": "http", "url": url}))
        .start()
        .await;
    server.upstreams(&["everything", "files", "remote"], "connected").await;
    server
}

#[tokio::test]
async fn tools_of_three_real_upstreams_are_called_in_both_eras() {
    let (_peer, url) = everything_over_http().await;
    let folder = tempfile::tempdir().unwrap();
    let server = all_three(&url, folder.path()).await;
    let (legacy, modern) = (Legacy::open(&server).await, Modern::new(&server));
    for tools in [legacy.tools().await, modern.tools().await] {
        for name in ["everything__echo", "everything__get-sum", "files__write_file", "remote__echo"]
        {
            assert!(tools.iter().any(|tool| tool == name), "no {name} in {tools:?}");
        }
    }
    for upstream in ["everything", "remote"] {
        let sum = json!({"a": 19, "b": 23});
        let echoed = legacy.call(&format!("{upstream}__echo"), json!({"message": "one"})).await;
        assert_eq!(text(&echoed), "Echo: one");
        assert!(text(&modern.call(&format!("{upstream}__get-sum"), sum).await).contains("42"));
    }
    legacy.close().await;
    server.finish().await;
}

#[tokio::test]
async fn files_are_written_and_read_by_a_legacy_and_by_a_modern_client() {
    let (_peer, url) = everything_over_http().await;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let server = all_three(&url, &root).await;
    let (mine, theirs) = (root.join("legacy.txt"), root.join("modern.txt"));
    let write = |path: &Path, content: &str| {
        call("files__write_file", json!({"path": path, "content": content}))
    };
    let read = |path: &Path| call("files__read_text_file", json!({"path": path}));

    let plan = json!({"era": "legacy", "calls": [write(&mine, "by a legacy client"), read(&mine)]});
    let report = run_plan(&server, "sdk.mjs", plan).await;
    assert_eq!(text(&report["results"][1]), "by a legacy client", "{report}");
    let plan =
        json!({"era": "modern", "calls": [write(&theirs, "by a modern client"), read(&mine)]});
    let report = run_plan(&server, "client.mjs", plan).await;
    assert_eq!(text(&report["results"][1]), "by a legacy client", "{report}");
    let report =
        run_plan(&server, "client.py", json!({"era": "modern", "calls": [read(&theirs)]})).await;
    assert_eq!(text(&report["results"][0]), "by a modern client", "{report}");

    assert_eq!(fs::read_to_string(&mine).unwrap(), "by a legacy client");
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "by a modern client");
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("mcp_tool_calls_total", &[("upstream", "files"), ("status", "ok")]), 5.0);
    server.finish().await;
}

fn call(name: &str, arguments: Value) -> Value {
    json!({"name": name, "arguments": arguments})
}

#[tokio::test]
async fn the_fixture_is_served_in_each_era_it_speaks_to_clients_of_both() {
    for eras in ["legacy", "modern", "both"] {
        let server = Setup::new().fixture("fix", json!({"FIXTURE_ERAS": eras})).start().await;
        server.upstreams(&["fix"], "connected").await;
        let (legacy, modern) = (Legacy::open(&server).await, Modern::new(&server));
        let expected = "This is a simple text response for testing.";
        assert_eq!(
            text(&legacy.call("fix__test_simple_text", json!({})).await),
            expected,
            "{eras}"
        );
        let result = modern.call("fix__test_simple_text", json!({})).await;
        assert_eq!(text(&result), expected, "{eras}");
        assert_eq!(result["resultType"], "complete", "{eras}");
        let prompt = json!({"name": "fix__test_simple_prompt"});
        assert!(
            legacy.ask("prompts/get", prompt.clone()).await["result"]["messages"].is_array(),
            "{eras}"
        );
        assert!(modern.ask("prompts/get", prompt).await["result"]["messages"].is_array(), "{eras}");
        let uri = json!({"uri": "test://template/9/data"});
        for answer in [
            legacy.ask("resources/read", uri.clone()).await,
            modern.ask("resources/read", uri).await,
        ] {
            let data = answer["result"]["contents"][0]["text"]
                .as_str()
                .unwrap_or_else(|| panic!("{eras}: {answer}"));
            assert!(data.contains("Data for ID: 9"), "{eras}: {data}");
        }
        legacy.close().await;
        server.finish().await;
    }
}

#[tokio::test]
async fn unknown_fields_and_trace_keys_pass_through_unchanged() {
    let server = Setup::new().fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    let legacy = Legacy::open(&server).await;
    let meta = json!({"example.com/own": {"deep": [1, 2.50, "x"]}});
    let params = json!({"name": "fix__meta_echo", "arguments": {}, "_meta": meta});
    let result = legacy.ask("tools/call", params.clone()).await["result"].clone();
    assert_eq!(
        result["structuredContent"]["meta"]["example.com/own"], meta["example.com/own"],
        "{result}"
    );
    assert_eq!(result["x-fixture"], json!({"kept": true}), "{result}");
    let result = Modern::new(&server).ask("tools/call", params).await["result"].clone();
    assert_eq!(
        result["structuredContent"]["meta"]["example.com/own"], meta["example.com/own"],
        "{result}"
    );
    let listed = legacy.ask("tools/list", json!({})).await["result"]["tools"].clone();
    let echo =
        listed.as_array().unwrap().iter().find(|tool| tool["name"] == "fix__meta_echo").unwrap();
    assert_eq!(echo["_meta"]["example.com/colour"], "blue");
    assert_eq!(echo["title"], "Echo of _meta");
    legacy.close().await;
    server.finish().await;
}

#[tokio::test]
async fn progress_reaches_the_call_it_belongs_to() {
    let server = Setup::new().fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    let legacy = Legacy::open(&server).await;
    let modern = Modern::new(&server);
    for token in [json!("mine"), json!(17)] {
        let params = json!({"name": "fix__count_progress", "arguments": {"steps": 5, "delay_ms": 60},
            "_meta": {"progressToken": token}});
        for mut stream in [
            legacy.start("tools/call", params.clone()).await,
            modern.start("tools/call", params).await,
        ] {
            assert!(stream.is_stream(), "a call that reports progress is answered by events");
            let first = stream.method("notifications/progress").await;
            assert_eq!(first["params"]["progressToken"], token, "the client's own token");
            assert_eq!(text(&stream.answer().await["result"]), "counted to 5");
        }
    }
    legacy.close().await;
    server.finish().await;
}

#[tokio::test]
async fn logs_reach_the_session_they_belong_to_and_no_other() {
    let server = Setup::new().fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    let owner = Legacy::with(&server, "2025-11-25", json!({"elicitation": {}})).await;
    let other = Legacy::open(&server).await;
    let (mut owners, mut others) = (owner.stream().await, other.stream().await);
    owner.ask("logging/setLevel", json!({"level": "info"})).await;
    other.ask("logging/setLevel", json!({"level": "info"})).await;
    let logs = json!({"name": "fix__emit_logs", "arguments": {"count": 2}});
    let mut call = owner.start("tools/call", logs).await;
    // They come with the call or, where the upstream does not say whose they are, with the session.
    let in_call = async {
        while let Some(message) = call.next().await {
            if message["method"] == "notifications/message" {
                return message;
            }
        }
        std::future::pending().await
    };
    let first = tokio::select! {
        message = in_call => message,
        message = owners.method("notifications/message") => message,
    };
    assert_eq!(first["params"]["data"], "log 1");
    let heard =
        tokio::time::timeout(Duration::from_millis(300), others.method("notifications/message"))
            .await;
    assert!(heard.is_err(), "another session hears {heard:?}");
    // What cannot be attributed is kept in our own log.
    let logs = json!({"name": "fix__emit_logs", "arguments": {"count": 1}});
    other.ask("tools/call", logs).await;
    until("the message is in our log", || async { server.log().contains("log 1") }).await;
    drop((call, owners, others));
    owner.close().await;
    other.close().await;
    server.finish().await;
}

#[tokio::test]
async fn a_new_tool_of_an_upstream_reaches_every_client_that_should_hear_of_it() {
    let server = Setup::new().fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    let (legacy, modern) = (Legacy::open(&server).await, Modern::new(&server));
    let mut legacy_stream = legacy.stream().await;
    let wanted = json!({"notifications": {"toolsListChanged": true}});
    let mut modern_stream = modern.start("subscriptions/listen", wanted).await;
    let acknowledged = modern_stream.method("notifications/subscriptions/acknowledged").await;
    assert_eq!(acknowledged["params"]["notifications"], json!({"toolsListChanged": true}));
    let id = &acknowledged["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];

    legacy.call("fix__add_tool", json!({"name": "from_legacy"})).await;
    legacy_stream.method("notifications/tools/list_changed").await;
    modern.call("fix__add_tool", json!({"name": "from_modern"})).await;
    assert!(legacy.tools().await.contains(&"fix__from_legacy".to_owned()));
    // The lists of the start may still have been on their way when the stream was opened.
    while {
        let changed = modern_stream.method("notifications/tools/list_changed").await;
        assert_eq!(&changed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], id);
        !modern.tools().await.contains(&"fix__from_modern".to_owned())
    } {}

    drop((legacy_stream, modern_stream));
    legacy.close().await;
    server.finish().await;
}

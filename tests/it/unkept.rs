//! A server whose store is switched off: all is served as ever, from memory, and a restart knows nothing.

use crate::support::{Legacy, Setup, http, text};
use serde_json::json;

#[tokio::test]
async fn without_a_store_sessions_live_as_long_as_the_process_and_nothing_is_written() {
    let setup = Setup::new().set("store.enabled", false).fixture("fix", json!({}));
    let mut server = setup.start().await;
    server.upstreams(&["fix"], "connected").await;
    let client = Legacy::open(&server).await;
    let answer = client.call("fix__test_simple_text", json!({})).await;
    assert!(!text(&answer).is_empty(), "{answer}");
    let ended = Legacy::open(&server).await;
    let gone = ended.session.clone();
    ended.close().await;
    let listed = server.json("/api/sessions").await;
    let status = |id: &str| {
        let sessions = listed["sessions"].as_array().expect("a list").iter();
        let mut of = sessions.filter(|session| session["id"] == id);
        of.next().map(|session| session["status"].clone())
    };
    assert_eq!(status(&client.session), Some(json!("active")), "{listed}");
    assert_eq!(status(&gone), Some(json!("disconnected")), "{listed}");
    let shown = server.json(&format!("/api/sessions/{gone}")).await;
    assert_eq!(shown["history"][0]["what"], "opened", "{shown}");
    let kept = std::fs::read_dir(server.dir().join("data")).expect("the data dir");
    let names: Vec<_> = kept.flatten().map(|entry| entry.file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains(".db")), "{names:?}");

    let session = client.session.clone();
    server.start_again("TERM").await;
    server.sent("tools/list");
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let request = server.post(&http()).header("mcp-session-id", &session).json(&list);
    assert_eq!(request.send().await.expect("an answer").status(), 404);
    let anew = Legacy::open(&server).await;
    anew.close().await;
    server.finish().await;
}

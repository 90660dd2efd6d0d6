//! Configurations that are not taken over.

use super::{hang_up, reload, reloads};
use crate::support::{CONFIG, Legacy, SERVERS, Server, Setup, text};
use serde_json::json;
use std::fs;

fn setup() -> Setup {
    Setup::new().fixture("fix", json!({})).with_own_token()
}

async fn started() -> Server {
    let server = setup().start().await;
    let token = fs::read_to_string(server.dir().join("data/token")).unwrap();
    let server = server.with_token(token.trim());
    server.upstreams(&["fix"], "connected").await;
    server
}

#[tokio::test]
async fn what_is_wrong_is_said_and_nothing_changes() {
    let server = started().await;
    let client = Legacy::open(&server).await;
    let tools = client.tools().await;
    let pid = client.call("fix__process_id", json!({})).await;
    let dir = server.dir();
    let bad = [
        (CONFIG, "listen = \"127.0.0.1", "this is not TOML"),
        (CONFIG, "[limts]\nsessions = 1", "is `limits` meant?"),
        (CONFIG, "[limits]\nsessions = \"many\"", "`limits.sessions`"),
        (CONFIG, "[limits]\nsessions = 0", "`limits.sessions` must be above zero"),
        (CONFIG, "token_file = \"not-there\"", "not-there cannot be read"),
        (CONFIG, "[auth.jwt]\nkeys_file = \"no-keys\"", "`auth.jwt.audience` is missing"),
        (CONFIG, "[auth.jwt]\naudience = \"a\"\nkeys_file = \"no-keys\"", "no-keys"),
        (CONFIG, "[[auth.tokens]]\nname = \"ci\"\ntoken = \"hunter2 hunter2\"", "`ci`"),
        (CONFIG, "[tls]\ncert_file = \"no-cert.pem\"\nkey_file = \"no.key\"", "no-cert.pem"),
        (CONFIG, "[transports]\nhttp = false\nwebsocket = false", "switch one of them on"),
        (CONFIG, "[upstreams.a__b]\ncommand = \"x\"", "the upstream `a__b` is left out"),
        (CONFIG, "[upstreams.fix]\ncommand = \"x\"", "stands in two places"),
        (SERVERS, "{\"mcpServers\": {\"hunter2\"", "this is not JSON"),
        (SERVERS, "{\"mcpServers\": {\"x\": {\"type\": \"sse\", \"url\": \"http://h\"}}}", "`sse`"),
    ];
    for (count, (file, content, why)) in bad.iter().enumerate() {
        setup().write(dir);
        fs::write(dir.join(file), content).unwrap();
        hang_up(&server, "refused").await;
        assert_eq!(reloads(&server, "refused").await, count as f64 + 1.0, "{content}");
        let log = server.log();
        let refused = log.lines().rfind(|line| line.contains("new configuration refused"));
        assert!(refused.is_some_and(|line| line.contains(why)), "{content}: {refused:?}");
        assert_eq!(client.tools().await, tools, "{content}");
        assert_eq!(client.call("fix__process_id", json!({})).await, pid, "{content}");
    }
    assert_eq!(reloads(&server, "ok").await, 0.0);
    assert!(!server.log().contains("hunter2"), "{}", server.log());
    reload(&server, &setup()).await;
    assert_eq!(client.call("fix__process_id", json!({})).await, pid);
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn an_upstream_that_was_left_out_at_the_start_does_not_stand_in_the_way() {
    let bad = || Setup::new().upstream("old", json!({"type": "sse", "url": "http://h"}));
    let server = bad().start().await;
    reload(&server, &bad().fixture("fix", json!({}))).await;
    server.upstreams(&["fix"], "connected").await;
    let client = Legacy::open(&server).await;
    let echoed = client.call("fix__read_env", json!({"name": "NOT_SET_AT_ALL"})).await;
    assert!(echoed.is_object() && text(&echoed).len() < 100, "{echoed}");
    client.close().await;
    server.finish().await;
}

//! Tokens, and what each of their principals has.

use super::{CI, OPS, ask, bye, guarded, hello, signed, toml, with_issuer};
use crate::support::{Legacy, Modern, Reply, Setup, http, modern_meta};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

const METADATA: &str = "/.well-known/oauth-protected-resource";

#[tokio::test]
async fn a_session_belongs_to_the_principal_that_opened_it() {
    let server = guarded().start().await;
    server.sent_times("initialize", 1);
    let welcome = hello(&server, CI).await;
    let session = welcome.header("mcp-session-id").to_owned();
    for token in [OPS, server.token()] {
        let stolen = ask(&server, token, &session, "tools/list", json!({})).await;
        let unknown = ask(&server, token, "no-such-session", "tools/list", json!({})).await;
        assert_eq!((stolen.status, unknown.status), (404, 404));
        assert_eq!(stolen.text, unknown.text, "it does not say that the session is there");
    }
    server.sent_times("tools/list", 4);
    let own = ask(&server, CI, &session, "tools/call", json!({"name": "session_info"})).await;
    server.sent("tools/call");
    assert_eq!(
        own.json()["result"]["content"][0]["text"]
            .as_str()
            .map(|text| text.contains("\"principal\":\"ci\"")),
        Some(true),
        "{own:?}"
    );
    bye(&server, CI, &session).await;
    server.finish().await;
}

#[tokio::test]
async fn a_denied_tool_is_in_no_list_and_like_one_that_is_not_there() {
    let lists = |allow: &str, deny: &str| toml(&format!("{{ allow = {allow}, deny = {deny} }}"));
    let server = guarded()
        .fixture("fs", json!({}))
        .upstream("gone", json!({"command": "no-such-program"}))
        .set(
            "auth.principals.ci",
            lists("[\"fs__*\", \"echo\"]", "[\"fs__test_header_arguments\"]"),
        )
        .set("auth.principals.ops", toml("{ deny = [\"*\"] }"))
        .start()
        .await;
    server.upstreams(&["fs"], "connected").await;
    let everything = Legacy::open(&server).await;
    let all = [everything.tools().await, Modern::new(&server).tools().await];
    everything.close().await;
    assert!(all.iter().flatten().any(|tool| tool == "fs__test_header_arguments"), "{all:?}");
    let has = |tool: &&String| {
        *tool == "echo" || tool.starts_with("fs__") && *tool != "fs__test_header_arguments"
    };

    let server = server.with_token(CI);
    let (legacy, modern) = (Legacy::open(&server).await, Modern::new(&server));
    for (all, listed) in all.iter().zip([legacy.tools().await, modern.tools().await]) {
        assert_eq!(listed.iter().collect::<Vec<_>>(), all.iter().filter(has).collect::<Vec<_>>());
    }
    for denied in ["fs__test_header_arguments", "session_info", "gone__tool"] {
        let missing = "x".repeat(denied.len());
        let call = |name: &str| json!({"name": name, "arguments": {"no": "such"}});
        for (got, unknown) in [
            (
                legacy.ask("tools/call", call(denied)).await,
                legacy.ask("tools/call", call(&missing)).await,
            ),
            (
                modern.ask("tools/call", call(denied)).await,
                modern.ask("tools/call", call(&missing)).await,
            ),
        ] {
            assert_eq!(got["error"]["code"], -32602, "{got}");
            let unknown = unknown["error"].to_string().replace(&missing, denied);
            assert_eq!(got["error"].to_string(), unknown);
        }
    }
    assert_eq!(legacy.call("echo", json!({"message": "x"})).await["isError"], json!(false));
    legacy.close().await;

    let server = server.with_token(OPS);
    assert!(Modern::new(&server).tools().await.is_empty());
    server.finish().await;
}

#[tokio::test]
async fn an_issuer_is_named_where_there_is_one_and_its_tokens_open() {
    let dir = tempfile::tempdir().expect("a folder");
    let setup = with_issuer(&dir)
        .set("auth.principals", toml("{ \"jwt:*\" = { allow = [\"session_info\"] } }"));
    let server = setup.start().await;
    let token = signed(600);
    let refused = Reply::of(http().post(server.url()).send().await.expect("an answer")).await;
    let address = format!("{}{METADATA}/mcp", server.base());
    assert_eq!(refused.status, 401);
    assert_eq!(
        refused.header("www-authenticate"),
        format!("Bearer resource_metadata=\"{address}\"")
    );
    for address in [address, format!("{}{METADATA}", server.base())] {
        let metadata = Reply::of(http().get(address).send().await.expect("an answer")).await;
        let metadata = metadata.json();
        assert_eq!(metadata["resource"], server.url());
        assert_eq!(metadata["authorization_servers"], json!([super::ISSUER]));
    }
    let expired = hello(&server, &signed(-600)).await;
    assert_eq!(expired.status, 401);
    assert!(expired.header("www-authenticate").contains("error=\"invalid_token\""));

    let server = server.with_token(&token);
    let client = Legacy::open(&server).await;
    assert_eq!(client.tools().await, ["session_info"]);
    let info = client.call("session_info", json!({})).await;
    assert_eq!(info["structuredContent"]["principal"], "jwt:me", "{info}");
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn without_an_issuer_there_is_no_login_and_every_404_is_json() {
    let server = guarded().start().await;
    let wrong = hello(&server, "not-a-token").await;
    assert_eq!(
        (wrong.status, wrong.header("www-authenticate")),
        (401, "Bearer error=\"invalid_token\"")
    );
    for path in [
        METADATA,
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-authorization-server",
        "/register",
        "/nothing",
    ] {
        let url = format!("{}{path}", server.base());
        let missing = Reply::of(http().get(url).send().await.expect("an answer")).await;
        assert_eq!((missing.status, &missing.json()["code"]), (404, &json!("not_found")), "{path}");
    }
    server.finish().await;
}

#[tokio::test]
async fn only_configured_pages_may_read_answers() {
    let page = "https://app.example";
    let server =
        guarded().set("auth.allowed_origins", toml("[\"https://app.example\"]")).start().await;
    let asked = |origin: &'static str| {
        let request = http().request(reqwest::Method::OPTIONS, server.url());
        let request = request.header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        request.header("access-control-request-headers", "authorization,mcp-param-x").send()
    };
    let allowed = Reply::of(asked(page).await.expect("an answer")).await;
    assert_eq!(allowed.status, 204);
    assert_eq!(allowed.header("access-control-allow-origin"), page);
    assert_eq!(allowed.header("access-control-allow-headers"), "authorization,mcp-param-x");
    for (origin, status) in [("https://evil.example", 403), ("http://localhost:5173", 401)] {
        let refused = Reply::of(asked(origin).await.expect("an answer")).await;
        assert_eq!((refused.status, refused.header("access-control-allow-origin")), (status, ""));
    }
    let refused = http().post(server.url()).header("origin", page).send().await;
    let refused = Reply::of(refused.expect("an answer")).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("access-control-allow-origin"), page);
    assert!(refused.header("access-control-expose-headers").contains("Mcp-Session-Id"));
    server.finish().await;

    let server = Setup::new().start().await;
    let request = http().post(server.url()).header("origin", "http://localhost:5173");
    let plain = Reply::of(request.send().await.expect("an answer")).await;
    assert!(!plain.headers.keys().any(|name| name.as_str().starts_with("access-control")));
    assert_eq!(plain.json()["error"]["data"]["code"], Value::from("unauthorized"));
    server.finish().await;
}

#[tokio::test]
async fn a_websocket_is_good_for_as_long_as_its_token() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = with_issuer(&dir).set("auth.jwt.leeway", 0).start().await;
    let url = format!("{}/ws", server.base().replacen("http", "ws", 1));
    let mut request = url.into_client_request().expect("a request");
    let token = format!("Bearer {}", signed(3)).parse().expect("a header");
    request.headers_mut().insert("authorization", token);
    let (mut socket, _) = connect_async(request).await.expect("it opens");
    let params = json!({ "_meta": modern_meta("long", &json!({})) });
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": params});
    let error = loop {
        server.sent("server/discover");
        socket.send(Message::text(message.to_string())).await.expect("sent");
        let frame = socket.next().await.expect("an answer").expect("a frame");
        let answer: Value = serde_json::from_str(frame.to_text().expect("text")).expect("JSON");
        if let Some(error) = answer.get("error") {
            break error.clone();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!((&error["code"], &error["data"]["code"]), (&json!(1401), &json!("unauthorized")));
    socket.close(None).await.expect("closed");
    server.finish().await;
}

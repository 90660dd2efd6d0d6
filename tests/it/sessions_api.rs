//! What can be seen of sessions: over HTTP and, with or without a running server, on the command
//! line.

use crate::{
    cli,
    support::{Legacy, Raw, Reply, Server, Setup, http, until},
};
use serde_json::{Value, json};
use std::{fs, path::Path};

const CI: &str = "token-of-ci-0123456789abcdef";

fn setup() -> Setup {
    let tokens: toml::Table =
        toml::from_str(&format!("tokens = [{{ name = \"ci\", token = \"{CI}\" }}]")).expect("TOML");
    Setup::new().set("auth.tokens", tokens["tokens"].clone())
}

async fn get(server: &Server, token: &str, path: &str) -> Reply {
    let request = http().get(format!("{}{path}", server.base())).bearer_auth(token);
    Reply::of(request.send().await.expect("an answer")).await
}

async fn listed(server: &Server, token: &str, query: &str) -> Vec<String> {
    let page = get(server, token, &format!("/api/sessions{query}")).await;
    assert_eq!(page.status, 200, "{page:?}");
    let page = page.json();
    let sessions = page["sessions"].as_array().expect("a list");
    sessions.iter().map(|session| session["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn a_session_is_shown_as_it_is_and_after_its_end_as_it_was() {
    let server = setup().fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    let client = Legacy::with(&server, "2025-06-18", json!({"roots": {}})).await;
    let path = format!("/api/sessions/{}", client.session);
    let stream = client.stream().await;
    let sleep = json!({"name": "fix__sleep", "arguments": {"ms": 3_000}});
    let mut call = client.start("tools/call", sleep).await;
    let shown = server.json(&path).await;
    let expected = json!({
        "id": client.session, "principal": "token", "transport": "http", "revision": "2025-06-18",
        "client": {"name": "raw-legacy", "version": "1"}, "address": "127.0.0.1",
        "capabilities": {"roots": {}}, "initialized": true, "status": "active",
        "disconnected_at": null, "disconnect_reason": null, "persisted": true,
        "counts": {"requests": 0, "errors": 0},
        "live": {"calls_in_flight": 1, "open_streams": 2, "round_trip_ms": null},
    });
    for (key, value) in expected.as_object().expect("an object") {
        assert_eq!(&shown[key], value, "{key} of {shown}");
    }
    call.answer().await;
    client.ask("tools/call", json!({"name": "nothing"})).await;
    drop((stream, call));
    client.close().await;
    let shown = server.json(&path).await;
    assert_eq!(shown["counts"], json!({"requests": 2, "errors": 1}), "{shown}");
    assert_eq!(
        (&shown["status"], &shown["disconnect_reason"], &shown["live"]),
        (&json!("disconnected"), &json!("client_deleted"), &Value::Null)
    );
    let times: Vec<&str> = ["created", "last_activity", "disconnected_at"]
        .iter()
        .map(|key| shown[*key].as_str().expect("a time"))
        .collect();
    assert!(times.is_sorted() && times.iter().all(|time| time.len() == 24 && time.ends_with('Z')));
    let history = shown["history"].as_array().expect("rows");
    let rows: Vec<(&Value, &Value, &Value)> =
        history.iter().map(|row| (&row["what"], &row["to"], &row["reason"])).collect();
    assert_eq!(
        rows,
        [
            (&json!("opened"), &json!("active"), &Value::Null),
            (&json!("initialized"), &json!("active"), &Value::Null),
            (&json!("disconnected"), &json!("disconnected"), &json!("client_deleted")),
        ]
    );
    server.finish().await;
}

#[tokio::test]
async fn lists_are_filtered_bounded_and_newest_first() {
    let server = setup().start().await;
    let mut raw = Raw::connect(&server).await;
    let mut ids = Vec::new();
    for _ in 0..105 {
        ids.insert(0, raw.handshake().await);
    }
    server.sent_times("initialize", 105);
    for id in &ids[100..] {
        raw.delete(id).await;
    }
    let token = server.token();
    let page = get(&server, token, "/api/sessions").await.json();
    assert_eq!(
        (page["sessions"].as_array().map(Vec::len), &page["more"]),
        (Some(100), &json!(true))
    );
    let page = get(&server, token, "/api/sessions?limit=1000").await.json();
    assert_eq!(
        (page["sessions"].as_array().map(Vec::len), &page["more"]),
        (Some(105), &json!(false))
    );
    let created = |session: &Value| session["created"].as_str().expect("a time").to_owned();
    let times: Vec<String> =
        page["sessions"].as_array().expect("a list").iter().map(created).rev().collect();
    assert!(times.is_sorted(), "{times:?}");
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    let active = listed(&server, token, "?status=active&limit=200").await;
    assert_eq!(sorted(active), sorted(ids[..100].to_vec()));
    let ended = listed(&server, token, "?status=disconnected").await;
    assert_eq!(sorted(ended), sorted(ids[100..].to_vec()));
    assert_eq!(listed(&server, token, "?principal=token&limit=3").await.len(), 3);
    assert_eq!(listed(&server, token, "?principal=ci").await, Vec::<String>::new());
    for query in ["?limit=0", "?limit=1001", "?limit=x", "?status=ended", "?stauts=active"] {
        let refused = get(&server, token, &format!("/api/sessions{query}")).await;
        assert_eq!((refused.status, &refused.json()["code"]), (400, &json!("invalid_query")));
    }
    let health = server.json("/api/mcp/sessions/health").await;
    let breakdown = json!({"active": 100, "disconnected": 5, "total": 105});
    assert_eq!((&health["status_breakdown"], &health["status"]), (&breakdown, &json!("ok")));
    let status = server.json("/api/status").await;
    assert_eq!(
        (&status["sessions"]["active"], &status["store"]["state"]),
        (&json!(100), &json!("ok"))
    );
    assert_eq!(status["sessions"]["notPersisted"], 0, "{status}");
    assert_eq!(server.json("/readyz").await["components"]["store"], "ok");
    for id in &ids[..100] {
        raw.delete(id).await;
    }
    drop(raw);
    server.finish().await;
}

#[tokio::test]
async fn the_main_token_sees_every_session_and_others_see_their_own() {
    let server = setup().start().await;
    let main = server.token().to_owned();
    let operators = Legacy::open(&server).await.session;
    let server = server.with_token(CI);
    let theirs = Legacy::open(&server).await.session;
    assert_eq!(listed(&server, CI, "").await, [theirs.as_str()]);
    assert_eq!(listed(&server, CI, "?principal=ci").await, [theirs.as_str()]);
    assert_eq!(listed(&server, CI, "?principal=token").await, Vec::<String>::new());
    assert_eq!(listed(&server, &main, "").await.len(), 2);
    assert_eq!(listed(&server, &main, "?principal=ci").await, [theirs.as_str()]);
    let unknown = get(&server, &main, "/api/sessions/no-such-session").await;
    let hidden = get(&server, CI, &format!("/api/sessions/{operators}")).await;
    assert_eq!((unknown.status, hidden.status), (404, 404));
    assert_eq!(unknown.text, hidden.text, "it does not say that the session is there");
    assert_eq!(unknown.json()["code"], "not_found");
    assert_eq!(get(&server, &main, &format!("/api/sessions/{theirs}")).await.status, 200);
    for path in ["/api/sessions", "/api/sessions/x", "/api/mcp/sessions/health"] {
        let refused = get(&server, "wrong", path).await;
        assert_eq!((refused.status, &refused.json()["code"]), (401, &json!("unauthorized")));
        let page = http().get(format!("{}{path}", server.base())).bearer_auth(&main);
        let page = page.header("origin", "https://evil.example").send().await.expect("an answer");
        assert_eq!(page.status(), 403, "{path}");
    }
    Legacy::knowing(&server, &theirs).close().await;
    let server = server.with_token(&main);
    Legacy::knowing(&server, &operators).close().await;
    server.finish().await;
}

#[tokio::test]
async fn a_store_that_cannot_be_used_is_told_and_keeps_nobody_out() {
    let mut server = setup().start().await;
    let file = server.dir().join("data/store.db");
    fs::write(&file, "no database at all, just text").expect("a file of ours");
    server.start_again("KILL").await;
    let ready = server.json("/readyz").await;
    assert_eq!(
        (&ready["status"], &ready["components"]["store"]),
        (&json!("degraded"), &json!("degraded"))
    );
    let client = Legacy::open(&server).await;
    let status = server.json("/api/status").await;
    let store = &status["store"];
    assert_eq!((&store["state"], &store["durable"]), (&json!("degraded"), &json!(false)));
    assert!(store["error"].as_str().is_some_and(|text| text.contains("store.db")), "{status}");
    assert_eq!(status["sessions"]["notPersisted"], 1, "{status}");
    let shown = server.json(&format!("/api/sessions/{}", client.session)).await;
    assert_eq!((&shown["persisted"], &shown["status"]), (&json!(false), &json!("active")));
    assert_eq!(server.json("/api/mcp/sessions/health").await["status"], "degraded");
    client.close().await;
    let left = fs::read_to_string(file).expect("it is there");
    assert_eq!(left, "no database at all, just text", "it was left as it was");
    server.finish().await;
}

/// Runs `sessions …` on the data dir of a server.
fn sessions(dir: &Path, arguments: &[&str]) -> cli::Ended {
    let data = dir.join("data");
    let place = ["--data-dir", data.to_str().expect("text")];
    cli::run(dir, &[&["sessions"], arguments, &place].concat())
}

fn json_of(ended: &cli::Ended) -> Value {
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    serde_json::from_str(&ended.out).expect("JSON")
}

#[tokio::test]
async fn the_command_line_reads_the_store_while_the_server_runs_and_after() {
    let mut server = setup().start().await;
    let (one, other) = (Legacy::open(&server).await, Legacy::open(&server).await);
    let (kept, ended) = (one.session.clone(), other.session.clone());
    other.ask("tools/call", json!({"name": "nothing"})).await;
    other.close().await;
    let path = format!("/api/sessions/{ended}");
    until("the end is seen", || async { server.json(&path).await["status"] == "disconnected" })
        .await;
    let mut api = server.json(&path).await;
    api.as_object_mut().expect("an object").shift_remove("live");
    assert_eq!(json_of(&sessions(server.dir(), &["show", &ended, "--json"])), api);
    let list = sessions(server.dir(), &["list"]);
    assert_eq!(list.code, Some(0), "{}", list.err);
    assert_eq!(list.out.lines().count(), 3, "{}", list.out);
    for word in ["ID", &kept, &ended, "active", "client_deleted", "raw-legacy 1"] {
        assert!(list.out.contains(word), "no {word} in {}", list.out);
    }
    drop(one);
    server.signal("TERM");
    assert_eq!(server.exit_code().await, Some(0));

    let found = json_of(&sessions(server.dir(), &["list", "--status", "disconnected", "--json"]));
    assert_eq!(found["sessions"].as_array().map(Vec::len), Some(1), "{found}");
    assert_eq!((&found["sessions"][0]["id"], &found["more"]), (&json!(ended), &json!(false)));
    let found = json_of(&sessions(server.dir(), &["list", "--limit", "1", "--json"]));
    assert_eq!(
        (found["sessions"].as_array().map(Vec::len), &found["more"]),
        (Some(1), &json!(true))
    );
    let shown = sessions(server.dir(), &["show", &ended]);
    for word in [&ended, "client_deleted", "history", "opened", "1, 1 of them errors"] {
        assert!(shown.out.contains(word), "no {word} in {}", shown.out);
    }
    println!("{}\n{}", sessions(server.dir(), &["list"]).out, shown.out);
    let missing = sessions(server.dir(), &["show", "no-such-session"]);
    assert_eq!((missing.code, missing.err.lines().count()), (Some(1), 1), "{}", missing.err);
}

#[test]
fn where_there_is_no_store_the_command_line_says_so_and_makes_none() {
    let home = tempfile::tempdir().expect("a folder");
    for arguments in [&["list"][..], &["list", "--json"], &["show", "x"]] {
        let ended = sessions(home.path(), arguments);
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{}", ended.err);
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
        assert!(ended.err.contains("no server has run"), "{}", ended.err);
    }
    assert!(!home.path().join("data").exists(), "nothing is made");
    fs::create_dir(home.path().join("data")).expect("a folder");
    fs::write(home.path().join("data/store.db"), "no database at all, just text").expect("a file");
    let ended = sessions(home.path(), &["list"]);
    assert_eq!((ended.code, ended.err.lines().count()), (Some(1), 1), "{}", ended.err);
    for wrong in [&["list", "--limit", "0"][..], &["list", "--status", "x"]] {
        assert_eq!(sessions(home.path(), wrong).code, Some(2));
    }
}

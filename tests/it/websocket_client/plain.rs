//! Where nothing is lost: both eras, TLS, the bridge, an upstream.

use super::{call, client, config, server, stands, start, target};
use crate::support::{Bridge, Modern, Server, Setup, text, until};
use mcp_client::{Check, ClientConfig, Eras, Guard, Options, State};
use mcp_protocol::Era;
use rcgen::generate_simple_self_signed;
use serde_json::json;
use std::fs;

fn socket_of(server: &Server) -> String {
    format!("{}/ws", server.base().replacen("http", "ws", 1))
}

#[tokio::test]
async fn tools_are_called_in_both_eras() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&dir.path().join("ran")).await;
    for (eras, spoken) in [
        (Eras::PreferLegacy, Era::Legacy),
        (Eras::PreferModern, Era::Modern),
        (Eras::Only(Era::Modern), Era::Modern),
    ] {
        let config = ClientConfig { eras, ..config(target(&server, &socket_of(&server))) };
        let (client, ear) = client(config);
        let result = call(&client, "echo", json!({"message": "over a socket"})).await.unwrap();
        assert_eq!(text(&result), "over a socket");
        assert_eq!(client.revision().map(mcp_protocol::Revision::era), Some(spoken));
        let mut slow = super::tool("fix__count_progress", &json!({"steps": 3, "delay_ms": 1}));
        slow.progress = true;
        client.call(slow, mcp_client::Terms::default()).await.unwrap().unwrap();
        assert_eq!(ear.progress(), [1.0, 2.0, 3.0]);
        let stats = client.stats();
        assert_eq!((stats.attempts, stats.successes, stats.sent.messages), (1, 1, 2));
        assert!(stats.received.bytes > 0 && stats.mean_connect.is_some(), "{stats:?}");
        let steps = client.diagnose().await.steps;
        let checks: Vec<_> = steps.iter().map(|step| step.what).collect();
        assert_eq!(checks, [Check::Resolve, Check::Connect, Check::Handshake, Check::Tools]);
        assert!(steps.iter().all(|step| step.outcome.is_ok()), "{steps:?}");
        client.close().await;
    }
    until("all sessions are ended by their clients", || async {
        let labels = [("transport", "websocket"), ("reason", "client_closed")];
        server.scrape().await.sum("mcp_disconnections_total", &labels) == 6.0
    })
    .await;
}

#[tokio::test]
async fn over_wss_a_certificate_is_believed_only_if_its_authority_is() {
    let dir = tempfile::tempdir().unwrap();
    let made = generate_simple_self_signed(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    crate::support::trust(&made.cert.pem());
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let setup = Setup::new().set("tls.cert_file", path(&cert)).set("tls.key_file", path(&key));
    let server = start(setup, &dir.path().join("ran")).await;
    let with = |guard: Guard| {
        let config = config(target(&server, &socket_of(&server)));
        client(ClientConfig { options: Options { guard, ..Options::default() }, ..config }).0
    };
    let strict = with(Guard::default());
    until("it does not believe it", || async {
        strict.trouble().is_some_and(|why| why.kind() == mcp_client::ErrorKind::Tls)
    })
    .await;
    let steps = strict.diagnose().await.steps;
    assert_eq!(steps.last().map(|step| step.what), Some(Check::Tls), "{steps:?}");
    let authorities = Some(fs::read(&cert).unwrap().into());
    let trusting = with(Guard { authorities, ..Guard::default() });
    let result = call(&trusting, "echo", json!({"message": "in secret"})).await.unwrap();
    assert_eq!(text(&result), "in secret");
    let diagnosis = trusting.diagnose().await;
    assert!(diagnosis.is_well() && diagnosis.steps.len() == 5, "{diagnosis:?}");
    trusting.close().await;
}

#[tokio::test]
async fn who_is_not_let_in_does_not_try_again_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&dir.path().join("ran")).await.with_token("another-token-0123456789abcdef");
    let (client, _) = client(config(target(&server, &socket_of(&server))));
    stands(&client, State::Failed).await;
    let why = client.trouble().expect("a reason");
    assert_eq!(why, mcp_client::ClientError::Auth { status: 401 });
    let refused = call(&client, "echo", json!({"message": "let me in"})).await.unwrap_err();
    assert_eq!(refused.ran(), mcp_client::Ran::No);
}

#[tokio::test]
async fn the_bridge_reaches_its_server_over_a_socket_and_stays_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = server(&dir.path().join("ran")).await;
    let token = server.token().to_owned();
    let mut bridge = Bridge::start(&socket_of(&server), dir.path(), &["--token", &token]);
    bridge.initialize(json!({})).await;
    assert!(bridge.tools().await.contains(&"fix__record".to_owned()));
    assert_eq!(text(&bridge.call("echo", json!({"message": "one"})).await), "one");
    server.start_again("TERM").await;
    assert_eq!(text(&bridge.call("echo", json!({"message": "two"})).await), "two");
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("mcp_sessions_restored_total", &[("outcome", "restored")]), 1.0);
    assert_eq!(bridge.finish().await, Some(0));
}

#[tokio::test]
async fn an_upstream_is_reached_over_a_socket() {
    let dir = tempfile::tempdir().unwrap();
    let mut far = server(&dir.path().join("ran")).await;
    let headers = json!({"Authorization": format!("Bearer {}", far.token())});
    let entry = json!({"type": "ws", "url": socket_of(&far), "headers": headers});
    let near = Setup::new().upstream("far", entry).start().await;
    near.upstreams(&["far"], "connected").await;
    let client = Modern::new(&near);
    until("its tools are listed", || async {
        client.tools().await.iter().any(|tool| tool == "far__fix__record")
    })
    .await;
    let result = client.call("far__fix__record", json!({"key": "key-1"})).await;
    assert_eq!(text(&result), "key-1");
    far.start_again("TERM").await;
    let result = client.call("far__fix__record", json!({"key": "key-2"})).await;
    assert_eq!(text(&result), "key-2");
    near.finish().await;
}

//! What `connect` is told, seen from the server: what lets it in, whom it believes, where it goes.

use crate::support::{Bridge, Port, Server, Setup, text};
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use std::{fs, path::Path};

/// The bridge is let in and calls a tool.
async fn works(home: &Path, arguments: &[&str], variables: &[(&str, &str)]) {
    let mut bridge = Bridge::told(home, arguments, variables);
    bridge.initialize(json!({})).await;
    let answer = bridge.call("echo", json!({"message": "let in"})).await;
    assert_eq!(text(&answer), "let in", "{arguments:?}: {}", bridge.log());
    assert_eq!(bridge.finish().await, Some(0));
}

/// Begins the handshake, which brings the bridge to look for its server.
async fn greet(bridge: &mut Bridge) {
    let client = json!({"name": "agent", "version": "1"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
    bridge.send("initialize", params).await;
}

async fn stop(mut server: Server) {
    server.signal("TERM");
    assert_eq!(server.exit_code().await, Some(0), "{}", server.log());
}

#[tokio::test]
async fn every_way_to_give_a_header_lets_it_in() {
    let server = Setup::new().start().await;
    let home = tempfile::tempdir().unwrap();
    let (url, token) = (server.url(), server.token());
    let header = format!("Authorization=Bearer {token}");
    let lines = format!("X-Team=blue\n{header}");
    let file = home.path().join("client.toml");
    fs::write(&file, format!("url = '{url}'\ntoken = '{token}'\n[health]\nevery = 5\n")).unwrap();
    works(home.path(), &[&url, "--header", &header, "--header", "X-Team=blue"], &[]).await;
    works(home.path(), &[&url], &[("MCP_ORCHESTRATOR_HEADER", &lines)]).await;
    works(home.path(), &[], &[("MCP_SERVER_URL", &url), ("MCP_API_KEY", token)]).await;
    works(home.path(), &["--config", file.to_str().unwrap()], &[]).await;
    stop(server).await;
}

#[tokio::test]
async fn an_authority_of_ones_own_is_believed_if_it_is_named() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let made = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.self_signed(&made).unwrap().pem();
    // The tests' own client asks whether the server is there.
    crate::support::trust(&certificate);
    fs::write(&cert, certificate).unwrap();
    fs::write(&key, made.serialize_pem()).unwrap();
    let server =
        Setup::new().set("tls.cert_file", cert.clone()).set("tls.key_file", key).start().await;
    let url = server.url();
    let given = [&*url, "--token", server.token()];
    works(home.path(), &[&given[..], &["--ca-file", &cert]].concat(), &[]).await;
    works(home.path(), &given, &[("MCP_ORCHESTRATOR_CA_FILE", &cert)]).await;
    let stranger = home.path().join("stranger");
    let mut bridge = Bridge::told(&stranger, &given, &[]);
    greet(&mut bridge).await;
    bridge.says("no secure connection").await;
    drop(bridge);
    stop(server).await;
}

#[tokio::test]
async fn in_production_a_name_of_this_machine_leads_nowhere() {
    let home = tempfile::tempdir().unwrap();
    let port = Port::reserve();
    let url = format!("https://localhost:{}/mcp", port.address().port());
    let mut bridge = Bridge::told(home.path(), &[&url, "--production"], &[]);
    greet(&mut bridge).await;
    bridge.says("not public").await;
}

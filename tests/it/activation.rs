//! A socket that a service manager holds: the server serves on it, and a restart refuses nobody.

use crate::support::{Legacy, Setup, http, text, within};
use serde_json::{Value, json};
use std::{net::TcpListener, time::Duration};
use tokio::{net::UnixDatagram, task::JoinSet};

async fn said(manager: &UnixDatagram) -> String {
    let mut text = [0; 64];
    let length = within(30, "a word to the manager", manager.recv(&mut text)).await;
    String::from_utf8_lossy(&text[..length.expect("a datagram")]).trim().to_owned()
}

#[tokio::test]
async fn a_client_that_comes_during_a_restart_waits_and_is_served() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    let dir = tempfile::tempdir().expect("a folder");
    let place = dir.path().join("manager");
    let manager = UnixDatagram::bind(&place).expect("a socket");
    let setup = Setup::new().env("NOTIFY_SOCKET", &place.display().to_string());
    let mut server = setup.on_socket(socket).start().await;
    assert_eq!(server.base(), format!("http://{address}"), "it stands before --listen");
    assert_eq!(said(&manager).await, "READY=1");
    let session = Legacy::open(&server).await.session;
    server.signal("TERM");
    assert_eq!(said(&manager).await, "STOPPING=1");
    assert_eq!(server.exit_code().await, Some(0));
    let call = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": {"name": "echo", "arguments": {"message": "waited"}}});
    let request = server.post(&http()).header("mcp-session-id", &session).json(&call);
    let mut waiting = JoinSet::new();
    waiting.spawn(request.send());
    let early = tokio::time::timeout(Duration::from_millis(300), waiting.join_next()).await;
    assert!(early.is_err(), "nobody is there to answer or refuse it: {early:?}");
    server.start_anew().await;
    assert_eq!(said(&manager).await, "READY=1");
    server.sent("tools/call");
    let answer = within(30, "the answer", waiting.join_next()).await.expect("it is asked");
    let answer = answer.expect("no panic").expect("an answer");
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!(text(&answer["result"]), "waited");
    Legacy::knowing(&server, &session).close().await;
    server.finish().await;
}

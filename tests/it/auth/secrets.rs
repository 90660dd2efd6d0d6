//! No token, in any form, is in a log line, a span, an answer or a metric.

use super::{CI, OPS, OPS_SHA256, SECRET, ask, bye, hello, signed, with_issuer};
use crate::support::until;
use serde_json::json;
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};

/// Takes whatever is sent to it and says that it was fine.
async fn sink(tasks: &mut JoinSet<()>) -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let taken = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&taken);
    tasks.spawn(async move {
        let mut sockets = JoinSet::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let all = Arc::clone(&all);
            sockets.spawn(async move {
                let mut part = vec![0; 64 << 10];
                while let Ok(length @ 1..) = socket.read(&mut part).await {
                    all.lock().expect("no panic").extend_from_slice(&part[..length]);
                    let _sent =
                        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
                }
            });
        }
    });
    (address, taken)
}

#[tokio::test]
async fn no_token_is_shown_anywhere() {
    let (mut tasks, dir) = (JoinSet::new(), tempfile::tempdir().expect("a folder"));
    let (collector, spans) = sink(&mut tasks).await;
    let server = with_issuer(&dir).arg("--log-level").arg("trace");
    let server = server.arg("--otlp-endpoint").arg(&collector).arg("--otlp-protocol").arg("http");
    let mut server = server.start().await;
    let (good, expired) = (signed(600), signed(-600));
    let forged = format!("{good}x");
    let wrong = "a-guess-0123456789abcdef";
    let mut shown = String::new();
    for token in [CI, OPS, server.token(), &good] {
        let welcome = hello(&server, token).await;
        let session = welcome.header("mcp-session-id").to_owned();
        shown += &welcome.text;
        for (tool, arguments) in [
            ("session_info", json!({})),
            ("orchestrator_status", json!({})),
            ("nothing", json!({})),
        ] {
            let params = json!({"name": tool, "arguments": arguments});
            shown += &ask(&server, token, &session, "tools/call", params).await.text;
        }
        bye(&server, token, &session).await;
    }
    for token in [wrong, &expired, &forged] {
        let refused = hello(&server, token).await;
        assert_eq!(refused.status, 401);
        shown += &format!("{refused:?}");
    }
    shown += &server.metrics_text().await;
    shown += &server.json("/api/status").await.to_string();
    server.signal("TERM");
    assert_eq!(server.exit_code().await, Some(0));
    shown += &server.log();
    until("spans came", || async { !spans.lock().expect("no panic").is_empty() }).await;
    shown += &String::from_utf8_lossy(&spans.lock().expect("no panic"));
    assert!(shown.contains("auth_failed") && shown.contains("orchestrator_status"), "{shown}");
    let signature = |token: &str| token.rsplit('.').next().expect("parts").to_owned();
    let claims = |token: &str| token.split('.').nth(1).expect("parts").to_owned();
    let tokens = [CI, OPS, OPS_SHA256, SECRET, wrong, &good, &expired, &forged, server.token()];
    let parts = [signature(&good), claims(&good), signature(&expired), claims(&expired)];
    for secret in tokens.into_iter().chain(parts.iter().map(String::as_str)) {
        assert!(!shown.contains(secret), "`{secret}` in {shown}");
    }
}

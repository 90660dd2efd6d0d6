//! Many clients at once, all served.

use crate::{
    support::{Server, Setup, many_files, pooled, text},
    websocket::Socket,
};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

const EACH: usize = 1_000;
/// Clients that connect at the same moment; all are then open at once.
const AT_A_TIME: usize = 32;

async fn in_turn<T, F: Future<Output = T>>(what: impl Iterator<Item = F>) -> Vec<T> {
    stream::iter(what).buffer_unordered(AT_A_TIME).collect().await
}

/// A session over HTTP; one client's connections serve all of them in turn.
struct Session<'a> {
    server: &'a Server,
    http: &'a reqwest::Client,
    id: String,
}

impl<'a> Session<'a> {
    async fn open(server: &'a Server, http: &'a reqwest::Client) -> Self {
        let info = json!({"name": "many", "version": "1"});
        let params =
            json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info});
        let mut session = Self { server, http, id: String::new() };
        let answer = session.send(json!({"id": 0, "method": "initialize", "params": params})).await;
        server.sent("initialize");
        session.id = answer.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        let initialized = session.send(json!({"method": "notifications/initialized"})).await;
        assert_eq!(initialized.status(), 202);
        session
    }

    async fn send(&self, mut message: Value) -> reqwest::Response {
        message["jsonrpc"] = json!("2.0");
        let mut request = self.server.post(self.http).json(&message);
        if !self.id.is_empty() {
            request = request.header("mcp-session-id", &self.id);
        }
        request.send().await.expect("an answer")
    }

    async fn echo(&self, said: &str) {
        let params = json!({"name": "echo", "arguments": {"message": said}});
        let call = json!({"id": 1, "method": "tools/call", "params": params});
        let answer = self.send(call).await;
        self.server.sent("tools/call");
        assert_eq!(answer.status(), 200);
        assert_eq!(text(&answer.json::<Value>().await.unwrap()["result"]), said);
    }

    async fn close(self) {
        let request = self.http.delete(self.server.url()).bearer_auth(self.server.token());
        let closed = request.header("mcp-session-id", &self.id).send().await.unwrap();
        assert_eq!(closed.status(), 204);
    }
}

async fn echo(socket: &mut Socket<'_>, said: &str) {
    let params = json!({"name": "echo", "arguments": {"message": said}});
    assert_eq!(text(&socket.ask("tools/call", params).await["result"]), said);
}

#[tokio::test]
async fn a_thousand_sessions_over_websocket_and_a_thousand_over_http_call_tools_at_once() {
    many_files(4_000);
    let server = Setup::new().start().await;
    let http = pooled();
    let (mut sockets, sessions) = tokio::join!(
        in_turn((0..EACH).map(|_| Socket::legacy(&server, json!({})))),
        in_turn((0..EACH).map(|_| Session::open(&server, &http))),
    );
    let scrape = server.scrape().await;
    for transport in ["websocket", "http"] {
        let active = scrape.sum("mcp_active_sessions", &[("transport", transport)]);
        assert_eq!(active, 1_000.0, "{transport}");
    }
    for round in 0..2 {
        // Every WebSocket has its call in flight at the same time.
        tokio::join!(
            futures_util::future::join_all(sockets.iter_mut().enumerate().map(
                |(at, socket)| async move { echo(socket, &format!("ws {at} {round}")).await }
            )),
            in_turn(sessions.iter().enumerate().map(|(at, session)| async move {
                session.echo(&format!("http {at} {round}")).await
            })),
        );
    }
    assert_eq!(server.scrape().await.sum("mcp_active_sessions", &[]), 2_000.0);
    tokio::join!(
        in_turn(
            sockets.into_iter().map(|mut socket| async move { socket.stream.close(None).await })
        ),
        in_turn(sessions.into_iter().map(Session::close)),
    );
    drop(http);
    let counted = [("status", "ok"), ("method", "tools/call")];
    assert_eq!(server.scrape().await.sum("mcp_requests_total", &counted), 4_000.0);
    server.finish().await;
}

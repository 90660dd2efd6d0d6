//! `/ws`: both eras on one socket, real clients, every way a socket ends.

use crate::support::{Server, Setup, connect, modern_meta, run_plan, text, until, within};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest, protocol::frame::coding::CloseCode},
};

/// A client that speaks raw MCP over a WebSocket and notes what it sends.
pub struct Socket<'a> {
    /// The frames.
    pub stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    server: &'a Server,
    asked: u64,
}

fn request(server: &Server, protocol: Option<&str>) -> tungstenite::handshake::client::Request {
    let url = format!("{}/ws", server.base().replacen("http", "ws", 1));
    let mut request = url.into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("authorization", format!("Bearer {}", server.token()).parse().unwrap());
    if let Some(protocol) = protocol {
        headers.insert("sec-websocket-protocol", protocol.parse().unwrap());
    }
    request
}

impl<'a> Socket<'a> {
    /// Opens a socket and says nothing.
    pub async fn open(server: &'a Server) -> Self {
        Self::over(server, connect(server).await).await
    }

    /// The same over a socket that is connected.
    pub async fn over(server: &'a Server, socket: TcpStream) -> Self {
        let socket = MaybeTlsStream::Plain(socket);
        let (stream, response) = client_async(request(server, Some("mcp")), socket).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "mcp");
        Self { stream, server, asked: 0 }
    }

    /// Opens a legacy session.
    pub async fn legacy(server: &'a Server, capabilities: Value) -> Self {
        let mut socket = Self::open(server).await;
        socket.begin(capabilities).await;
        socket
    }

    /// Opens a legacy session on it.
    pub async fn begin(&mut self, capabilities: Value) {
        let socket = self;
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities,
            "clientInfo": {"name": "raw", "version": "1"}});
        let welcome = socket.ask("initialize", params).await;
        assert_eq!(welcome["result"]["protocolVersion"], "2025-11-25", "{welcome}");
        socket.say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    }

    /// Sends a message.
    pub async fn say(&mut self, message: Value) {
        self.stream.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn send(&mut self, method: &str, params: Value) -> u64 {
        self.asked += 1;
        self.server.sent(method);
        let message =
            json!({"jsonrpc": "2.0", "id": self.asked, "method": method, "params": params});
        self.say(message).await;
        self.asked
    }

    pub async fn send_modern(&mut self, method: &str, mut params: Value) -> u64 {
        params["_meta"] = modern_meta("raw", &json!({}));
        self.send(method, params).await
    }

    /// The next message.
    pub async fn next(&mut self) -> Value {
        loop {
            let frame = within(30, "a message", self.stream.next()).await;
            match frame.expect("the socket is open").expect("a frame") {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => {
                    panic!("{other:?}")
                }
            }
        }
    }

    /// The next message that fits, others are passed over.
    async fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.next().await;
            if fits(&message) {
                return message;
            }
        }
    }

    pub async fn answer(&mut self, id: u64) -> Value {
        self.until(|message| message["id"] == id && message.get("method").is_none()).await
    }

    /// Sends a request and gives its answer.
    pub async fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params).await;
        self.answer(id).await
    }

    /// Closes it, as a client does that is done.
    pub async fn close(mut self) {
        self.stream.close(None).await.unwrap();
    }

    /// The close code that the server sends; `None` when the socket just ends.
    pub async fn close_code(&mut self) -> Option<CloseCode> {
        loop {
            match within(30, "the end", self.stream.next()).await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}

async fn server() -> Server {
    let server = Setup::new().fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    server
}

async fn ended(server: &Server, reason: &str, times: f64) {
    until(&format!("{times} ended as {reason}"), || async {
        let labels = [("transport", "websocket"), ("reason", reason)];
        server.scrape().await.sum("mcp_disconnections_total", &labels) == times
    })
    .await;
}

#[tokio::test]
async fn a_legacy_client_gets_answers_progress_logs_and_questions_on_one_socket() {
    let server = server().await;
    let mut socket = Socket::legacy(&server, json!({"elicitation": {}})).await;
    let listed = socket.ask("tools/list", json!({})).await;
    assert!(listed.to_string().contains("fix__ask_name"));
    let call = json!({"name": "fix__count_progress", "arguments": {"steps": 3, "delay_ms": 5}, "_meta": {"progressToken": "p"}});
    let id = socket.send("tools/call", call).await;
    for step in 1..=3 {
        let progress = socket.next().await;
        assert_eq!(progress["method"], "notifications/progress", "before the answer: {progress}");
        assert_eq!(progress["params"]["progressToken"], "p");
        assert!(progress["params"]["progress"].as_f64().unwrap() <= f64::from(step) + 1.0);
    }
    assert_ne!(socket.answer(id).await["result"]["isError"], true);
    let call = json!({"name": "fix__ask_name", "arguments": {"question": "Who are you?"}});
    let id = socket.send("tools/call", call).await;
    let question = socket.until(|message| message["method"] == "elicitation/create").await;
    let answer = json!({"action": "accept", "content": {"name": "Ada"}});
    socket.say(json!({"jsonrpc": "2.0", "id": question["id"], "result": answer})).await;
    assert!(text(&socket.answer(id).await["result"]).contains("Ada"));
    socket.stream.close(None).await.unwrap();
    ended(&server, "client_closed", 1.0).await;
    server.finish().await;
}

#[tokio::test]
async fn a_modern_client_calls_listens_and_cancels_on_one_socket() {
    let server = server().await;
    let mut socket = Socket::open(&server).await;
    let id = socket.send_modern("server/discover", json!({})).await;
    assert_eq!(socket.answer(id).await["result"]["supportedVersions"], json!(["2026-07-28"]));
    let listen = socket
        .send_modern("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}))
        .await;
    let acknowledged = socket.next().await;
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    let call = socket
        .send_modern("tools/call", json!({"name": "fix__add_tool", "arguments": {"name": "late"}}))
        .await;
    let (mut answered, mut told) = (false, false);
    while !(answered && told) {
        let message = socket.next().await;
        answered |= message["id"] == call;
        if message["method"] == "notifications/tools/list_changed" {
            assert_eq!(
                message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"],
                listen
            );
            told = true;
        }
    }
    let slow = socket
        .send_modern("tools/call", json!({"name": "fix__sleep", "arguments": {"ms": 60_000}}))
        .await;
    for id in [listen, slow] {
        let params = json!({"requestId": id});
        socket
            .say(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}))
            .await;
    }
    until("the call is counted as cancelled", || async {
        server.scrape().await.sum("mcp_requests_total", &[("status", "cancelled")]) == 1.0
    })
    .await;
    let lost = socket
        .send_modern("tools/call", json!({"name": "fix__sleep", "arguments": {"ms": 60_000}}))
        .await;
    assert!(lost > slow);
    until("the call is in flight", || async {
        server.scrape().await.sum("mcp_requests_in_flight", &[("method", "tools/call")]) == 1.0
    })
    .await;
    drop(socket);
    until("going away withdraws it", || async {
        server.scrape().await.sum("mcp_requests_total", &[("status", "cancelled")]) == 2.0
    })
    .await;
    ended(&server, "client_gone", 1.0).await;
    server.finish().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_answered_and_the_socket_lives_on() {
    let server = server().await;
    let mut socket = Socket::open(&server).await;
    for (frame, code, counted) in [
        ("{", -32700, None),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600, None),
        (r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#, -32602, Some("tools/list")),
        (r#"{"jsonrpc":"2.0","id":3,"method":7}"#, -32600, None),
    ] {
        if let Some(method) = counted {
            server.sent(method);
        }
        socket.stream.send(Message::text(frame)).await.unwrap();
        assert_eq!(socket.next().await["error"]["code"], code, "{frame}");
    }
    socket.asked = 10;
    let mut params = json!({"_meta": modern_meta("raw", &json!({}))});
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("1900-01-01");
    let refused = socket.ask("tools/list", params).await;
    assert_eq!(refused["error"]["code"], -32022, "{refused}");
    let id = socket.send_modern("tools/list", json!({})).await;
    assert!(socket.answer(id).await["result"]["tools"].is_array());
    let labels = |status| [("transport", "websocket"), ("status", status)];
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("mcp_connections_total", &labels("protocol_error")), 1.0, "counted once");
    assert_eq!(scrape.sum("mcp_connections_total", &labels("accepted")), 1.0);
    drop(socket);
    ended(&server, "client_gone", 1.0).await;
    server.finish().await;
}

#[tokio::test]
async fn each_end_has_its_close_code_and_its_reason() {
    let server = Setup::new().set("limits.body_bytes", 4096).start().await;
    let large = Message::text(format!("\"{}\"", "x".repeat(5000)));
    for (frame, code, times) in [
        (Message::binary(vec![1, 2, 3]), CloseCode::Unsupported, 1.0),
        (large, CloseCode::Size, 2.0),
    ] {
        let mut socket = Socket::legacy(&server, json!({})).await;
        socket.stream.send(frame).await.unwrap();
        assert_eq!(socket.close_code().await, Some(code));
        ended(&server, "protocol_error", times).await;
    }
    server.finish().await;
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_let_go() {
    let server = Setup::new().set("limits.heartbeat", 0.3).set("limits.heartbeat_timeout", 1.5);
    let server = server.start().await;
    let mut alive = Socket::legacy(&server, json!({})).await;
    let silent = Socket::legacy(&server, json!({})).await;
    // Reading is what answers pings; the silent one does not read.
    let reading = async { while alive.stream.next().await.is_some_and(|frame| frame.is_ok()) {} };
    tokio::select! {
        () = ended(&server, "heartbeat_lost", 1.0) => {}
        () = reading => panic!("the client that answers was let go"),
    }
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("mcp_heartbeats_missed_total", &[("transport", "websocket")]), 1.0);
    assert!(scrape.sum("mcp_heartbeat_rtt_seconds_count", &[("transport", "websocket")]) >= 1.0);
    drop((alive, silent));
    ended(&server, "client_gone", 1.0).await;
    server.finish().await;
}

#[tokio::test]
async fn a_stop_lets_a_call_finish_and_then_says_goodbye() {
    let mut server = server().await;
    let pid_is_told = {
        let mut socket = Socket::legacy(&server, json!({})).await;
        let id = socket
            .send("tools/call", json!({"name": "fix__sleep", "arguments": {"ms": 800}}))
            .await;
        until("the call is in flight", || async {
            server.scrape().await.sum("mcp_requests_in_flight", &[("method", "tools/call")]) == 1.0
        })
        .await;
        server.signal("TERM");
        assert!(socket.answer(id).await["result"].is_object());
        socket.close_code().await
    };
    assert_eq!(pid_is_told, Some(CloseCode::Away));
    assert_eq!(server.exit_code().await, Some(0));
}

#[tokio::test]
async fn who_may_not_come_in_is_told_over_http() {
    let server = server().await;
    let status = |outcome: Result<_, tungstenite::Error>| match outcome {
        Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
        Ok(_) => 101,
    };
    let mut wrong = request(&server, Some("mcp"));
    wrong.headers_mut().insert("authorization", "Bearer wrong".parse().unwrap());
    assert_eq!(status(connect_async(wrong).await.map(drop)), 401);
    let mut page = request(&server, Some("mcp"));
    page.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(status(connect_async(page).await.map(drop)), 403);
    assert_eq!(status(connect_async(request(&server, Some("graphql-ws"))).await.map(drop)), 400);
    let plain = server.get(&crate::support::http(), "/ws").send().await.unwrap();
    assert_eq!(plain.status(), 426);
    assert_eq!(plain.json::<Value>().await.unwrap()["code"], "no_websocket");
    let scrape = server.scrape().await;
    let refused = |status| {
        scrape.sum("mcp_connections_total", &[("transport", "websocket"), ("status", status)])
    };
    assert_eq!((refused("unauthorized"), refused("rejected_origin")), (1.0, 1.0));
    server.finish().await;
}

fn plan() -> Value {
    json!({
        "calls": [{"name": "echo", "arguments": {"message": "over a socket"}}],
        "resources": ["test://static-text"],
        "progress": {"name": "fix__count_progress", "arguments": {"steps": 3, "delay_ms": 20}},
    })
}

#[tokio::test]
async fn the_typescript_sdk_works_over_websocket_with_a_token_and_without() {
    for open in [false, true] {
        let setup = Setup::new().fixture("fix", json!({}));
        let server = if open { setup.open() } else { setup }.start().await;
        let mut plan = plan();
        if open {
            plan["token"] = Value::Null;
        }
        let report = run_plan(&server, "websocket.mjs", plan).await;
        assert_eq!(text(&report["results"][0]), "over a socket");
        // The SDK loses a report that arrives together with the answer.
        assert!(report["progress"].to_string().starts_with("[1,2"), "{report}");
        assert!(report["tools"].as_array().unwrap().contains(&"fix__test_simple_text".into()));
        server.finish().await;
    }
}

#[tokio::test]
async fn a_plain_python_client_works_over_websocket() {
    let server = server().await;
    let report = run_plan(&server, "websocket.py", plan()).await;
    assert_eq!(report["subprotocol"], "mcp");
    assert_eq!(report["revision"], "2025-11-25");
    assert_eq!(report["progress"].as_array().unwrap().len(), 3, "{report}");
    server.finish().await;
}

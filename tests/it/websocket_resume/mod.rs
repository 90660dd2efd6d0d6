//! WebSocket sessions that outlive their socket: a raw client that counts frames as
//! `WEBSOCKET.md` says, and is cut.

mod away;
mod late;
mod refused;
mod restart;

use crate::support::{Scrape, Server, Setup, until, within};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, protocol::frame::coding::CloseCode},
};

const KEY: &str = "mcp-orchestrator/resume";

/// What a client knows of its session without a socket.
#[derive(Debug, Clone)]
struct Way {
    token: String,
    received: u64,
    sent: u64,
    asked: u64,
}

impl Way {
    fn wish(&self) -> Value {
        json!({"token": self.token, "received": self.received})
    }
}

/// A client on a socket.
struct Client {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    way: Way,
    /// What the result of its `initialize` said of resuming.
    told: Value,
}

async fn connect(server: &Server, token: &str) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let url = format!("{}/ws", server.base().replacen("http", "ws", 1));
    let mut request = url.into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    headers.insert("sec-websocket-protocol", "mcp".parse().unwrap());
    connect_async(request).await.unwrap().0
}

impl Client {
    /// Sends `initialize` with a wish and reads its answer, which is not counted.
    async fn hello(server: &Server, wish: Value, token: &str) -> Self {
        let way = Way { token: String::new(), received: 0, sent: 0, asked: 0 };
        let stream = connect(server, token).await;
        let mut client = Self { stream, way, told: Value::Null };
        let mut params = json!({"protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "raw", "version": "1"}});
        if !wish.is_null() {
            params["_meta"] = json!({ KEY: wish });
        }
        server.sent("initialize");
        let hello =
            json!({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": params});
        client.stream.send(Message::text(hello.to_string())).await.unwrap();
        let welcome = client.next().await;
        assert_eq!(welcome["id"], "hello", "the first frame is the answer: {welcome}");
        assert_eq!(welcome["result"]["protocolVersion"], "2025-11-25", "{welcome}");
        client.told = welcome["result"]["_meta"][KEY].clone();
        client.way.received = 0;
        client.way.token = client.told["token"].as_str().unwrap_or_default().to_owned();
        client
    }

    /// Opens a session that it can come back to.
    async fn open(server: &Server) -> Self {
        let mut client = Self::hello(server, json!({}), server.token()).await;
        assert!(!client.way.token.is_empty(), "{}", client.told);
        assert!(client.told["window_ms"].as_u64() > Some(0), "{}", client.told);
        assert!(client.told.get("resumed").is_none(), "{}", client.told);
        client.say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        client
    }

    /// Comes back, whatever the server says to that.
    async fn knock(server: &Server, way: &Way) -> Self {
        Self::hello(server, way.wish(), server.token()).await
    }

    /// Comes back; fails the test if the session is gone.
    async fn back(server: &Server, way: &Way) -> Self {
        let mut client = Self::knock(server, way).await;
        assert_eq!(client.told["resumed"], true, "{} after {way:?}", client.told);
        assert_eq!(client.way.token, way.token);
        client.way = way.clone();
        client
    }

    async fn say(&mut self, message: Value) {
        self.stream.send(Message::text(message.to_string())).await.unwrap();
        self.way.sent += 1;
    }

    async fn send(&mut self, server: &Server, method: &str, params: Value) -> u64 {
        self.way.asked += 1;
        server.sent(method);
        let id = self.way.asked;
        self.say(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await;
        id
    }

    async fn call(&mut self, server: &Server, tool: &str, arguments: Value) -> u64 {
        let params = json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": "p"}});
        self.send(server, "tools/call", params).await
    }

    /// The next message, counted.
    async fn next(&mut self) -> Value {
        loop {
            let frame = within(30, "a message", self.stream.next()).await;
            match frame.expect("the socket is open").expect("a frame") {
                Message::Text(text) => {
                    self.way.received += 1;
                    return serde_json::from_str(&text).unwrap();
                }
                Message::Ping(_) | Message::Pong(_) => {}
                other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => {
                    panic!("{other:?}")
                }
            }
        }
    }

    /// All messages up to the answer of that request, without the word that lists changed: an
    /// upstream that is found to speak the second era may cause it at any time.
    async fn up_to(&mut self, id: u64) -> Vec<Value> {
        let mut messages = Vec::new();
        loop {
            let message = self.next().await;
            if is_list_changed(&message) {
                continue;
            }
            messages.push(message);
            if messages.last().is_some_and(|message| message["id"] == id) {
                return messages;
            }
        }
    }

    /// Nothing is left to come: the next message is the answer to a ping.
    async fn nothing_more(&mut self, server: &Server) {
        let id = self.send(server, "ping", json!({})).await;
        let messages = self.up_to(id).await;
        assert_eq!(messages.len(), 1, "{messages:?}");
    }

    /// Loses the socket without a word, and waits until the server knows.
    async fn cut(self, server: &Server) -> Way {
        self.cut_one(server, 0.0).await
    }

    /// The same, where so many sockets of others stay.
    async fn cut_one(self, server: &Server, others: f64) -> Way {
        let way = self.way;
        drop(self.stream);
        sockets(server, others).await;
        way
    }

    async fn close_code(&mut self) -> Option<CloseCode> {
        loop {
            match within(30, "the end", self.stream.next()).await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}

async fn sockets(server: &Server, open: f64) {
    until("the server knows", || async {
        server.scrape().await.sum("mcp_sockets_open", &[("transport", "websocket")]) == open
    })
    .await;
}

async fn calls_ended(server: &Server, times: f64) {
    until("the call has ended", || async {
        server.scrape().await.sum("mcp_requests_total", &[("method", "tools/call")]) == times
    })
    .await;
}

async fn server_with(setup: Setup) -> Server {
    let server = setup.fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    server
}

fn came_back(scrape: &Scrape, outcome: &str) -> f64 {
    let labels = [("side", "session"), ("outcome", outcome)];
    scrape.sum("mcp_reconnect_attempts_total", &labels)
}

fn ended(scrape: &Scrape, reason: &str) -> f64 {
    scrape.sum("mcp_disconnections_total", &[("transport", "websocket"), ("reason", reason)])
}

fn is_list_changed(message: &Value) -> bool {
    message["method"].as_str().is_some_and(|method| method.ends_with("/list_changed"))
}

/// The progress that messages report, in their order.
fn progress(messages: &[Value]) -> Vec<f64> {
    let reports = messages.iter().filter(|message| message["method"] == "notifications/progress");
    reports.map(|message| message["params"]["progress"].as_f64().expect("a number")).collect()
}

//! A client for very many requests: HTTP/1.1 by hand on one connection that is kept.

use super::{Server, within};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// One connection. It is opened anew when the server has closed it.
pub struct Raw {
    address: String,
    token: String,
    socket: Option<BufReader<TcpStream>>,
}

/// An answer with a length.
pub struct RawReply {
    /// The HTTP status.
    pub status: u16,
    /// The session that it opened.
    pub session: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Raw {
    /// A connection to a server, with its token.
    pub async fn connect(server: &Server) -> Self {
        let address = server.base().trim_start_matches("http://").to_owned();
        let mut raw = Self { address, token: server.token().to_owned(), socket: None };
        raw.socket().await;
        raw
    }

    /// Sends that token from here on.
    pub fn use_token(&mut self, token: &str) {
        token.clone_into(&mut self.token);
    }

    async fn socket(&mut self) -> &mut BufReader<TcpStream> {
        if self.socket.is_none() {
            let socket = TcpStream::connect(&self.address).await.expect("the server listens");
            socket.set_nodelay(true).expect("an option every socket has");
            self.socket = Some(BufReader::new(socket));
        }
        self.socket.as_mut().expect("just put there")
    }

    /// Sends a request without waiting for its answer; `more` is whole header lines.
    pub async fn start(&mut self, method: &str, path: &str, more: &str, body: &str) {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
             Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n{more}\r\n{body}",
            self.token,
            body.len()
        );
        let socket = self.socket().await;
        socket.get_mut().write_all(head.as_bytes()).await.expect("the server reads");
    }

    /// Sends a request and reads its answer.
    pub async fn send(&mut self, method: &str, path: &str, more: &str, body: &str) -> RawReply {
        self.start(method, path, more, body).await;
        within(30, "an answer", self.reply()).await
    }

    async fn reply(&mut self) -> RawReply {
        let socket = self.socket().await;
        let mut reply = RawReply { status: 0, session: None, body: Vec::new() };
        let (mut length, mut closes, mut line) = (0, false, String::new());
        loop {
            line.clear();
            socket.read_line(&mut line).await.expect("the server answers");
            let text = line.trim_end();
            if text.is_empty() {
                break;
            }
            match text.split_once(": ") {
                None => reply.status = text[9..12].parse().expect("a status"),
                Some(("content-length", value)) => length = value.parse().expect("a length"),
                Some(("mcp-session-id", value)) => reply.session = Some(value.to_owned()),
                Some(("connection", "close")) => closes = true,
                Some(("transfer-encoding", _)) => panic!("an answer of unknown length"),
                Some(_) => {}
            }
        }
        reply.body.resize(length, 0);
        socket.read_exact(&mut reply.body).await.expect("the whole body");
        if closes {
            self.socket = None;
        }
        reply
    }

    /// `initialize`: the session's id.
    pub async fn initialize(&mut self) -> String {
        let reply = self.send("POST", "/mcp", "", &initialize().to_string()).await;
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert_eq!(reply.status, 200, "{text}");
        reply.session.unwrap_or_else(|| panic!("no session: {text}"))
    }

    /// A whole handshake: the session's id.
    pub async fn handshake(&mut self) -> String {
        let session = self.initialize().await;
        let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let more = format!("Mcp-Session-Id: {session}\r\n");
        assert_eq!(self.send("POST", "/mcp", &more, body).await.status, 202);
        session
    }

    /// Ends a session.
    pub async fn delete(&mut self, session: &str) {
        let more = format!("Mcp-Session-Id: {session}\r\n");
        assert_eq!(self.send("DELETE", "/mcp", &more, "").await.status, 204);
    }

    /// Reads until the server closes the connection, for at most so many seconds.
    pub async fn closed(&mut self, seconds: u64) {
        let mut rest = Vec::new();
        let end = self.socket().await.read_to_end(&mut rest);
        // A reset is an end too.
        let _end = within(seconds, "the server closes the socket", end).await;
    }
}

/// An `initialize` that declares nothing.
pub fn initialize() -> Value {
    let info = json!({"name": "raw", "version": "1"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info});
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
}

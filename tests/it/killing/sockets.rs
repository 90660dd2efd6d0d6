//! Clients on a WebSocket that come back to their session as `WEBSOCKET.md` says.

use super::{Client, Kind, Tally};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

const KEY: &str = "mcp-orchestrator/resume";
const HELLO: &str = "hello";

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The socket is gone.
#[derive(Debug)]
struct Cut;

/// What a client knows of its session without a socket.
pub(super) struct Traveller {
    client: Client,
    received: u64,
    sent: u64,
    asked: u64,
    /// A call without an answer, and the ordinal of its frame.
    pending: Option<(u64, u64)>,
    answered: BTreeSet<u64>,
    /// Whether an answer may come that came before: only right after a crash.
    may_repeat: bool,
    tally: Tally,
}

impl Traveller {
    /// Opens a session; the server must be there.
    pub(super) async fn open(client: Client) -> Self {
        let mut traveller = Self {
            client,
            received: 0,
            sent: 0,
            asked: 0,
            pending: None,
            answered: BTreeSet::new(),
            may_repeat: false,
            tally: Tally::default(),
        };
        let (mut stream, told) = traveller.hello(json!({})).await.expect("the server is there");
        told["token"].as_str().expect("a token").clone_into(&mut traveller.client.session);
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        traveller.say(&mut stream, &initialized).await.expect("it stays");
        traveller.ping(&mut stream).await.expect("it is answered");
        traveller
    }

    /// Calls and comes back until it is over. Fails if the session is lost, or a call answered twice.
    pub(super) async fn run(mut self) -> (Kind, Tally) {
        while !self.client.is_over() {
            let wish = json!({"token": self.client.session, "received": self.received});
            let Ok((mut stream, told)) = self.hello(wish).await else {
                sleep(Duration::from_millis(20)).await;
                continue;
            };
            assert_eq!(told["resumed"], true, "a live session is never lost: {told}");
            let Ok(()) = self.go_on(&mut stream, &told["received"]).await else { continue };
            while !self.client.is_over() {
                if self.call(&mut stream).await.is_err() {
                    break;
                }
            }
        }
        (Kind::Socket, self.tally)
    }

    async fn hello(&self, wish: Value) -> Result<(Stream, Value), Cut> {
        let url = format!("{}/ws", self.client.base.replacen("http", "ws", 1));
        let mut request = url.into_client_request().expect("a URL");
        let headers = request.headers_mut();
        let bearer = format!("Bearer {}", self.client.token);
        headers.insert("authorization", bearer.parse().expect("visible"));
        headers.insert("sec-websocket-protocol", "mcp".parse().expect("visible"));
        let (mut stream, _) = connect_async(request).await.map_err(|_| Cut)?;
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "traveller", "version": "1"}, "_meta": {KEY: wish}});
        let hello =
            json!({"jsonrpc": "2.0", "id": HELLO, "method": "initialize", "params": params});
        stream.send(Message::text(hello.to_string())).await.map_err(|_| Cut)?;
        let welcome = next(&mut stream).await?;
        assert_eq!(welcome["id"], HELLO, "{welcome}");
        // One that cannot be decided now is asked again.
        let told = welcome["result"]["_meta"][KEY].clone();
        if told.is_null() { Err(Cut) } else { Ok((stream, told)) }
    }

    /// Finds out what became of the call that was cut.
    async fn go_on(&mut self, stream: &mut Stream, reached: &Value) -> Result<(), Cut> {
        match reached.as_u64() {
            None => {
                self.sent = 0;
                self.may_repeat = true;
                self.ping(stream).await?;
                self.may_repeat = false;
                // Nobody has said anything of it: so it is unknown.
                self.tally.unheard += usize::from(self.pending.take().is_some());
            }
            Some(reached) => {
                assert!(reached <= self.sent, "{reached} of {}", self.sent);
                self.sent = reached;
                self.pending = self.pending.filter(|(_, frame)| *frame <= reached);
                while self.pending.is_some() {
                    self.listen(stream).await?;
                }
            }
        }
        Ok(())
    }

    async fn call(&mut self, stream: &mut Stream) -> Result<(), Cut> {
        self.asked += 1;
        let id = self.asked;
        let params = match id % 4 {
            0 => json!({"name": "fix__sleep", "arguments": {"ms": 200}}),
            _ => json!({"name": "echo", "arguments": {"message": said(id)}}),
        };
        self.pending = Some((id, self.sent + 1));
        let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
        self.say(stream, &call).await?;
        while self.pending.is_some() {
            self.listen(stream).await?;
        }
        Ok(())
    }

    async fn ping(&mut self, stream: &mut Stream) -> Result<(), Cut> {
        let id = format!("ping {}", self.received);
        self.say(stream, &json!({"jsonrpc": "2.0", "id": id, "method": "ping"})).await?;
        while self.listen(stream).await?["id"] != id {}
        Ok(())
    }

    async fn say(&mut self, stream: &mut Stream, message: &Value) -> Result<(), Cut> {
        self.sent += 1;
        stream.send(Message::text(message.to_string())).await.map_err(|_| Cut)
    }

    /// Takes the next message.
    async fn listen(&mut self, stream: &mut Stream) -> Result<Value, Cut> {
        let message = next(stream).await?;
        self.received += 1;
        if let Some(id) = message["id"].as_u64() {
            if !self.answered.insert(id) {
                assert!(self.may_repeat, "answered twice: {message}");
                return Ok(message);
            }
            assert_eq!(self.pending.map(|(id, _)| id), Some(id), "nobody asked: {message}");
            self.pending = None;
            let wanted = if id % 4 == 0 { "slept 200 ms".to_owned() } else { said(id) };
            self.tally.count(&message, &wanted);
        }
        Ok(message)
    }
}

fn said(id: u64) -> String {
    format!("call {id}")
}

async fn next(stream: &mut Stream) -> Result<Value, Cut> {
    loop {
        let frame = timeout(Duration::from_secs(30), stream.next()).await.expect("within 30 s");
        match frame {
            Some(Ok(Message::Text(text))) => {
                return Ok(serde_json::from_str(&text).expect("JSON"));
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Binary(_) | Message::Close(_) | Message::Frame(_)) | Err(_))
            | None => return Err(Cut),
        }
    }
}

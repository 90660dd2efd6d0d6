//! WebSockets, with servers that do as they are told: such that know nothing of resuming, and such
//! that resume, forget, or break the rules.

use crate::support::{Memory, call, identity, json, options, respond, until};
use futures_util::{SinkExt, StreamExt};
use mcp_client::{ClientError, Connection, Ending, ErrorKind, Options, Ran, Target};
use mcp_protocol::Era;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, accept_async,
    tungstenite::{
        Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

type Socket = WebSocketStream<TcpStream>;

/// What the peer does with each socket, the first being 0.
type Script = dyn Fn(usize, Talk) -> futures_util::future::BoxFuture<'static, ()> + Send + Sync;

struct Peer {
    port: u16,
    heard: Arc<Mutex<Vec<Value>>>,
    _tasks: JoinSet<()>,
}

/// One socket of the peer.
struct Talk {
    socket: Socket,
    heard: Arc<Mutex<Vec<Value>>>,
}

impl Peer {
    async fn start<F: Future<Output = ()> + Send + 'static>(
        script: impl Fn(usize, Talk) -> F + Send + Sync + 'static,
    ) -> Self {
        let script: Arc<Script> = Arc::new(move |number, talk| Box::pin(script(number, talk)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (heard, mut tasks) = (Arc::<Mutex<Vec<Value>>>::default(), JoinSet::new());
        let all = Arc::clone(&heard);
        tasks.spawn(async move {
            let mut sockets = JoinSet::new();
            for number in 0.. {
                let Ok((socket, _)) = listener.accept().await else { return };
                let (script, heard) = (Arc::clone(&script), Arc::clone(&all));
                sockets.spawn(async move {
                    let Ok(socket) = accept_async(socket).await else { return };
                    script(number, Talk { socket, heard }).await;
                });
            }
        });
        Self { port, heard, _tasks: tasks }
    }

    async fn open(&self, era: Era, options: &Options) -> (Connection, Arc<Memory>) {
        let url = format!("ws://127.0.0.1:{}/ws", self.port);
        let target = Target::url(&url, BTreeMap::new()).expect("a URL");
        let memory = Arc::new(Memory::default());
        let sink = Arc::clone(&memory);
        let opened = Connection::open(&target, Some(era), &identity(), sink, options).await;
        (opened.expect("a connection"), memory)
    }

    fn asked(&self, method: &str) -> Vec<Value> {
        let heard = self.heard.lock().expect("no panic");
        heard.iter().filter(|message| message["method"] == method).cloned().collect()
    }
}

impl Talk {
    /// The next message of the client; `None` when it is gone.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Message::Text(text) = self.socket.next().await?.ok()? {
                let message: Value = serde_json::from_str(&text).expect("JSON");
                self.heard.lock().expect("no panic").push(message.clone());
                return Some(message);
            }
        }
    }

    async fn say(&mut self, message: Value) {
        // It may be gone.
        let _sent = self.socket.send(Message::text(message.to_string())).await.is_ok();
    }

    async fn answer(&mut self, request: &Value, result: Value) {
        self.say(serde_json::json!({"jsonrpc": "2.0", "id": request["id"], "result": result}))
            .await;
    }

    /// Does the legacy handshake; `told` is what it says of resuming.
    async fn shake(&mut self, told: Value) {
        while let Some(message) = self.next().await {
            if message["method"] == "initialize" {
                let mut result = serde_json::json!({"protocolVersion": "2025-11-25",
                    "capabilities": {}, "serverInfo": {"name": "peer"}});
                if !told.is_null() {
                    result["_meta"] = serde_json::json!({"mcp-orchestrator/resume": told});
                }
                return self.answer(&message, result).await;
            }
        }
    }

    /// Answers every call until the client is gone.
    async fn serve(&mut self) {
        while let Some(message) = self.next().await {
            if message.get("id").is_some() && message.get("method").is_some() {
                self.answer(&message, serde_json::json!({})).await;
            }
        }
    }

    /// Hears so many calls, and answers none.
    async fn hear(&mut self, calls: usize) {
        let mut heard = 0;
        while heard < calls
            && let Some(message) = self.next().await
        {
            heard += usize::from(message["method"] == "tools/call");
        }
    }
}

fn granted() -> Value {
    serde_json::json!({"token": "t", "window_ms": 60_000})
}

fn resumed(received: Value) -> Value {
    serde_json::json!({"token": "t", "window_ms": 60_000, "resumed": true, "received": received})
}

async fn ends<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("it ends")
}

#[tokio::test]
async fn a_server_that_knows_nothing_of_resuming_is_a_server_like_any_other() {
    let peer = Peer::start(|_, mut talk| async move {
        talk.shake(Value::Null).await;
        talk.say(serde_json::json!({"jsonrpc": "2.0", "id": "q", "method": "roots/list"})).await;
        talk.say(serde_json::json!({"jsonrpc": "2.0", "id": "p", "method": "ping"})).await;
        while let Some(message) = talk.next().await {
            if message["method"] == "ping" {
                talk.answer(&message, serde_json::json!({})).await;
            } else if message["method"] == "tools/call" {
                return;
            }
        }
    })
    .await;
    let (connection, memory) = peer.open(Era::Legacy, &options()).await;
    ends(connection.ping()).await.expect("an answer");
    until("it is asked", || memory.asked() == 1).await;
    until("its ping is answered", || {
        peer.heard.lock().expect("no panic").iter().any(|message| message["id"] == "p")
    })
    .await;
    let lost = ends(connection.call(call("tools/call", "{}"))).await.expect_err("it is gone");
    assert!(
        matches!(lost, ClientError::Closed { sent: true, ending: Ending::Lost(_) }),
        "{lost:?}"
    );
    let why = ends(connection.closed()).await;
    assert_eq!((why.kind(), why.ran()), (ErrorKind::Network, Ran::No));
    let late = ends(connection.call(call("tools/call", "{}"))).await.expect_err("it is over");
    assert_eq!(late.ran(), Ran::No);
}

#[tokio::test]
async fn a_server_with_all_the_calls_that_it_may_have_is_asked_whether_it_is_there() {
    let peer = Peer::start(|_, mut talk| async move {
        talk.shake(granted()).await;
        while let Some(message) = talk.next().await {
            if message["method"] == "ping" {
                talk.answer(&message, serde_json::json!({})).await;
            }
        }
    })
    .await;
    let one = Options { max_calls: 1, ..options() };
    let (connection, _) = peer.open(Era::Legacy, &one).await;
    let others = async {
        until("the first call is there", || peer.asked("tools/call").len() == 1).await;
        let second = connection.call(call("tools/call", "{}")).await;
        (second, ends(connection.ping()).await)
    };
    let (second, answer) = tokio::select! {
        first = connection.call(call("tools/call", "{}")) => panic!("no answer comes: {first:?}"),
        others = others => others,
    };
    assert_eq!((second.expect_err("it is full"), answer), (ClientError::Busy, Ok(())));
    connection.close().await;
}

#[tokio::test]
async fn only_what_did_not_arrive_is_sent_again() {
    let peer = Peer::start(|number, mut talk| async move {
        match number {
            0 => {
                talk.shake(granted()).await;
                talk.hear(2).await;
            }
            // `notifications/initialized` and the first call arrived, it says.
            1 => {
                talk.shake(resumed(2.into())).await;
                let again = talk.next().await.expect("a frame");
                assert_eq!(again["params"]["name"], "two", "{again}");
                talk.answer(&again, serde_json::json!({"is": "two"})).await;
                let first = talk.heard.lock().expect("no panic")[2].clone();
                talk.answer(&first, serde_json::json!({"is": "one"})).await;
                talk.serve().await;
            }
            _ => panic!("it comes back once"),
        }
    })
    .await;
    let (connection, _) = peer.open(Era::Legacy, &options()).await;
    let ask = |name: &str| connection.call(call("tools/call", name));
    let (one, two) =
        ends(async { tokio::join!(ask(r#"{"name":"one"}"#), ask(r#"{"name":"two"}"#)) }).await;
    let is = |answer: Result<mcp_protocol::Payload, ClientError>| {
        answer.expect("an answer").expect("a result").get().to_owned()
    };
    assert_eq!((is(one).as_str(), is(two).as_str()), (r#"{"is":"one"}"#, r#"{"is":"two"}"#));
    assert_eq!(peer.asked("tools/call").len(), 3);
    assert_eq!(peer.asked("notifications/initialized").len(), 1);
    let wishes: Vec<_> = peer
        .asked("initialize")
        .iter()
        .map(|message| message["params"]["_meta"]["mcp-orchestrator/resume"].clone())
        .collect();
    assert_eq!(wishes, [json_value("{}"), json_value(r#"{"token":"t","received":0}"#)]);
    connection.close().await;
}

fn json_value(text: &str) -> Value {
    serde_json::from_str(json(text).get()).expect("JSON")
}

#[tokio::test]
async fn a_server_that_does_not_know_is_asked_nothing_twice() {
    let peer = Peer::start(|number, mut talk| async move {
        if number == 0 {
            talk.shake(granted()).await;
            return talk.hear(2).await;
        }
        talk.shake(resumed(Value::Null)).await;
        // What it had stored comes first: the answer to one of the two.
        let first = talk.heard.lock().expect("no panic")[2].clone();
        talk.answer(&first, serde_json::json!({"is": "stored"})).await;
        talk.serve().await;
    })
    .await;
    let (connection, _) = peer.open(Era::Legacy, &options()).await;
    let ask = || connection.call(call("tools/call", "{}"));
    let (one, two) = ends(async { tokio::join!(ask(), ask()) }).await;
    assert_eq!(one.expect("an answer").expect("a result").get(), r#"{"is":"stored"}"#);
    assert_eq!(two.expect_err("nobody knows").ran(), Ran::Unknown);
    assert_eq!(peer.asked("tools/call").len(), 2);
    ends(ask()).await.expect("an answer").expect("a result");
    connection.close().await;
}

#[tokio::test]
async fn a_session_that_the_server_forgot_ends_with_its_calls() {
    let peer = Peer::start(|number, mut talk| async move {
        if number == 0 {
            talk.shake(granted()).await;
            return talk.hear(1).await;
        }
        talk.shake(serde_json::json!({"token": "n", "window_ms": 1, "resumed": false})).await;
        talk.serve().await;
    })
    .await;
    let (connection, _) = peer.open(Era::Legacy, &options()).await;
    let lost = ends(connection.call(call("tools/call", "{}"))).await.expect_err("it is gone");
    assert_eq!(lost.ran(), Ran::Unknown, "{lost}");
    assert_eq!(ends(connection.closed()).await, ClientError::SessionLost);
    assert_eq!(peer.asked("notifications/initialized").len(), 1);
}

#[tokio::test]
async fn a_session_that_is_over_is_not_asked_for() {
    for code in [CloseCode::Normal, CloseCode::Again, CloseCode::Library(4001)] {
        let peer = Peer::start(move |_, mut talk| async move {
            talk.shake(granted()).await;
            talk.hear(1).await;
            let frame = CloseFrame { code, reason: "told so".into() };
            let _gone = talk.socket.close(Some(frame)).await.is_ok();
            talk.serve().await;
        })
        .await;
        let (connection, _) = peer.open(Era::Legacy, &options()).await;
        let lost = ends(connection.call(call("tools/call", "{}"))).await.expect_err("it is over");
        assert!(lost.ran() == Ran::Unknown && lost.to_string().contains("told so"), "{lost}");
        ends(connection.closed()).await;
        assert_eq!(peer.asked("initialize").len(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_ends_the_connection_and_is_not_fetched_again() {
    let peer = Peer::start(|_, mut talk| async move {
        talk.shake(granted()).await;
        while let Some(message) = talk.next().await {
            if message["method"] == "tools/call" {
                talk.answer(&message, serde_json::json!({"x": "x".repeat(20_000)})).await;
            }
        }
    })
    .await;
    let small = Options { max_message: 10_000, ..options() };
    let (connection, _) = peer.open(Era::Legacy, &small).await;
    let lost = ends(connection.call(call("tools/call", "{}"))).await.expect_err("too large");
    assert_eq!(lost.ran(), Ran::Unknown);
    assert_eq!(ends(connection.closed()).await, ClientError::TooLarge { limit: 10_000 });
    assert_eq!(peer.asked("initialize").len(), 1);
}

#[tokio::test]
async fn what_is_no_websocket_is_told_by_its_kind() {
    for (status, headers, kind) in [
        ("401 Unauthorized", "", ErrorKind::Authentication),
        ("429 Too Many Requests", "retry-after: 7\r\n", ErrorKind::RateLimit),
        ("503 Service Unavailable", "", ErrorKind::Server),
        ("404 Not Found", "", ErrorKind::Protocol),
        ("200 OK", "", ErrorKind::Protocol),
        ("101 Switching Protocols", "upgrade: websocket\r\n", ErrorKind::Protocol),
    ] {
        let peer = crate::support::Peer::start(move |_, mut socket| async move {
            respond(&mut socket, status, headers, "").await;
        })
        .await;
        let url = format!("ws://127.0.0.1:{}/ws", peer.port);
        let target = Target::url(&url, BTreeMap::new()).expect("a URL");
        let sink = Arc::new(Memory::default());
        let (identity, options) = (identity(), options());
        let opened = Connection::open(&target, Some(Era::Legacy), &identity, sink, &options);
        let Err(error) = ends(opened).await else { panic!("{status}") };
        assert_eq!(error.kind(), kind, "{status}: {error}");
        assert_eq!(error.retry_after().is_some(), status.starts_with("429"));
        let asked = peer.requests(|_| true);
        assert!(asked.iter().all(|seen| seen.header("sec-websocket-protocol") == "mcp"));
    }
}

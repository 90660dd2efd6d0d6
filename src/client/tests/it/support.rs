//! What the tests share: a sink that remembers, and peers that do as they are told.

use futures_util::future::BoxFuture;
use mcp_client::{Connection, Identity, Options, OutCall, Progress, Secret, Sink, Target};
use mcp_protocol::{Notification, Payload, RawValue, Request, raw};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep},
};

/// Longest time a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until the condition holds.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited too long until {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Remembers all that it gets.
#[derive(Default)]
pub struct Memory {
    pub notifications: Mutex<Vec<Notification>>,
    pub lines: Mutex<Vec<String>>,
    pub requests: Mutex<Vec<Request>>,
    /// What requests are answered; without it they wait for ever.
    pub answer: Mutex<Option<Box<RawValue>>>,
    /// Answers that were dropped unfinished.
    pub dropped: Arc<AtomicUsize>,
}

impl Memory {
    pub fn names(&self) -> Vec<String> {
        self.notifications
            .lock()
            .expect("no panic")
            .iter()
            .map(|item| item.name.to_string())
            .collect()
    }

    pub fn logged(&self, part: &str) -> bool {
        self.lines.lock().expect("no panic").iter().any(|line| line.contains(part))
    }

    pub fn asked(&self) -> usize {
        self.requests.lock().expect("no panic").len()
    }
}

struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Sink for Memory {
    fn notification(&self, notification: Notification) {
        self.notifications.lock().expect("no panic").push(notification);
    }

    fn request(
        &self,
        request: Request,
        _progress: Option<Progress>,
    ) -> BoxFuture<'static, Payload> {
        self.requests.lock().expect("no panic").push(request);
        let answer = self.answer.lock().expect("no panic").clone();
        let dropped = Dropped(Arc::clone(&self.dropped));
        Box::pin(async move {
            match answer {
                Some(answer) => {
                    std::mem::forget(dropped);
                    Ok(answer)
                }
                None => {
                    let _dropped = dropped;
                    std::future::pending().await
                }
            }
        })
    }

    fn log_line(&self, line: &str) {
        self.lines.lock().expect("no panic").push(line.to_owned());
    }
}

pub fn identity() -> Identity {
    Identity {
        info: json(r#"{"name":"test","version":"1"}"#),
        capabilities: json(r#"{"roots":{}}"#),
    }
}

pub fn json(text: &str) -> Box<RawValue> {
    raw(text).expect("JSON")
}

pub fn options() -> Options {
    Options { discover_timeout: Duration::from_millis(400), ..Options::default() }
}

pub fn call(method: &'static str, params: &str) -> OutCall {
    OutCall::new(method, json(params))
}

/// A shell script as a server. Its helpers: `id` sets `$id` from `$line`, `ok` answers with a
/// result, `shake` does a legacy handshake.
pub fn script(body: &str) -> Target {
    let helpers = r#"
        id() { id=${line#*\"id\":}; id=${id%%,*}; }
        ok() { id; printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
        bad() { id; printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id"; }
        INIT='{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"sh"}}'
        DISC='{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"sh"}}}'
        shake() { while read -r line; do case "$line" in
            *server/discover*) bad;; *initialize\"*) ok "$INIT";; *notifications/initialized*) return;; esac; done; }
        discover() { read -r line; ok "$DISC"; }
    "#;
    let args = vec!["-c".to_owned(), format!("{helpers}\n{body}")];
    Target::stdio("/bin/sh".to_owned(), args, BTreeMap::new(), None)
}

/// Opens in whichever era, and fails the test if that fails.
pub async fn open(target: &Target) -> (Connection, Arc<Memory>) {
    open_with(target, &options()).await
}

pub async fn open_with(target: &Target, options: &Options) -> (Connection, Arc<Memory>) {
    let memory = Arc::new(Memory::default());
    let sink = Arc::clone(&memory);
    let connection =
        Connection::open(target, None, &identity(), sink, options).await.expect("a connection");
    (connection, memory)
}

/// A folder of this test that is removed with it.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("mcp-client-test-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

/// One request as the HTTP peer saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The JSON-RPC id.
    pub fn id(&self) -> String {
        let rest = self.body.split(r#""id":"#).nth(1).unwrap_or("null");
        rest.split([',', '}']).next().unwrap_or("null").to_owned()
    }

    pub fn is(&self, method: &str) -> bool {
        self.body.contains(&format!(r#""method":"{method}""#))
    }

    /// A JSON answer to this request.
    pub fn result(&self, result: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, self.id())
    }

    pub fn error(&self, code: i64, message: &str) -> String {
        format!(
            r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":{code},"message":"{message}"}}}}"#,
            self.id()
        )
    }
}

/// What the HTTP peer does with one request.
pub type Behaviour = dyn Fn(Seen, TcpStream) -> BoxFuture<'static, ()> + Send + Sync;

/// An HTTP server that closes after each answer, and remembers what it was sent.
pub struct Peer {
    pub seen: Arc<Mutex<Vec<Seen>>>,
    pub port: u16,
    _tasks: JoinSet<()>,
}

impl Peer {
    pub async fn start<F, B>(behaviour: B) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        B: Fn(Seen, TcpStream) -> F + Send + Sync + 'static,
    {
        Self::start_at(([127, 0, 0, 1], 0).into(), behaviour).await
    }

    pub async fn start_at<F, B>(address: SocketAddr, behaviour: B) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        B: Fn(Seen, TcpStream) -> F + Send + Sync + 'static,
    {
        let listener = TcpListener::bind(address).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let behaviour: Arc<Behaviour> =
            Arc::new(move |seen, socket| Box::pin(behaviour(seen, socket)));
        let log = Arc::clone(&seen);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut exchanges = JoinSet::new();
            while let Ok((mut socket, _)) = listener.accept().await {
                let (behaviour, log) = (Arc::clone(&behaviour), Arc::clone(&log));
                exchanges.spawn(async move {
                    let Some(request) = read_request(&mut socket).await else { return };
                    log.lock().expect("no panic").push(request.clone());
                    behaviour(request, socket).await;
                });
            }
        });
        Self { seen, port, _tasks: tasks }
    }

    pub fn target(&self) -> Target {
        self.target_with(&[])
    }

    pub fn target_with(&self, headers: &[(&str, &str)]) -> Target {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Secret::from(*value)))
            .collect();
        Target::http(&format!("http://127.0.0.1:{}/mcp", self.port), headers).expect("a URL")
    }

    pub fn requests(&self, wanted: impl Fn(&Seen) -> bool) -> Vec<Seen> {
        self.seen.lock().expect("no panic").iter().filter(|seen| wanted(seen)).cloned().collect()
    }
}

async fn read_request(socket: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let (first, rest) = text.split_once("\r\n")?;
    let headers: BTreeMap<_, _> = rest
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize =
        headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    while bytes.len() < head + 4 + length {
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8_lossy(&bytes[head + 4..]).into_owned();
    Some(Seen { method: first.split(' ').next()?.to_owned(), headers, body })
}

/// Writes raw bytes; the peer may be gone.
pub async fn write(socket: &mut TcpStream, text: &str) {
    let _gone = socket.write_all(text.as_bytes()).await;
}

/// Writes a whole answer.
pub async fn respond(socket: &mut TcpStream, status: &str, headers: &str, body: &str) {
    let length = body.len();
    write(socket, &format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"))
        .await;
}

/// Writes a JSON answer.
pub async fn respond_json(socket: &mut TcpStream, status: &str, body: &str) {
    respond(socket, status, "content-type: application/json\r\n", body).await;
}

/// Begins a stream of events that ends with the connection.
pub async fn begin_stream(socket: &mut TcpStream) {
    write(
        socket,
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n",
    )
    .await;
}

/// Does the legacy handshake, with session `s1`; gives back what is not part of it.
pub async fn legacy_handshake(seen: Seen, mut socket: TcpStream) -> Option<(Seen, TcpStream)> {
    if seen.is("server/discover") {
        respond_json(
            &mut socket,
            "400 Bad Request",
            &seen.error(-32000, "Bad Request: Server not initialized"),
        )
        .await;
    } else if seen.is("initialize") {
        let body = seen.result(
            r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"peer"}}"#,
        );
        respond(
            &mut socket,
            "200 OK",
            "content-type: application/json\r\nmcp-session-id: s1\r\n",
            &body,
        )
        .await;
    } else if seen.is("notifications/initialized") || seen.is("notifications/cancelled") {
        respond(&mut socket, "202 Accepted", "", "").await;
    } else if seen.method == "DELETE" {
        respond(&mut socket, "200 OK", "", "").await;
    } else {
        return Some((seen, socket));
    }
    None
}

/// As above, and there is no GET stream.
pub async fn legacy_without_get(seen: Seen, socket: TcpStream) -> Option<(Seen, TcpStream)> {
    let (seen, mut socket) = legacy_handshake(seen, socket).await?;
    if seen.method == "GET" {
        respond(&mut socket, "405 Method Not Allowed", "", "").await;
        return None;
    }
    Some((seen, socket))
}

/// The answer to `server/discover` of a modern server.
pub const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"instructions":"hi","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"peer"}}}"#;

//! Any messages on a WebSocket of a running server: what asks is answered once, and in order where
//! all is answered at once; what breaks the transport closes it with the right code; and nothing
//! stays open behind it.
//!
//! Each line of the input is a message. Its first byte may say that it is no plain text frame.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_protocol::{Id, Message, Method, RawObject, parse_message};
use mcp_server::{
    Config, OrchestratorServer, Tool, ToolInput, ToolOutput, async_trait,
    config::{AuthConfig, Limits},
};
use serde_json::{Value, json};
use std::{
    io::ErrorKind,
    net::SocketAddr,
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::{Builder, Runtime},
    task::yield_now,
    time::{sleep, timeout},
};

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    sec-websocket-protocol: mcp\r\n\r\n";
/// Largest message the server takes here: small, so that inputs reach it.
const LARGEST: usize = 512;
/// Most messages of one input.
const MOST_MESSAGES: usize = 64;
/// So often the books of the server are looked at.
const AUDIT_EVERY: u64 = 4_096;

/// One server for all runs, in one thread with its client, so that a run can be repeated.
struct Peer {
    runtime: Runtime,
    server: OrchestratorServer,
    address: SocketAddr,
    runs: u64,
}

static PEER: LazyLock<Mutex<Peer>> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let auth = AuthConfig { disabled: true, ..AuthConfig::default() };
    let limits = Limits { body_bytes: LARGEST, calls_per_session: 8, ..Limits::default() };
    let listen = ([127, 0, 0, 1], 0).into();
    let config = Config { listen, auth, limits, ..Config::default() };
    let server = OrchestratorServer::builder().config(config).tool(Later).build();
    let mut server = server.expect("sound");
    let address = runtime.block_on(server.start()).expect("a free port");
    Mutex::new(Peer { runtime, server, address, runs: 0 })
});

/// A tool that is not done at once: what comes next finds its call in flight.
struct Later;

#[async_trait]
impl Tool for Later {
    fn name(&self) -> &str {
        "later"
    }
    fn description(&self) -> &str {
        "Takes its time."
    }
    fn input_schema(&self) -> Value {
        json!({ "type": "object" })
    }
    async fn call(&self, _input: ToolInput) -> ToolOutput {
        for _ in 0..8 {
            yield_now().await;
        }
        ToolOutput::text("now")
    }
}

fuzz_target!(|input: &[u8]| {
    let peer = &mut *PEER.lock().unwrap_or_else(PoisonError::into_inner);
    let script = Script::new(input);
    let received = peer.runtime.block_on(exchange(peer.address, &script.wire));
    script.check(&received);
    peer.runs += 1;
    if peer.runs.is_multiple_of(AUDIT_EVERY) {
        peer.runtime.block_on(audit(&peer.server));
    }
});

/// What is sent, and what must come of it.
#[derive(Default)]
struct Script {
    wire: Vec<u8>,
    /// The ids that must be answered, in order; `None` for an error that could not tell.
    answers: Vec<Option<Id>>,
    pings: usize,
    /// The codes the server may close with, once it must; none when the client closes.
    close: Option<&'static [u16]>,
    /// Whether an answer may come late, or not at all because the socket ends or it is withdrawn.
    has_late: bool,
    /// Nothing is known of what comes back: the bytes were not framed by us.
    is_wild: bool,
}

impl Script {
    fn new(input: &[u8]) -> Self {
        let mut script = Self::default();
        for line in input.split(|byte| *byte == b'\n').take(MOST_MESSAGES) {
            script.add(line);
        }
        script
    }

    fn add(&mut self, line: &[u8]) {
        let short = |rest: &[u8]| rest[..rest.len().min(125)].to_vec();
        match line {
            [1, rest @ ..] => {
                self.frame(true, 2, rest);
                self.ends(if rest.len() > LARGEST { &[1009] } else { &[1003] });
            }
            [2, rest @ ..] => {
                self.frame(true, 9, &short(rest));
                self.pings += usize::from(self.close.is_none());
            }
            [3, rest @ ..] => self.frame(true, 10, &short(rest)),
            [4, rest @ ..] => {
                self.frame(true, 8, &short(rest));
                self.ends(&[]);
            }
            [5, rest @ ..] => {
                self.wire.extend_from_slice(rest);
                self.is_wild = true;
            }
            [6, rest @ ..] => {
                let (first, second) = rest.split_at(rest.len() / 2);
                self.frame(false, 1, first);
                self.frame(true, 9, b"between");
                self.pings += usize::from(self.close.is_none());
                self.frame(true, 0, second);
                self.text(rest);
            }
            text => {
                self.frame(true, 1, text);
                self.text(text);
            }
        }
    }

    fn ends(&mut self, codes: &'static [u16]) {
        self.close.get_or_insert(codes);
    }

    fn text(&mut self, text: &[u8]) {
        let is_text = std::str::from_utf8(text).is_ok();
        match (text.len() > LARGEST, is_text) {
            (true, true) => return self.ends(&[1009]),
            // Of a message in pieces the first may be found out first.
            (true, false) => return self.ends(&[1007, 1009]),
            (false, false) => return self.ends(&[1007]),
            (false, true) => {}
        }
        if self.close.is_some() {
            return;
        }
        match parse_message(text) {
            Ok(Message::Request(request)) => {
                let name = request.params.as_deref().and_then(RawObject::parse);
                let name = name.and_then(|params| params.get_str("name"));
                // What subscribes is answered when it ends.
                self.has_late |= request.method == Method::SubscriptionsListen
                    || name.as_deref() == Some("later");
                self.answers.push(Some(request.id));
            }
            Ok(Message::Notification(_) | Message::Response(_)) => {}
            Err(error) => self.answers.push(error.id),
        }
    }

    /// A frame of a client: masked.
    fn frame(&mut self, is_last: bool, opcode: u8, payload: &[u8]) {
        const MASK: [u8; 4] = [0x5a, 0xa5, 0x3c, 0xc3];
        self.wire.push(u8::from(is_last) << 7 | opcode);
        match u16::try_from(payload.len()) {
            Ok(length @ 0..126) => self.wire.push(0x80 | length as u8),
            Ok(length) => {
                self.wire.push(0x80 | 126);
                self.wire.extend(length.to_be_bytes());
            }
            Err(_) => {
                self.wire.push(0x80 | 127);
                self.wire.extend((payload.len() as u64).to_be_bytes());
            }
        }
        self.wire.extend(MASK);
        self.wire.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    }

    fn check(&self, received: &[u8]) {
        let seen = Seen::new(received);
        if self.is_wild {
            return;
        }
        if self.has_late {
            let mut left = self.answers.clone();
            for answer in &seen.answers {
                let place = left.iter().position(|id| id == answer);
                left.swap_remove(place.expect("no more answers than there were questions"));
            }
        } else {
            assert_eq!(seen.answers, self.answers);
        }
        assert!(seen.pongs <= self.pings);
        if let Some(codes @ [_, ..]) = self.close {
            assert!(seen.close.is_some_and(|code| codes.contains(&code)), "{:?}", seen.close);
        }
    }
}

/// What came back.
#[derive(Default)]
struct Seen {
    answers: Vec<Option<Id>>,
    pongs: usize,
    close: Option<u16>,
}

impl Seen {
    fn new(mut rest: &[u8]) -> Self {
        let mut seen = Self::default();
        while !rest.is_empty() {
            assert!(seen.close.is_none(), "nothing follows a close frame");
            let (opcode, payload, after) = frame(rest);
            seen.take(opcode, payload);
            rest = after;
        }
        seen
    }

    fn take(&mut self, opcode: u8, payload: &[u8]) {
        match opcode {
            1 => {
                let text = std::str::from_utf8(payload).expect("text");
                assert!(!text.contains(['\n', '\r']), "{text}");
                match parse_message(payload).expect("we write messages") {
                    Message::Response(response) => self.answers.push(response.id),
                    Message::Notification(_) => {}
                    Message::Request(request) => panic!("nobody asked for {request:?}"),
                }
            }
            8 => {
                let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                assert!(code != 1006 && code >= 1000, "{code}");
                self.close = Some(code);
            }
            10 => self.pongs += 1,
            other => panic!("a server that is not asked sends no frame of kind {other}"),
        }
    }
}

/// The first frame of a server: whole, not masked.
fn frame(bytes: &[u8]) -> (u8, &[u8], &[u8]) {
    assert_eq!(bytes[0] & 0xf0, 0x80, "each message is one frame");
    let (head, length) = match bytes[1] {
        126 => (4, usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
        127 => panic!("an answer of more than 64 KiB"),
        length => (2, usize::from(length)),
    };
    assert!(length < 128 || head > 2, "a server does not mask");
    (bytes[0] & 0x0f, &bytes[head..head + length], &bytes[head + length..])
}

/// Connects, sends all, and reads to the end.
async fn exchange(address: SocketAddr, wire: &[u8]) -> Vec<u8> {
    let mut stream = connect(address).await;
    stream.write_all(UPGRADE.as_bytes()).await.expect("the server reads");
    let mut received = Vec::new();
    let head = loop {
        stream.read_buf(&mut received).await.expect("the server answers");
        if let Some(at) = received.windows(4).position(|end| end == b"\r\n\r\n") {
            break at + 4;
        }
    };
    assert!(received.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&received));
    received.drain(..head);
    // A server that has closed already need not read the rest.
    if stream.write_all(wire).await.is_ok() {
        let _half_closed = stream.shutdown().await;
    }
    let to_end = stream.read_to_end(&mut received);
    match timeout(Duration::from_secs(10), to_end).await.expect("the server lets go in the end") {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
        _ => received,
    }
}

/// Ports come back after a moment.
async fn connect(address: SocketAddr) -> TcpStream {
    for _ in 0..600 {
        match TcpStream::connect(address).await {
            Ok(stream) => return stream,
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
    panic!("the server takes no connection")
}

/// What was opened is closed.
async fn audit(server: &OrchestratorServer) {
    let gauges =
        ["mcp_requests_in_flight", "mcp_active", "mcp_sockets_open{", "mcp_streams_active"];
    let is_open =
        |line: &&str| gauges.iter().any(|gauge| line.starts_with(gauge)) && !line.ends_with(" 0");
    let mut open = Vec::new();
    for _ in 0..100 {
        let text = server.telemetry().encode();
        open = text.lines().filter(is_open).map(ToOwned::to_owned).collect();
        if open.is_empty() {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("still open: {open:?}");
}

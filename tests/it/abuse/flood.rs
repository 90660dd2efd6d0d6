//! Too many of something: connections, handshakes that stop half way, headers, requests.

use super::{SHORT, Size, during, reached};
use crate::support::{Server, Setup, connect, http, many_files, pooled, rest, until};
use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const AT_A_TIME: usize = 50;

/// Runs `each` so often, many at a time.
async fn times<F: Future<Output = ()>>(count: usize, each: impl Fn(usize) -> F) {
    stream::iter((0..count).map(each)).buffer_unordered(AT_A_TIME).collect::<()>().await;
}

/// What is said on a socket before it is dropped: nothing, half a request, half of a WebSocket
/// handshake, the start of a TLS handshake.
const BEGINNINGS: [&[u8]; 5] = [
    b"",
    b"POST /mcp HTTP/1.1\r\nHost: loc",
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x00\xff\x00\xff\r\n\r\n",
];

/// Sockets that are opened and dropped.
pub async fn connections(size: &Size) {
    let server = Setup::new().start().await;
    let abuse = times(size.connections, async |at| {
        let mut socket = connect(&server).await;
        let beginning = BEGINNINGS[at % BEGINNINGS.len()];
        // The server may have closed it already: some of these are no HTTP.
        drop(socket.write_all(beginning).await);
    });
    during(&server, 4, abuse).await;
    let all = f64::from(u32::try_from(size.connections).unwrap());
    until("every socket was taken", || async {
        server.scrape().await.sum("mcp_sockets_opened_total", &[]) >= all
    })
    .await;
    server.finish().await;
}

/// WebSockets that say no more after their handshake, and go without a word.
pub async fn handshakes(size: &Size) {
    let server = Setup::new().start().await;
    let opening = format!(
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Authorization: Bearer {}\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        server.token()
    );
    let abuse = times(size.requests, async |at| {
        let mut socket = connect(&server).await;
        socket.write_all(opening.as_bytes()).await.unwrap();
        if at % 2 == 0 {
            let mut start = [0; 12];
            socket.read_exact(&mut start).await.unwrap();
            assert_eq!(start, *b"HTTP/1.1 101");
        }
    });
    during(&server, 4, abuse).await;
    server.finish().await;
}

/// Heads that are too large, in one line and in many, and requests one behind the other.
pub async fn headers(size: &Size) {
    let server = Setup::new().start().await;
    let one = format!("GET /health HTTP/1.1\r\nHost: localhost\r\nx: {}", "y".repeat(1 << 20));
    let many: String = (0..10_000).map(|at| format!("x-{at}: y\r\n")).collect();
    let many = format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{many}");
    let abuse = times(size.requests / 10, async |at| {
        let mut socket = connect(&server).await;
        let head = if at % 2 == 0 { &one } else { &many };
        let (mut read, mut write) = socket.split();
        let mut told = Vec::new();
        // The server closes before all of it is sent.
        let _both = tokio::join!(write.write_all(head.as_bytes()), read.read_to_end(&mut told));
        assert!(told.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&told));
    });
    during(&server, 4, abuse).await;
    let all = f64::from(u32::try_from(size.requests / 10).unwrap());
    until("all are counted", || async { reached(&server, "header_bytes").await == all }).await;
    let pipelined = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(size.requests)
        + "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let abuse = async {
        let mut socket = connect(&server).await;
        let (mut read, mut write) = socket.split();
        let mut told = Vec::new();
        let (sent, ended) =
            tokio::join!(write.write_all(pipelined.as_bytes()), read.read_to_end(&mut told));
        assert!(sent.is_ok() && ended.is_ok());
        let answers = String::from_utf8_lossy(&told).matches("HTTP/1.1 200").count();
        assert_eq!(answers, size.requests + 1, "every one is answered");
    };
    during(&server, 4, abuse).await;
    server.finish().await;
}

/// Session ids that nobody has, and tokens that are none.
pub async fn guesses(size: &Size) {
    let server = Setup::new().start().await;
    let client = pooled();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
    let abuse = times(size.requests, async |at| {
        let request = server.post(&client).body(body.clone());
        let (request, expected) = match at % 3 {
            0 => (request.header("mcp-session-id", format!("no-such-session-{at}")), 404),
            1 => (
                http_post(&server, &client).bearer_auth(format!("guess-{at}")).body(body.clone()),
                401,
            ),
            _ => (http_post(&server, &client).body(body.clone()), 401),
        };
        assert_eq!(request.send().await.unwrap().status(), expected);
        if expected == 404 {
            server.sent("ping");
        }
    });
    during(&server, 4, abuse).await;
    drop(client);
    let failed = server.scrape().await.by("mcp_auth_failures_total", "cause");
    assert!(failed["wrong"] > 0.0 && failed["missing"] > 0.0, "{failed:?}");
    server.finish().await;
}

/// A POST without a token.
fn http_post(server: &Server, client: &reqwest::Client) -> reqwest::RequestBuilder {
    let request = client.post(server.url()).header("content-type", "application/json");
    request.header("accept", "application/json, text/event-stream")
}

/// More clients than there are places: those who hold one are served, the others are told.
pub async fn places(size: &Size) {
    many_files(size.sockets as u64 * 2 + 500);
    let most = size.sockets / 2;
    let setup = Setup::new().set("limits.connections", i64::try_from(most).unwrap());
    let server = setup.start().await;
    let mut held = Vec::new();
    // Two for the well-behaved client, and some of the server's own tasks are counted too.
    for _ in 0..most - 12 {
        held.push(connect(&server).await);
    }
    let abuse = times(size.requests, async |_| {
        let mut socket = connect(&server).await;
        drop(
            socket
                .write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                .await,
        );
        let told = rest(&mut socket).await;
        // Only so many at once are told; the others are closed without a word.
        assert!(told.is_empty() || told.contains("200 OK") || told.contains("503"), "{told}");
    });
    abuse.await;
    drop(held);
    until("there is room again", || async {
        let answer = http().get(format!("{}/health", server.base())).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    server.finish().await;
}

#[tokio::test]
async fn sockets_that_are_opened_and_dropped_leave_nothing() {
    connections(&SHORT).await;
}

#[tokio::test]
async fn websockets_that_go_after_their_handshake_leave_nothing() {
    handshakes(&SHORT).await;
}

#[tokio::test]
async fn floods_of_headers_are_refused_and_floods_of_requests_are_answered() {
    headers(&SHORT).await;
}

#[tokio::test]
async fn guesses_of_sessions_and_tokens_are_refused_and_counted() {
    guesses(&SHORT).await;
}

#[tokio::test]
async fn beyond_the_places_clients_are_told_or_closed() {
    places(&SHORT).await;
}

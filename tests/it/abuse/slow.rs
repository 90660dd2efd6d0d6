//! Clients that send by drops, and clients that never read.

use super::{SHORT, Size, during, reached};
use crate::{
    support::{
        Server, Setup, connect, head, many_files, narrow, request, rest, until, until_within,
    },
    websocket::Socket,
};
use futures_util::{SinkExt, future::join_all};
use serde_json::json;
use std::time::Duration;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::sleep};
use tokio_tungstenite::tungstenite::Message;

/// Sends a byte from time to time until the server has had enough.
async fn drip(mut socket: TcpStream, start: String, drop: &[u8]) {
    socket.write_all(start.as_bytes()).await.unwrap();
    for byte in drop.iter().cycle() {
        sleep(Duration::from_millis(100)).await;
        if socket.write_all(&[*byte]).await.is_err() {
            return;
        }
    }
}

/// Heads and bodies that come by drops.
pub async fn loris(size: &Size) {
    many_files(size.sockets as u64 * 2 + 500);
    let server = Setup::new().set("limits.receive_timeout", 2.0).start().await;
    let abuse = async {
        let start = |at: usize| match at % 3 {
            // Not a byte.
            0 => (String::new(), &b""[..]),
            1 => ("GET /health HTTP/1.1\r\nHost: localhost\r\n".to_owned(), &b"x: y\r\n"[..]),
            _ => (head(&server, "Content-Length: 1000\r\n") + "{", &b" "[..]),
        };
        join_all((0..size.sockets).map(|at| {
            let (start, drop) = start(at);
            let server = &server;
            async move {
                let mut socket = connect(server).await;
                if drop.is_empty() {
                    assert_eq!(rest(&mut socket).await, "", "closed without a word");
                } else {
                    drip(socket, start, drop).await;
                }
            }
        }))
        .await;
    };
    // A socket holds what it sent and its buffers.
    during(&server, size.sockets * 64 / 1024, abuse).await;
    let slow = f64::from(u32::try_from(size.sockets / 3).unwrap()) * 2.0;
    assert!(reached(&server, "receive_timeout").await >= slow - 2.0);
    server.finish().await;
}

/// A server that has much to say, and keeps a MiB of it for a client that does not read.
async fn talkative() -> Server {
    let setup = Setup::new().fixture("fix", json!({})).set("limits.write_timeout", 1.0);
    let server = setup.set("limits.stream_bytes", 1 << 20).start().await;
    server.upstreams(&["fix"], "connected").await;
    server
}

/// Writes until the server takes no more, then holds the socket and never reads. Over when the
/// server has cut it off.
async fn never_reads(mut socket: TcpStream, said: &str) {
    while socket.write_all(said.as_bytes()).await.is_ok() {}
}

/// HTTP requests one behind the other, whose answers nobody reads.
pub async fn pipelining(size: &Size) {
    many_files(size.sockets as u64 * 2 + 500);
    let server = talkative().await;
    // Each makes the server work until its buffers are full: many would be a load, not an abuse.
    let clients = (size.sockets / 40).min(20);
    let large = request(&server, "tools/list", json!({}));
    let pages = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
    let abuse = async {
        join_all((0..clients).map(|at| {
            let said = if at % 5 == 0 { &pages } else { &large };
            let server = &server;
            async move { never_reads(narrow(server).await, said).await }
        }))
        .await;
    };
    // A socket holds an answer that waits, and requests that are read already.
    during(&server, clients, abuse).await;
    let cut = f64::from(u32::try_from(clients).unwrap());
    until("all of them are cut off", || async { reached(&server, "write_timeout").await >= cut })
        .await;
    nothing_is_left(&server).await;
}

/// Only what the well-behaved client left open: how much an abuser got done is not known here.
async fn nothing_is_left(server: &Server) {
    until("every call and socket ended", || async {
        let scrape = server.scrape().await;
        scrape.sum("mcp_requests_in_flight", &[]) == 0.0
            && scrape.sum("mcp_streams_active", &[]) == 0.0
            && scrape.sum("mcp_active_sessions", &[]) == 0.0
            // The scrape comes over one.
            && scrape.sum("mcp_sockets_open", &[]) <= 1.0
    })
    .await;
    crate::support::assert_sums(&server.scrape().await);
}

/// Sends messages on a WebSocket until the server has had enough, and reads none.
async fn floods(mut socket: Socket<'_>, message: Message) {
    while socket.stream.send(message.clone()).await.is_ok() {}
}

/// WebSockets that call for large answers, or ping, and never read.
pub async fn sockets(size: &Size) {
    many_files(size.sockets as u64 * 2 + 500);
    let server = talkative().await;
    let clients = (size.sockets / 16).min(50);
    let list = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list"});
    let abuse = async {
        // All come in before the first floods: a flood takes all the time that there is here.
        let open = (0..clients).map(|_| async {
            let mut socket = Socket::over(&server, narrow(&server).await).await;
            socket.begin(json!({})).await;
            socket
        });
        let sockets = join_all(open).await;
        join_all(sockets.into_iter().enumerate().map(|(at, socket)| {
            let message = match at % 2 {
                0 => Message::text(list.to_string()),
                _ => Message::Ping(vec![0; 125].into()),
            };
            floods(socket, message)
        }))
        .await;
    };
    // Each holds at most a full log, of 1 MiB here.
    during(&server, clients, abuse).await;
    nothing_is_left(&server).await;
    let slow = [("reason", "slow_consumer"), ("transport", "websocket")];
    let scrape = server.scrape().await;
    let ended = scrape.sum("mcp_disconnections_total", &slow);
    let why = scrape.by("mcp_disconnections_total", "reason");
    assert_eq!(ended, f64::from(u32::try_from(clients).unwrap()), "every one, and why: {why:?}");
}

/// Event streams that nobody reads.
pub async fn streams(size: &Size) {
    let server = talkative().await;
    let clients = (size.sockets / 20).min(50);
    // The token is repeated with each step of progress.
    let arguments = json!({"steps": 200, "delay_ms": 1});
    let meta = json!({"progressToken": "x".repeat(50_000)});
    let params = json!({"name": "fix__count_progress", "arguments": arguments, "_meta": meta});
    let call = request(&server, "tools/call", params);
    let abuse = async {
        let mut held = Vec::new();
        for _ in 0..clients {
            let mut socket = narrow(&server).await;
            socket.write_all(call.as_bytes()).await.unwrap();
            held.push(socket);
        }
        // So many bytes to make and move take their time.
        until_within(10 + 3 * clients as u64, "every stream is cut off", || async {
            reached(&server, "write_timeout").await == f64::from(u32::try_from(clients).unwrap())
        })
        .await;
    };
    // A full log each, and what goes through our hands on its way from the upstream.
    during(&server, clients * 2, abuse).await;
    nothing_is_left(&server).await;
}

#[tokio::test]
async fn slow_heads_and_bodies_are_let_go() {
    loris(&SHORT).await;
}

#[tokio::test]
async fn requests_whose_answers_nobody_reads_are_cut_off() {
    pipelining(&SHORT).await;
}

#[tokio::test]
async fn websockets_that_are_never_read_are_closed() {
    sockets(&SHORT).await;
}

#[tokio::test]
async fn event_streams_that_are_never_read_are_cut_off() {
    streams(&SHORT).await;
}

//! Messages that are too large, too deep, compressed, or never end.

use super::{SHORT, Size, during, reached};
use crate::{
    support::{Server, Setup, connect, head, http, many_files, rest, until},
    websocket::Socket,
};
use futures_util::{SinkExt, future::join_all};
use serde_json::{Value, json};
use std::io::Write as _;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{CloseCode, Data, OpCode},
    },
};

const GIB: usize = 1 << 30;
const MIB: usize = 1 << 20;

/// Sends what there is until the server wants no more; how much it took, and what it said.
async fn pour(mut socket: TcpStream, start: &str, piece: &[u8], times: usize) -> (usize, String) {
    socket.write_all(start.as_bytes()).await.unwrap();
    let (mut read, mut write) = socket.split();
    let (mut sent, mut told) = (0, Vec::new());
    let pouring = async {
        for _ in 0..times {
            if write.write_all(piece).await.is_err() {
                return;
            }
            sent += piece.len();
        }
    };
    // A reset behind the answer takes nothing from it.
    let (_done, _ended) = tokio::join!(pouring, read.read_to_end(&mut told));
    (sent, String::from_utf8_lossy(&told).into_owned())
}

/// Bodies of a GiB: one that says so, one that says nothing, and one for a path that takes none.
pub async fn bodies(size: &Size) {
    let server = Setup::new().start().await;
    let piece = vec![b' '; MIB];
    let chunk = [b"100000\r\n", &piece[..], b"\r\n"].concat();
    let (sized, chunked) = (
        head(&server, &format!("Content-Length: {GIB}\r\n")),
        head(&server, "Transfer-Encoding: chunked\r\n"),
    );
    let elsewhere = chunked.replace("POST /mcp", "POST /health");
    let abuse = async {
        for _ in 0..size.large {
            // Refused before a byte of it is sent.
            let mut waits = connect(&server).await;
            waits.write_all(sized.as_bytes()).await.unwrap();
            assert!(rest(&mut waits).await.contains("413"));
            let pours = [(&sized, &piece), (&chunked, &chunk), (&elsewhere, &chunk)];
            let told = join_all(pours.map(async |(start, piece)| {
                pour(connect(&server).await, start, piece, GIB / MIB).await
            }));
            for ((sent, told), status) in told.await.into_iter().zip(["413", "413", "405"]) {
                assert!(sent < 64 * MIB, "{sent} bytes were taken");
                assert!(told.starts_with(&format!("HTTP/1.1 {status}")), "{told}");
                assert!(status == "405" || told.contains("limits.body_bytes"), "{told}");
            }
        }
    };
    // A body is gathered in pieces and then made one.
    during(&server, 4 * 8, abuse).await;
    assert!(reached(&server, "body_bytes").await >= 3.0);
    server.finish().await;
}

/// JSON that nests a million deep, wherever it stands.
pub async fn depth(size: &Size) {
    let server = Setup::new().start().await;
    let arrays = format!("{}{}", "[".repeat(MIB), "]".repeat(MIB));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(MIB / 2), "}".repeat(MIB / 2));
    let call = |deep: &str| {
        let params = format!(r#"{{"name":"echo","arguments":{{"message":{deep}}}}}"#);
        format!(r#"{{"jsonrpc":"2.0","id":"deep","method":"tools/call","params":{params}}}"#)
    };
    let texts = [
        (call(&arrays), "\"deep\""),
        (call(&objects), "\"deep\""),
        (arrays.clone(), "null"),
        (objects.clone(), "null"),
        ("[".repeat(4 * MIB - 1), "null"),
        (r#"{"a":"#.repeat(MIB / 2), "null"),
    ];
    let abuse = async {
        for _ in 0..size.large {
            let mut socket = Socket::legacy(&server, json!({})).await;
            for (text, id) in &texts {
                let answer =
                    server.post(&http()).body(text.clone()).send().await.expect("an answer");
                assert_eq!(answer.status(), 400);
                let answer: Value = answer.json().await.unwrap();
                too_deep(&answer, id);
                socket.stream.send(Message::text(text.clone())).await.unwrap();
                too_deep(&socket.next().await, id);
            }
            let alive = socket.ask("ping", json!({})).await;
            assert!(alive["result"].is_object(), "the connection lives on: {alive}");
            socket.stream.close(None).await.unwrap();
            server.sent_times("tools/call", 4);
        }
    };
    during(&server, 32, abuse).await;
    let most = f64::from(u32::try_from(size.large * texts.len() * 2).unwrap());
    assert_eq!(reached(&server, "json_depth").await, most);
    server.finish().await;
}

fn too_deep(answer: &Value, id: &str) {
    assert_eq!(answer["id"].to_string(), id, "{answer}");
    assert_eq!(
        (&answer["error"]["code"], &answer["error"]["data"]["code"]),
        (&json!(-32600), &json!("json_too_deep"))
    );
    assert!(answer["error"]["message"].as_str().unwrap().contains("limits.json_depth"), "{answer}");
}

/// Few bytes that would become many.
pub async fn bombs(size: &Size) {
    let server = Setup::new().start().await;
    let mut gzip = std::process::Command::new("gzip")
        .arg("-c")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = gzip.stdin.take().unwrap();
    let feeding = std::thread::spawn(move || {
        for _ in 0..256 {
            input.write_all(&[b' '; MIB]).unwrap();
        }
    });
    let bomb = gzip.wait_with_output().unwrap().stdout;
    feeding.join().unwrap();
    assert!(bomb.len() < MIB, "256 MiB in {} bytes", bomb.len());
    let abuse = async {
        for _ in 0..size.large {
            for encoding in ["gzip", "GZIP", "br", "deflate, gzip"] {
                let request = server.post(&http()).header("content-encoding", encoding);
                let answer = request.body(bomb.clone()).send().await.unwrap();
                assert_eq!(answer.status(), 415);
                assert!(answer.text().await.unwrap().contains("Content-Encoding"));
            }
            // One that does not say what it is.
            let answer = server.post(&http()).body(bomb.clone()).send().await.unwrap();
            assert_eq!(answer.status(), 400);
            compressed_frame(&server).await;
        }
    };
    during(&server, 0, abuse).await;
    server.finish().await;
}

/// Compression of WebSocket messages is not agreed on, and a frame that is compressed all the
/// same ends the socket.
async fn compressed_frame(server: &Server) {
    let mut socket = connect(server).await;
    let opening = format!(
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Authorization: Bearer {}\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mcp\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n",
        server.token()
    );
    socket.write_all(opening.as_bytes()).await.unwrap();
    // FIN, RSV1 and text; masked with zeros.
    socket.write_all(&[0b1100_0001, 0x82, 0, 0, 0, 0, b'{', b'}']).await.unwrap();
    let mut told = Vec::new();
    socket.read_to_end(&mut told).await.unwrap();
    let end = told.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8_lossy(&told[..end]).to_lowercase();
    assert!(head.starts_with("http/1.1 101") && !head.contains("deflate"), "{head}");
    assert_eq!(told[end..][..4], [0x88, told[end + 1], 0x03, 0xea], "closed with 1002");
}

/// WebSocket messages too large, in one frame and in fragments without end.
pub async fn frames(size: &Size) {
    many_files(size.sockets as u64 + 500);
    let server = Setup::new().start().await;
    let abuse = async {
        for _ in 0..size.large {
            let mut whole = Socket::legacy(&server, json!({})).await;
            // Fails when the server closes before all of it is sent.
            drop(whole.stream.send(Message::text("x".repeat(8 * MIB))).await);
            assert!(matches!(whole.close_code().await, Some(CloseCode::Size) | None));
            let mut endless = Socket::legacy(&server, json!({})).await;
            let piece = |data| {
                Message::Frame(Frame::message(vec![b' '; MIB / 4], OpCode::Data(data), false))
            };
            let mut next = endless.stream.send(piece(Data::Text)).await;
            let mut sent = 0;
            while next.is_ok() {
                sent += 1;
                assert!(sent < 256, "64 MiB were taken");
                next = endless.stream.send(piece(Data::Continue)).await;
            }
        }
    };
    during(&server, 32, abuse).await;
    let all = f64::from(u32::try_from(size.large * 2).unwrap());
    until("all are counted", || async { reached(&server, "body_bytes").await == all }).await;
    server.finish().await;
}

#[tokio::test]
async fn bodies_of_a_gib_are_refused_early() {
    bodies(&SHORT).await;
}

#[tokio::test]
async fn json_a_million_deep_is_refused_and_the_connection_lives_on() {
    depth(&SHORT).await;
}

#[tokio::test]
async fn what_is_compressed_is_refused_and_never_inflated() {
    bombs(&SHORT).await;
}

#[tokio::test]
async fn messages_too_large_or_without_end_close_their_socket() {
    frames(&SHORT).await;
}

//! Any bytes through the chaos proxy's framing, both ways, in any pieces: they come out as they went
//! in, the same however they were cut, and no more is kept than may be.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_chaos::Traffic;

/// Most bytes of a message that are kept here: small, so that inputs reach it.
const KEPT: usize = 256;
/// What may wait beyond that: a head, and what came with the last piece.
const HEAD: usize = 64 << 10;

fuzz_target!(|input: &[u8]| {
    // The first bytes say where to cut, and what to do.
    let (first, bytes) = input.split_at(input.len().min(4));
    let cuts: Vec<usize> = first.iter().map(|cut| usize::from(*cut).max(1)).collect();
    let cuts = if cuts.is_empty() { vec![3] } else { cuts };
    match first.first().map_or(0, |byte| byte % 4) {
        0 => requests(bytes, &cuts),
        1 => responses(bytes, &cuts),
        2 => stream(bytes, &cuts),
        _ => frames(bytes, &cuts),
    }
});

/// What the client sends comes out as it went in.
fn requests(bytes: &[u8], cuts: &[usize]) {
    for cuts in [&[usize::MAX][..], &[1], cuts] {
        let mut out = Vec::new();
        let mut traffic = Traffic::keeping(KEPT);
        pieces(bytes, cuts, |piece, sent| {
            out.extend(traffic.up(piece).concat());
            assert!(sent - out.len() <= KEPT + HEAD);
        });
        out.extend_from_slice(&traffic.rest()[0]);
        if upgrades(bytes) {
            out.sort_unstable();
            let mut bytes = bytes.to_vec();
            bytes.sort_unstable();
            assert_eq!(out, bytes, "a ping may come before its place, and that is all");
        } else {
            assert_eq!(out, bytes);
        }
    }
}

/// What the server sends comes out as it went in, where it is no chunked event stream.
fn responses(bytes: &[u8], cuts: &[usize]) {
    let is_stream = contains(bytes, b"event-stream") && contains(bytes, b"chunked");
    for cuts in [&[usize::MAX][..], &[1], cuts] {
        let mut traffic = Traffic::keeping(KEPT);
        let _asked = traffic.up(b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n");
        let mut out = Vec::new();
        pieces(bytes, cuts, |piece, _| out.extend(traffic.down(piece).concat()));
        out.extend_from_slice(&traffic.rest()[1]);
        if is_stream {
            continue;
        }
        if upgrades(bytes) {
            assert_eq!(out.len(), bytes.len());
        } else {
            assert_eq!(out, bytes);
        }
    }
}

/// An event stream in chunks carries what it carried, and what comes behind it is found.
fn stream(bytes: &[u8], cuts: &[usize]) {
    let head =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let behind = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
    let mut sent = head.to_vec();
    pieces(bytes, &cuts[cuts.len() / 2..], |piece, _| {
        sent.extend(format!("{:X};x=y\r\n", piece.len()).into_bytes());
        sent.extend_from_slice(piece);
        sent.extend_from_slice(b"\r\n");
    });
    sent.extend_from_slice(b"0\r\n\r\n");
    sent.extend_from_slice(behind);
    let mut first = None;
    for cuts in [&[usize::MAX][..], &[1], cuts] {
        let mut traffic = Traffic::keeping(KEPT);
        let _asked = traffic.up(&b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n".repeat(2));
        let mut out = Vec::new();
        pieces(&sent, cuts, |piece, _| out.extend(traffic.down(piece).concat()));
        assert!(traffic.rest()[1].is_empty(), "all has ended");
        let chunks = out.strip_prefix(&head[..]).expect("its head is as it was");
        let (body, rest) = carried(chunks);
        assert_eq!((&body[..], rest), (bytes, &behind[..]));
        // An event that is too large to keep passes as it comes.
        if longest_event(bytes) <= KEPT / 2 {
            assert_eq!(*first.get_or_insert_with(|| out.clone()), out);
        }
    }
}

/// What a chunked body carries, and what comes behind it.
fn carried(mut chunks: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut body = Vec::new();
    loop {
        let line = chunks.windows(2).position(|two| two == b"\r\n").expect("a line");
        let size = std::str::from_utf8(&chunks[..line]).expect("text");
        let size = usize::from_str_radix(size, 16).expect("a size");
        body.extend_from_slice(&chunks[line + 2..line + 2 + size]);
        assert_eq!(&chunks[line + 2 + size..line + 4 + size], b"\r\n");
        chunks = &chunks[line + 4 + size..];
        if size == 0 {
            return (body, chunks);
        }
    }
}

/// The longest run of bytes without an empty line, whatever ends lines.
fn longest_event(bytes: &[u8]) -> usize {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n");
    text.split("\n\n").map(str::len).max().unwrap_or(0)
}

/// Frames of a WebSocket, both ways, after the server agreed to one.
fn frames(bytes: &[u8], cuts: &[usize]) {
    let asks = b"GET /ws HTTP/1.1\r\nupgrade: websocket\r\n\r\n";
    let agrees = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n";
    for cuts in [&[usize::MAX][..], &[1], cuts] {
        let mut traffic = Traffic::keeping(KEPT);
        assert_eq!(traffic.up(asks).concat(), asks);
        assert_eq!(traffic.down(agrees).concat(), agrees);
        let (mut up, mut down) = (Vec::new(), Vec::new());
        pieces(bytes, cuts, |piece, sent| {
            up.extend(traffic.up(piece).concat());
            down.extend(traffic.down(piece).concat());
            // A message that is not whole, and a frame that is not.
            assert!(sent - up.len() <= 2 * KEPT + 14 + piece.len());
            assert!(sent - down.len() <= 2 * KEPT + 14 + piece.len());
        });
        let [up_rest, down_rest] = traffic.rest();
        up.extend_from_slice(&up_rest);
        down.extend_from_slice(&down_rest);
        for out in [up, down] {
            assert_eq!(in_order(&out), in_order(bytes), "only control frames move");
        }
    }
}

/// Control frames and all else, each in its order, as far as the bytes are frames.
fn in_order(mut bytes: &[u8]) -> [Vec<u8>; 2] {
    let mut both = [Vec::new(), Vec::new()];
    while let Some(size) = frame(bytes).filter(|size| *size <= bytes.len()) {
        let (frame, rest) = bytes.split_at(size);
        both[usize::from(frame[0] & 8 != 0)].extend_from_slice(frame);
        bytes = rest;
    }
    both[0].extend_from_slice(bytes);
    both
}

/// The size of the first frame.
fn frame(bytes: &[u8]) -> Option<usize> {
    let short = usize::from(bytes.get(1)? & 0x7f);
    let (wide, body) = match short {
        126 => (2, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (8, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        short => (0, short),
    };
    let mask = if bytes[1] & 0x80 == 0 { 0 } else { 4 };
    body.checked_add(2 + wide + mask)
}

/// Gives the bytes in pieces of these sizes, with how many there were so far.
fn pieces(mut bytes: &[u8], cuts: &[usize], mut take: impl FnMut(&[u8], usize)) {
    let mut sent = 0;
    for cut in cuts.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (piece, rest) = bytes.split_at((*cut).min(bytes.len()));
        sent += piece.len();
        take(piece, sent);
        bytes = rest;
    }
}

fn upgrades(bytes: &[u8]) -> bool {
    contains(bytes, b"websocket")
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.to_ascii_lowercase().windows(word.len()).any(|window| window == word)
}

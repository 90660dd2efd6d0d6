//! Heads of HTTP/1 messages, as far as framing needs them.

/// Longest head that is understood, and most lines of it.
const LONGEST: usize = 64 << 10;
const MOST_LINES: usize = 128;

/// What a head says of its message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// Its own bytes.
    pub(super) size: usize,
    /// The method; requests only.
    pub(super) method: String,
    /// The status; responses only.
    pub(super) status: u16,
    pub(super) length: Option<usize>,
    pub(super) chunked: bool,
    /// The body is an event stream.
    pub(super) events: bool,
    /// It asks for, or agrees to, a WebSocket.
    pub(super) upgrade: bool,
    /// The client waits for leave to send its body.
    pub(super) expects: bool,
    pub(super) session: Option<String>,
}

/// What is at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A head.
    Head(Head),
    /// The beginning of one.
    Part,
    /// Something else.
    Nothing,
}

/// How requests begin. Others are told apart by their first bytes: nobody is to wait for a head
/// that will never come.
const METHODS: [&str; 8] =
    ["POST ", "GET ", "DELETE ", "OPTIONS ", "HEAD ", "PUT ", "PATCH ", "TRACE "];

/// Whether bytes begin, as far as they go, with this.
fn begin(bytes: &[u8], with: &str) -> bool {
    bytes.iter().zip(with.as_bytes()).all(|(byte, other)| byte == other)
}

pub(super) fn request(bytes: &[u8]) -> Found {
    if !METHODS.iter().any(|method| begin(bytes, method)) {
        return Found::Nothing;
    }
    let mut lines = [httparse::EMPTY_HEADER; MOST_LINES];
    let mut parsed = httparse::Request::new(&mut lines);
    let status = parsed.parse(bytes);
    let (method, lines) = (parsed.method.unwrap_or_default().to_owned(), &*parsed.headers);
    found(status, bytes, lines, Head { method, ..Head::default() })
}

pub(super) fn response(bytes: &[u8]) -> Found {
    if !begin(bytes, "HTTP/1.") {
        return Found::Nothing;
    }
    let mut lines = [httparse::EMPTY_HEADER; MOST_LINES];
    let mut parsed = httparse::Response::new(&mut lines);
    let status = parsed.parse(bytes);
    let (code, lines) = (parsed.code.unwrap_or_default(), &*parsed.headers);
    found(status, bytes, lines, Head { status: code, ..Head::default() })
}

fn found(
    status: httparse::Result<usize>,
    bytes: &[u8],
    lines: &[httparse::Header<'_>],
    head: Head,
) -> Found {
    match status {
        Ok(httparse::Status::Complete(size)) => {
            let mut head = Head { size, ..head };
            for line in lines {
                match std::str::from_utf8(line.value) {
                    Ok(value) if head.read(line.name, value.trim()) => {}
                    Ok(_) | Err(_) => return Found::Nothing,
                }
            }
            Found::Head(head)
        }
        Ok(httparse::Status::Partial) if bytes.len() < LONGEST => Found::Part,
        Ok(httparse::Status::Partial) | Err(_) => Found::Nothing,
    }
}

impl Head {
    /// Takes one line; false if it says something impossible.
    fn read(&mut self, name: &str, value: &str) -> bool {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let has = |word: &str| value.to_ascii_lowercase().contains(word);
        if is("content-length") {
            self.length = value.parse().ok();
            return self.length.is_some();
        }
        if is("transfer-encoding") {
            self.chunked = has("chunked");
            return self.chunked;
        }
        if is("content-type") {
            self.events = has("text/event-stream");
        } else if is("upgrade") {
            self.upgrade = has("websocket");
        } else if is("expect") {
            self.expects = true;
        } else if is("mcp-session-id") {
            self.session = Some(value.to_owned());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_framing_needs_is_read() {
        let text =
            b"POST /mcp HTTP/1.1\r\nhost: x\r\nContent-Length: 12\r\nMCP-Session-Id: s\r\n\r\n{";
        let Found::Head(head) = request(text) else { panic!("a head") };
        assert_eq!(head.size, text.len() - 1);
        assert_eq!((head.length, head.session.as_deref()), (Some(12), Some("s")));
        let text = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";
        let Found::Head(head) = response(text) else { panic!("a head") };
        assert!(head.events && head.chunked && head.status == 200);
    }

    #[test]
    fn what_is_no_http_is_not_taken_for_it() {
        assert_eq!(request(b"\x16\x03\x01\x02\x00"), Found::Nothing, "TLS");
        assert_eq!(request(b"PRI * HTTP/2.0\r\n\r\n"), Found::Nothing);
        assert_eq!(request(b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"), Found::Nothing);
        assert_eq!(request(b"PO"), Found::Part);
        assert_eq!(request(b"a"), Found::Nothing, "a head may never come");
        let endless = [b"GET / HTTP/1.1\r\na: ", &*vec![b'x'; LONGEST]].concat();
        assert_eq!(request(&endless), Found::Nothing);
    }
}

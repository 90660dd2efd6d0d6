//! Bytes on a socket, for clients that no library would be.

use super::{Server, within};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt,
    net::{TcpSocket, TcpStream},
};

/// Lets this process, and the servers it starts, have as many files and sockets open as it may.
pub fn many_files(needed: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    assert!(maximum.is_none_or(|most| most >= needed), "`ulimit -Hn` is below {needed}");
    let raised = maximum.or(Some(needed));
    setrlimit(Resource::Nofile, Rlimit { current: raised, maximum }).expect("it may have them");
}

/// A socket to a server.
pub async fn connect(server: &Server) -> TcpStream {
    let (_, address) = server.base().split_once("://").expect("a URL");
    TcpStream::connect(address).await.expect("the server accepts")
}

/// The same with little room on its way, so that little has to be sent to fill it.
pub async fn narrow(server: &Server) -> TcpStream {
    let (_, address) = server.base().split_once("://").expect("a URL");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4 << 10).expect("a small buffer");
    socket.set_send_buffer_size(16 << 10).expect("a small buffer");
    socket.connect(address.parse().expect("an address")).await.expect("the server accepts")
}

/// The head of a POST to the endpoint, with the token, these header lines and an end.
pub fn head(server: &Server, lines: &str) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n{lines}\r\n",
        server.token()
    )
}

/// A whole modern request. Keys of `params._meta` are kept.
pub fn request(server: &Server, method: &str, mut params: Value) -> String {
    let mut meta = super::modern_meta("raw-socket", &json!({}));
    if let Some(own) = params["_meta"].as_object() {
        meta.as_object_mut().expect("an object").extend(own.clone());
    }
    params["_meta"] = meta;
    let name = params["name"].as_str().map(|name| format!("Mcp-Name: {name}\r\n"));
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let lines = format!(
        "Content-Length: {}\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n{}",
        body.len(),
        name.unwrap_or_default()
    );
    head(server, &lines) + &body
}

/// All that comes until the server closes.
pub async fn rest(socket: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A reset after the answer is an end too.
    let _ended = within(60, "the end of a socket", socket.read_to_end(&mut text)).await;
    String::from_utf8_lossy(&text).into_owned()
}

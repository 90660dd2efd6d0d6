//! Asks a running server whether it is well: the container's health check. A plain blocking
//! exchange, so that the check needs nothing of what it checks.

mod pinned;

use crate::failure::Failure;
use mcp_server::config::reachable;
use mcp_telemetry::reason;
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(3);
const MOST: u64 = 64 * 1024;

/// Asks the server that listens on `listen`, and gives what it answers. With a certificate it is
/// asked over TLS, and must show that one.
///
/// # Errors
/// When nobody answers in time, or not with 200.
pub(crate) fn ask(listen: SocketAddr, certificate: Option<&Path>) -> Result<String, Failure> {
    if listen.port() == 0 {
        return Err(Failure::usage("port 0 is no address to ask; give the real one with --listen"));
    }
    let address = reachable(listen);
    let answer =
        exchange(address, certificate).map_err(|error| Failure::run(not_there(address, &error)))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) == Some("200") {
        Ok(body.to_owned())
    } else {
        Err(Failure::run(format!("what listens on {address} is not well, or not us: {status}")))
    }
}

fn not_there(address: SocketAddr, error: &io::Error) -> String {
    let why = reason(error);
    format!("no server answers on {address}: {why}; start it, or give its address with --listen")
}

fn exchange(address: SocketAddr, certificate: Option<&Path>) -> io::Result<String> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    match certificate {
        None => converse(stream, address),
        Some(file) => converse(pinned::secure(stream, address.ip(), file)?, address),
    }
}

fn converse(mut stream: impl Read + Write, address: SocketAddr) -> io::Result<String> {
    let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    // In one piece: who answers early and closes must not leave a rest to be refused.
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MOST).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn answering(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = [0; 512];
            let read = stream.read(&mut request).expect("a request");
            assert!(request[..read].starts_with(b"GET /health "));
            stream.write_all(answer.as_bytes()).expect("answered");
        });
        address
    }

    #[test]
    fn only_200_is_well() {
        let well = answering("HTTP/1.1 200 OK\r\n\r\n{\"status\":\"ok\"}");
        let everywhere = SocketAddr::new(std::net::Ipv4Addr::UNSPECIFIED.into(), well.port());
        assert_eq!(ask(everywhere, None).expect("well"), "{\"status\":\"ok\"}");
        assert!(ask(answering("HTTP/1.1 503 Busy\r\n\r\n"), None).is_err());
        assert!(ask(answering("SSH-2.0\r\n"), None).is_err());
        assert!(ask("127.0.0.1:0".parse().expect("an address"), None).is_err());
    }

    #[test]
    fn nobody_there_is_said() {
        let free =
            TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
        let refused = ask(free, None).expect_err("nobody");
        assert!(refused.to_string().contains(&free.to_string()), "{refused}");
    }
}

//! Sockets: accepted until the server stops, served in one task each.

use super::tls::Tls;
use crate::{
    pipeline::Stages,
    transport::{Paths, Patient, Seen},
};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use mcp_telemetry::{ConnectionStatus, Event, Limit, Transport};
use socket2::SockRef;
use std::{io::ErrorKind, net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::server::TlsStream;

/// Pause after a failed accept: the process is out of descriptors, and trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Most clients at once that are told that there is no room; the others are just closed.
const TURNED_AWAY_AT_ONCE: usize = 64;
const TURN_AWAY_WITHIN: Duration = Duration::from_secs(1);

/// Most clients that wait to be accepted; the system may allow fewer.
const WAITING: u32 = 4_096;

/// Opens a listener. After a restart all clients come back at once: in a shorter queue most of them
/// would find no place, and try again only after a second or more.
pub(super) fn open(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart does not wait for the sockets of the process before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

/// Serves on a socket that somebody else opened.
pub(super) fn adopt(listener: std::net::TcpListener) -> std::io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Least time for a peer to acknowledge what was sent to it. A client that reads nothing must have
/// filled its buffers by then, for our own clock to see it.
const LEAST_PATIENCE: Duration = Duration::from_secs(120);

/// Where clients come in. Dropping it closes the port.
pub(super) struct Door {
    pub(super) listener: TcpListener,
    /// What they are shown, if they come over TLS.
    pub(super) tls: Option<Arc<Tls>>,
}

impl Door {
    /// Accepts until the server stops.
    pub(super) async fn accept(self, paths: Arc<Paths>, stages: Arc<Stages>) {
        let turned_away = Arc::new(Semaphore::new(TURNED_AWAY_AT_ONCE));
        loop {
            let accepted = tokio::select! {
                biased;
                () = stages.stopping.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, _)) if stages.connections.len() >= stages.limits.now().connections => {
                    self.turn_away(socket, &turned_away, &stages);
                }
                Ok((socket, peer)) => {
                    let tls = self.tls.clone();
                    let served =
                        welcome(socket, peer, tls, Arc::clone(&paths), Arc::clone(&stages));
                    stages.connections.spawn(served);
                }
                Err(error) => {
                    let detail = error.to_string();
                    stages
                        .telemetry
                        .emit(&Event::InternalError { what: "accept", detail: &detail });
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Tells a client that there is no room, if not too many are being told so.
    fn turn_away(&self, socket: TcpStream, places: &Arc<Semaphore>, stages: &Stages) {
        stages.telemetry.emit(&Event::ConnectionRefused {
            transport: Transport::Http,
            status: ConnectionStatus::OverCapacity,
            detail: "as many sockets are open as `limits.connections` allows",
        });
        stages.over_limit(Limit::Connections);
        let Ok(place) = Arc::clone(places).try_acquire_owned() else { return };
        let tls = self.tls.clone();
        stages.connections.spawn(async move {
            let told = async {
                match tls {
                    None => turn_away(socket).await,
                    Some(tls) => turn_away(tls.acceptor().accept(socket).await?).await,
                }
            };
            // A client that does not take the answer is cut like the others.
            let _told = timeout(TURN_AWAY_WITHIN, told).await.is_ok();
            drop(place);
        });
    }
}

/// Answers a client for whom there is no room, whatever it asks.
async fn turn_away(mut socket: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
    const BODY: &str = r#"{"code":"over_capacity","message":"This server has as many connections as it may have. Try again later."}"#;
    // An answer to a request that was not read would be lost with the socket.
    let _head = socket.read(&mut [0; 8 << 10]).await?;
    let head = "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 5\r\ncontent-type: application/json";
    let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{BODY}", BODY.len());
    socket.write_all(answer.as_bytes()).await?;
    socket.shutdown().await
}

/// A socket from its first byte to its last.
async fn welcome(
    socket: TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<Tls>>,
    paths: Arc<Paths>,
    stages: Arc<Stages>,
) {
    let _open = stages.telemetry.socket_opened(Transport::Http);
    // Without it small answers wait for the peer's delayed acknowledgement, 40 ms each. A socket
    // that refuses the option is about to fail anyway.
    let _without_delay = socket.set_nodelay(true).is_ok();
    // What a dead peer never acknowledges ends its socket, and streams on it, in this time
    // instead of the system's quarter of an hour. Longer than ours, which can say why.
    let patience = stages.limits.now().write_timeout.saturating_mul(2).max(LEAST_PATIENCE);
    let _bounded = SockRef::from(&socket).set_tcp_user_timeout(Some(patience)).is_ok();
    match tls {
        None => serve(socket, peer, paths, stages).await,
        Some(tls) => {
            if let Some(socket) = shake_hands(socket, &tls, &stages).await {
                // Boxed, because most of what a socket holds is there twice otherwise.
                Box::pin(serve(socket, peer, paths, stages)).await;
            }
        }
    }
}

/// Agrees on keys, within the time that a request's head may take.
async fn shake_hands(
    socket: TcpStream,
    tls: &Tls,
    stages: &Stages,
) -> Option<TlsStream<TcpStream>> {
    let within = stages.limits.now().receive_timeout;
    let shaken = tokio::select! {
        shaken = timeout(within, tls.acceptor().accept(socket)) => shaken,
        () = stages.stopping.cancelled() => return None,
    };
    let why = match shaken {
        Ok(Ok(socket)) => return Some(socket),
        // Who goes without a word, as a port check does, did not try to come in.
        Ok(Err(error)) if error.kind() != ErrorKind::InvalidData => return None,
        Ok(Err(error)) => format!("no TLS: {error}"),
        Err(_elapsed) => {
            stages.over_limit(Limit::ReceiveTimeout);
            "no TLS in time".to_owned()
        }
    };
    stages.telemetry.emit(&Event::ConnectionRefused {
        transport: Transport::Http,
        status: ConnectionStatus::ProtocolError,
        detail: &why,
    });
    None
}

async fn serve<S>(socket: S, peer: SocketAddr, paths: Arc<Paths>, stages: Arc<Stages>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| Arc::clone(&paths).answer(request, peer));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(stages.limits.now().receive_timeout)
        .max_buf_size(stages.limits.now().header_bytes);
    let socket = Patient::new(socket, stages.limits.now().write_timeout);
    let seen = socket.seen();
    let mut connection =
        pin!(builder.serve_connection(TokioIo::new(socket), service).with_upgrades());
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = stages.stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            // Never said before `stopping`, so that nobody has to listen for it before.
            tokio::select! {
                ended = connection => ended,
                () = stages.cut.cancelled() => return,
            }
        }
    };
    if let Some(limit) = ended.err().and_then(|error| limit_reached(&error, &seen)) {
        stages.over_limit(limit);
    }
}

/// The limit that ended a connection, if one did. Any other error is a client that went away in
/// the middle: its calls are accounted for by their own scopes.
fn limit_reached(error: &hyper::Error, seen: &Seen) -> Option<Limit> {
    if seen.gave_up() {
        Some(Limit::WriteTimeout)
    } else if error.is_parse_too_large() {
        Some(Limit::HeaderBytes)
    } else if error.is_timeout() && seen.heard_last() {
        Some(Limit::ReceiveTimeout)
    } else {
        // A connection that was idle is closed by the same clock, and is no slow one.
        None
    }
}

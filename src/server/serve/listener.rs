//! Sockets: accepted until the server stops, served in one task each.

use super::tls::Tls;
use crate::{pipeline::Stages, transport::Paths};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use mcp_telemetry::{ConnectionStatus, Event, Transport};
use std::{io::ErrorKind, net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::server::TlsStream;

/// Pause after a failed accept: the process is out of descriptors, and trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Most clients at once that are told that there is no room; the others are just closed.
const TURNED_AWAY_AT_ONCE: usize = 64;
const TURN_AWAY_WITHIN: Duration = Duration::from_secs(1);

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
                Ok((socket, _)) if stages.connections.len() >= stages.limits.connections => {
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
    let shaken = tokio::select! {
        shaken = timeout(stages.limits.receive_timeout, tls.acceptor().accept(socket)) => shaken,
        () = stages.stopping.cancelled() => return None,
    };
    let why = match shaken {
        Ok(Ok(socket)) => return Some(socket),
        // Who goes without a word, as a port check does, did not try to come in.
        Ok(Err(error)) if error.kind() != ErrorKind::InvalidData => return None,
        Ok(Err(error)) => format!("no TLS: {error}"),
        Err(_elapsed) => "no TLS in time".to_owned(),
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
        .header_read_timeout(stages.limits.receive_timeout)
        .max_buf_size(stages.limits.header_bytes);
    let mut connection =
        pin!(builder.serve_connection(TokioIo::new(socket), service).with_upgrades());
    // A connection that ends in an error is a client that went away in the middle: its calls
    // are accounted for by their own scopes.
    tokio::select! {
        biased;
        _ended = connection.as_mut() => return,
        () = stages.stopping.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    // Never said before `stopping`, so that nobody has to listen for it before.
    tokio::select! {
        _ended = connection => {}
        () = stages.cut.cancelled() => {}
    }
}

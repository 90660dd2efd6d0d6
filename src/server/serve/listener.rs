//! Sockets: accepted until the server stops, served in one task each.

use super::tls::Tls;
use crate::{
    pipeline::Stages,
    transport::{Patient, Seen},
};
use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use mcp_telemetry::{ConnectionStatus, Event, Limit, Transport};
use std::{io::ErrorKind, net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

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
    pub(super) async fn accept(self, app: Router, stages: Arc<Stages>) {
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
                    let served = welcome(socket, peer, tls, app.clone(), Arc::clone(&stages));
                    let cut = stages.cut.clone();
                    stages.connections.spawn(async move {
                        tokio::select! {
                            () = served => {}
                            () = cut.cancelled() => {}
                        }
                    });
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
    app: Router,
    stages: Arc<Stages>,
) {
    let _open = stages.telemetry.socket_opened(Transport::Http);
    // Without it small answers wait for the peer's delayed acknowledgement, 40 ms each. A socket
    // that refuses the option is about to fail anyway.
    let _without_delay = socket.set_nodelay(true).is_ok();
    match tls {
        None => serve(socket, peer, app, stages).await,
        Some(tls) => {
            if let Some(socket) = shake_hands(socket, &tls, &stages).await {
                // Boxed, because most of what a socket holds is there twice otherwise.
                Box::pin(serve(socket, peer, app, stages)).await;
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

async fn serve<S>(socket: S, peer: SocketAddr, app: Router, stages: Arc<Stages>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        app.clone().oneshot(request.map(Body::new))
    });
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
        ended = connection.as_mut() => ended,
        () = stages.stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
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

//! Sockets: accepted until the server stops, served in one task each.

use crate::pipeline::Stages;
use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use mcp_telemetry::{ConnectionStatus, Event, Transport};
use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tower::ServiceExt;

/// Pause after a failed accept: the process is out of descriptors, and trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Most clients at once that are told that there is no room; the others are just closed.
const TURNED_AWAY_AT_ONCE: usize = 64;
const TURN_AWAY_WITHIN: Duration = Duration::from_secs(1);

/// Accepts until the server stops. Dropping the listener closes the port.
pub(super) async fn accept(listener: TcpListener, app: Router, stages: Arc<Stages>) {
    let turned_away = Arc::new(Semaphore::new(TURNED_AWAY_AT_ONCE));
    loop {
        let accepted = tokio::select! {
            biased;
            () = stages.stopping.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, _)) if stages.connections.len() >= stages.limits.connections => {
                stages.telemetry.emit(&Event::ConnectionRefused {
                    transport: Transport::Http,
                    status: ConnectionStatus::OverCapacity,
                    detail: "as many sockets are open as `limits.connections` allows",
                });
                if let Ok(place) = Arc::clone(&turned_away).try_acquire_owned() {
                    stages.connections.spawn(async move {
                        // A client that does not take the answer is cut like the others.
                        let _told = timeout(TURN_AWAY_WITHIN, turn_away(socket)).await.is_ok();
                        drop(place);
                    });
                }
            }
            Ok((socket, peer)) => {
                let served = serve(socket, peer, app.clone(), Arc::clone(&stages));
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
                stages.telemetry.emit(&Event::InternalError { what: "accept", detail: &detail });
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers a client for whom there is no room, whatever it asks.
async fn turn_away(mut socket: TcpStream) -> std::io::Result<()> {
    const BODY: &str = r#"{"code":"over_capacity","message":"This server has as many connections as it may have. Try again later."}"#;
    // An answer to a request that was not read would be lost with the socket.
    let _head = socket.read(&mut [0; 8 << 10]).await?;
    let head = "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 5\r\ncontent-type: application/json";
    let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{BODY}", BODY.len());
    socket.write_all(answer.as_bytes()).await?;
    socket.shutdown().await
}

async fn serve(socket: TcpStream, peer: SocketAddr, app: Router, stages: Arc<Stages>) {
    let _open = stages.telemetry.socket_opened(Transport::Http);
    // Without it small answers wait for the peer's delayed acknowledgement, 40 ms each. A socket
    // that refuses the option is about to fail anyway.
    let _without_delay = socket.set_nodelay(true).is_ok();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        app.clone().oneshot(request.map(Body::new))
    });
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
        _ended = connection.as_mut() => return,
        () = stages.stopping.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ended = connection.await.is_ok();
}

//! Sockets: accepted until the server stops, served in one task each.

use crate::pipeline::Stages;
use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use mcp_telemetry::{Event, Transport};
use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

/// Longest time a client may take to send the headers of a request.
const HEADERS_WITHIN: Duration = Duration::from_secs(30);
/// Pause after a failed accept: the process is out of descriptors, and trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until the server stops. Dropping the listener closes the port.
pub(super) async fn accept(listener: TcpListener, app: Router, stages: Arc<Stages>) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = stages.stopping.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
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
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
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

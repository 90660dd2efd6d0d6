//! `/ws`: MCP over WebSocket, a custom transport. `WEBSOCKET.md` beside this file is its contract.
//!
//! This file opens the socket, `socket` moves frames until its `ending`, `link` gives messages
//! their meaning, `calls` runs what they ask for, and `entry` joins socket and session.

mod calls;
mod ending;
mod entry;
mod link;
mod pass;
mod socket;
mod wish;

use super::{
    Shared, api,
    arrive::{arrive, came_from, count_refusal},
};
use crate::call::{Refusal, Rejection};
use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use hyper::{Request, body::Incoming};
use hyper_util::rt::TokioIo;
use mcp_telemetry::Transport;
use pass::Pass;
use std::{net::SocketAddr, sync::Arc};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::derive_accept_key,
        protocol::{Role, WebSocketConfig},
    },
};

/// The subprotocol of MCP over WebSocket.
const SUBPROTOCOL: &str = "mcp";
/// Read buffer of one socket, in bytes. The library's own default costs 130 KiB a socket.
const READ_BUFFER: usize = 4 << 10;

/// Lets a client in, or refuses it while HTTP statuses are still possible.
pub(super) async fn upgrade(
    shared: &Shared,
    mut request: Request<Incoming>,
    peer: SocketAddr,
) -> Response {
    let upgraded = hyper::upgrade::on(&mut request);
    let (parts, _body) = request.into_parts();
    // Before the token is looked at, so that no change of who may come in goes unseen.
    let pass = Pass::of(&shared.stages, &parts.headers);
    let admission = shared.stages.admission.load_full();
    let came = (peer, Transport::Websocket);
    let arrived = arrive(shared, &admission, &parts.headers, came).await;
    let opened =
        arrived.and_then(|arrival| Ok((arrival, handshake(&parts.method, &parts.headers)?)));
    let (arrival, response) = match opened {
        Ok(opened) => opened,
        Err(rejection) => {
            count_refusal(shared, Transport::Websocket, &parts.headers, &rejection);
            return api::plain_rejection(&rejection);
        }
    };
    let stages = Arc::clone(&shared.stages);
    let came_from = came_from(&arrival, &parts.headers);
    let most = Some(stages.limits.now().body_bytes);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(most)
        .max_frame_size(most);
    let connections = stages.connections.clone();
    connections.spawn(async move {
        // Fails when the client goes away before the response reached it.
        let Ok(upgraded) = upgraded.await else { return };
        let io = TokioIo::new(upgraded);
        let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        let cut = stages.cut.clone();
        tokio::select! {
            () = socket::serve(socket, Arc::clone(&stages), (arrival, came_from), pass) => {}
            () = cut.cancelled() => {}
        }
    });
    response
}

/// The opening handshake of RFC 6455, section 4.2.
fn handshake(method: &Method, headers: &HeaderMap) -> Result<Response, Rejection> {
    let says = |name: HeaderName, wanted: &str| {
        let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(wanted)))
    };
    if method != Method::GET
        || !says(header::CONNECTION, "upgrade")
        || !says(header::UPGRADE, "websocket")
    {
        return Err(Rejection::new(
            Refusal::NoWebSocket,
            "This is a WebSocket. Connect with a WebSocket client and subprotocol `mcp`.",
        ));
    }
    let refuse = |sentence: &str| Err(Rejection::new(Refusal::InvalidMessage, sentence));
    if !says(header::SEC_WEBSOCKET_VERSION, "13") {
        return refuse("Send `Sec-WebSocket-Version: 13`.");
    }
    let Some(key) = headers.get(header::SEC_WEBSOCKET_KEY) else {
        return refuse("Send a `Sec-WebSocket-Key`.");
    };
    let asks = headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL);
    if asks && !says(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        return refuse("Ask for the subprotocol `mcp`.");
    }
    let accept = derive_accept_key(key.as_bytes());
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let out = response.headers_mut();
    out.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    out.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        out.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if asks {
        out.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    Ok(response)
}

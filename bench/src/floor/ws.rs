//! WebSocket with the subprotocol `mcp` and nothing around it. The read buffer is 4 KiB: the
//! library's own 128 KiB would cost that much memory for each socket.

use crate::answer::{Incoming, Tools};
use futures_util::{SinkExt as _, StreamExt as _};
use std::sync::Arc;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_tungstenite::tungstenite::{
    Message,
    handshake::server::{ErrorResponse, Request, Response},
    http::{HeaderValue, header::SEC_WEBSOCKET_PROTOCOL},
    protocol::WebSocketConfig,
};

const READ_BUFFER: usize = 4096;

/// Accepts until the process is killed.
pub(crate) async fn serve(listener: TcpListener) -> anyhow::Result<()> {
    let tools = Arc::new(Tools::new());
    let mut sockets = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (socket, _) = accepted?;
                socket.set_nodelay(true)?;
                sockets.spawn(serve_one(socket, Arc::clone(&tools)));
            }
            Some(_ended) = sockets.join_next() => {}
        }
    }
}

async fn serve_one(socket: TcpStream, tools: Arc<Tools>) {
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    let accepted =
        tokio_tungstenite::accept_hdr_async_with_config(socket, agree, Some(config)).await;
    let Ok(mut socket) = accepted else { return };
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        let Some(answer) = Incoming::parse(text.as_bytes()).and_then(|text| tools.answer(&text))
        else {
            continue;
        };
        let Ok(answer) = String::from_utf8(answer) else { return };
        if socket.send(Message::text(answer)).await.is_err() {
            return;
        }
    }
}

#[expect(
    clippy::result_large_err,
    clippy::unnecessary_wraps,
    reason = "the form that the library asks for"
)]
fn agree(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    if request.headers().contains_key(SEC_WEBSOCKET_PROTOCOL) {
        let subprotocol = HeaderValue::from_static("mcp");
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    Ok(response)
}

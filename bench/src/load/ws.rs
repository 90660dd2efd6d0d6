//! WebSocket with the subprotocol `mcp`: one message a text frame, the socket is the session.

use crate::{client::Target, message};
use anyhow::{bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderValue, header};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, client::IntoClientRequest as _, protocol::WebSocketConfig},
};

const READ_BUFFER: usize = 4096;
const SUBPROTOCOL: &str = "mcp";

/// A client of one socket.
pub(crate) struct WsClient {
    target: Target,
    socket: WebSocketStream<TcpStream>,
    next_id: u64,
}

impl WsClient {
    pub(crate) async fn connect(target: &Target) -> anyhow::Result<Self> {
        let mut request = target.uri.clone().into_client_request()?;
        let headers = request.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        if let Some(value) = &target.authorization {
            headers.insert(header::AUTHORIZATION, value.clone());
        }
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
        let socket = target.connect().await?;
        let (socket, response) = client_async_with_config(request, socket, Some(config)).await?;
        let agreed = response.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
        ensure!(
            agreed.is_some_and(|name| name == SUBPROTOCOL),
            "the subprotocol was not agreed to"
        );
        Ok(Self { target: target.clone(), socket, next_id: 1 })
    }

    /// `initialize` and `notifications/initialized`.
    pub(crate) async fn begin(&mut self) -> anyhow::Result<()> {
        let text = self.ask(0, self.target.messages.initialize.clone()).await?;
        message::result_for(0, text.as_bytes())?.map_or(Ok(()), message::check_welcome)?;
        Ok(self.socket.send(Message::text(self.target.messages.initialized.clone())).await?)
    }

    pub(crate) async fn call(&mut self) -> anyhow::Result<()> {
        let id = self.next_id;
        self.next_id += 1;
        let text = self.ask(id, self.target.messages.call(id)).await?;
        message::result_for(id, text.as_bytes())?.map_or(Ok(()), message::check_echo)
    }

    /// Closes, and waits until the server has closed too.
    pub(crate) async fn end(&mut self) -> anyhow::Result<()> {
        self.socket.close(None).await?;
        while let Some(Ok(_)) = self.socket.next().await {}
        Ok(())
    }

    /// Sends a request and reads up to the message that answers it.
    async fn ask(&mut self, id: u64, request: String) -> anyhow::Result<String> {
        self.socket.send(Message::text(request)).await?;
        while let Some(message) = self.socket.next().await {
            match message? {
                Message::Text(text) if message::result_for(id, text.as_bytes())?.is_some() => {
                    return Ok(text.as_str().to_owned());
                }
                Message::Close(frame) => bail!("closed by the server: {frame:?}"),
                Message::Text(_)
                | Message::Binary(_)
                | Message::Ping(_)
                | Message::Pong(_)
                | Message::Frame(_) => {}
            }
        }
        bail!("the socket ended without an answer")
    }
}

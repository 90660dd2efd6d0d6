//! The way to a WebSocket: an HTTP request that becomes one (RFC 6455, section 4), by the same
//! client, guard and trust as all other HTTP.

use crate::{ClientError, HttpTarget, Options, http as over_http};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use reqwest::{Client, Response, Upgraded, Url};
use std::time::Duration;
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::{client::generate_key, derive_accept_key},
        protocol::{Role, WebSocketConfig},
    },
};

/// The subprotocol of MCP over WebSocket.
const SUBPROTOCOL: &str = "mcp";
/// Read buffer of one socket, in bytes. The library's own default costs 130 KiB a socket.
const READ_BUFFER: usize = 4 << 10;

/// An open socket.
pub(super) type Socket = WebSocketStream<Upgraded>;

/// Opens sockets to one endpoint.
pub(super) struct Door {
    client: Client,
    url: Url,
    headers: HeaderMap,
    config: WebSocketConfig,
    /// Longest time for the whole way.
    within: Duration,
}

impl Door {
    /// Prepares; nothing is sent yet.
    pub(super) fn new(target: &HttpTarget, options: &Options) -> Result<Self, ClientError> {
        let target = target.over_http();
        let headers =
            target.header_map().map_err(|error| ClientError::Connect(error.to_string()))?;
        let client = over_http::client(&target, options)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(options.max_message))
            .max_frame_size(Some(options.max_message));
        let within = options.connect_timeout + options.request_timeout;
        Ok(Self { client, url: target.url, headers, config, within })
    }

    /// Longest time for the way to a socket, and again for what is said there first.
    pub(super) const fn within(&self) -> Duration {
        self.within
    }

    /// Opens a socket.
    pub(super) async fn open(&self) -> Result<Socket, ClientError> {
        let late = || ClientError::Connect(format!("no socket within {:?}", self.within));
        timeout(self.within, self.knock()).await.unwrap_or_else(|_| Err(late()))
    }

    async fn knock(&self) -> Result<Socket, ClientError> {
        let key = generate_key();
        let mut request = self.client.get(self.url.clone()).headers(self.headers.clone());
        for (name, value) in asked() {
            request = request.header(name, value);
        }
        let sent = request.header(SEC_WEBSOCKET_KEY, &key).send().await;
        let response = sent.map_err(|error| unreached(over_http::failure(&error)))?;
        check(&response, &key)?;
        let upgraded = response.upgrade().await;
        let upgraded = upgraded.map_err(|error| unreached(over_http::failure(&error)))?;
        Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(self.config)).await)
    }
}

const fn asked() -> [(HeaderName, HeaderValue); 4] {
    [
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
        (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL)),
    ]
}

/// No message was sent before there is a socket, however the exchange failed.
fn unreached(error: ClientError) -> ClientError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others say so already")]
    match error {
        ClientError::Closed { ending, .. } => ClientError::Connect(ending.to_string()),
        other => other,
    }
}

/// Whether the server agrees to the socket.
fn check(response: &Response, key: &str) -> Result<(), ClientError> {
    let (status, headers) = (response.status(), response.headers());
    match status {
        StatusCode::SWITCHING_PROTOCOLS => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(ClientError::Auth { status: status.as_u16() });
        }
        _ => {
            let retry_after = over_http::retry_after(headers);
            return Err(ClientError::Http { status: status.as_u16(), retry_after });
        }
    }
    let says = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let upgrades = says(UPGRADE).is_some_and(|to| to.eq_ignore_ascii_case("websocket"));
    let accepts = says(SEC_WEBSOCKET_ACCEPT) == Some(&derive_accept_key(key.as_bytes()));
    if !upgrades || !accepts {
        return Err(ClientError::Protocol("the server does not answer as a WebSocket".to_owned()));
    }
    match says(SEC_WEBSOCKET_PROTOCOL) {
        None | Some(SUBPROTOCOL) => Ok(()),
        Some(other) => Err(ClientError::Protocol(format!("the server speaks `{other}`, not MCP"))),
    }
}

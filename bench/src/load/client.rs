//! A client of either transport, with one connection and at most one session.

use crate::{
    http::{HttpClient, Kept},
    message::Messages,
    ws::WsClient,
};
use anyhow::{Context as _, bail};
use http::{HeaderValue, Uri};
use std::time::Duration;
use tokio::{net::TcpStream, time::timeout};

/// Longest time that any exchange may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whom to talk to.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) uri: Uri,
    /// `HOST:PORT` of the URL.
    pub(crate) authority: String,
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) messages: Messages,
    pub(crate) is_ws: bool,
}

impl Target {
    /// A server at `url` whose `tool` is to be called.
    pub(crate) fn new(url: &str, token: Option<&str>, tool: &str) -> anyhow::Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("{url} is no URL"))?;
        let authority =
            uri.authority().with_context(|| format!("{url} names no host"))?.to_string();
        let is_ws = match uri.scheme_str() {
            Some("http") => false,
            Some("ws") => true,
            _ => bail!("{url} is neither http:// nor ws://"),
        };
        let authorization = token
            .map(|token| HeaderValue::from_str(&format!("Bearer {token}")))
            .transpose()
            .context("the token cannot stand in a header")?;
        Ok(Self { uri, authority, authorization, messages: Messages::new(tool), is_ws })
    }

    /// A new connection to it.
    pub(crate) async fn connect(&self) -> anyhow::Result<TcpStream> {
        let socket = TcpStream::connect(&self.authority).await?;
        socket.set_nodelay(true)?;
        Ok(socket)
    }
}

/// A client.
pub(crate) enum Client {
    Http(Box<HttpClient>),
    Ws(Box<WsClient>),
}

/// Ends an exchange that takes too long.
pub(crate) async fn patiently<T>(
    exchange: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    timeout(PATIENCE, exchange).await.context("no answer in time")?
}

impl Client {
    /// Connects; for a WebSocket that includes the upgrade.
    pub(crate) async fn connect(target: &Target) -> anyhow::Result<Self> {
        patiently(async {
            Ok(if target.is_ws {
                Self::Ws(Box::new(WsClient::connect(target).await?))
            } else {
                Self::Http(Box::new(HttpClient::connect(target).await?))
            })
        })
        .await
    }

    /// Connects and opens a session.
    pub(crate) async fn open(target: &Target) -> anyhow::Result<Self> {
        let mut client = Self::connect(target).await?;
        client.begin().await?;
        Ok(client)
    }

    /// Opens a session on the connection.
    pub(crate) async fn begin(&mut self) -> anyhow::Result<()> {
        patiently(async {
            match self {
                Self::Http(client) => client.begin().await,
                Self::Ws(client) => client.begin().await,
            }
        })
        .await
    }

    /// Calls the tool once. Bounded by whoever measures, not by itself.
    pub(crate) async fn call(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Http(client) => client.call().await,
            Self::Ws(client) => client.call().await,
        }
    }

    /// Ends the session.
    pub(crate) async fn end(&mut self) -> anyhow::Result<()> {
        patiently(async {
            match self {
                Self::Http(client) => client.end().await,
                Self::Ws(client) => client.end().await,
            }
        })
        .await
    }

    /// Takes up a session of HTTP that was opened elsewhere; a WebSocket has only its own.
    pub(crate) fn resume(&mut self, kept: &Kept) {
        if let Self::Http(client) = self {
            client.resume(kept);
        }
    }
}

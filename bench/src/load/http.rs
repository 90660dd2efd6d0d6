//! Streamable HTTP over one kept connection. The connection is driven by the task that uses it,
//! so that an exchange costs the loader no second task.

use crate::{
    client::Target,
    message::{self, REVISION},
};
use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{Connection, SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const EITHER: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A client of one connection.
pub(crate) struct HttpClient {
    target: Target,
    path: Uri,
    sender: SendRequest<Full<Bytes>>,
    connection: Connection<TokioIo<TcpStream>, Full<Bytes>>,
    headers: HeaderMap,
    next_id: u64,
}

/// A session apart from its connection.
#[derive(Clone)]
pub(crate) struct Kept(HeaderValue);

impl HttpClient {
    pub(crate) async fn connect(target: &Target) -> anyhow::Result<Self> {
        let (sender, connection) = handshake(TokioIo::new(target.connect().await?)).await?;
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, target.authority.parse()?);
        headers.insert(header::ACCEPT, EITHER);
        if let Some(value) = &target.authorization {
            headers.insert(header::AUTHORIZATION, value.clone());
        }
        let path = target.uri.path().parse()?;
        Ok(Self { target: target.clone(), path, sender, connection, headers, next_id: 1 })
    }

    /// `initialize` and `notifications/initialized`.
    pub(crate) async fn begin(&mut self) -> anyhow::Result<()> {
        self.headers.remove(SESSION);
        self.headers.remove(VERSION);
        let (head, body) = self.post(self.target.messages.initialize.clone()).await?;
        message::check_welcome(result_of(&head, &body, 0)?)?;
        let session = head.get(SESSION).context("`initialize` gave no session")?;
        self.resume(&Kept(session.clone()));
        self.post(self.target.messages.initialized.clone()).await?;
        Ok(())
    }

    pub(crate) async fn call(&mut self) -> anyhow::Result<()> {
        let id = self.next_id;
        self.next_id += 1;
        let (head, body) = self.post(self.target.messages.call(id)).await?;
        message::check_echo(result_of(&head, &body, id)?)
    }

    pub(crate) async fn end(&mut self) -> anyhow::Result<()> {
        let request = self.request(Method::DELETE, String::new());
        self.exchange(request).await.map(drop)
    }

    /// Opens the session's event stream. It lives as long as what is returned.
    pub(crate) async fn listen(mut self) -> anyhow::Result<Stream> {
        let mut request = self.request(Method::GET, String::new());
        request.headers_mut().insert(header::ACCEPT, EVENTS);
        let response = {
            let Self { sender, connection, .. } = &mut self;
            driven(connection, async { Ok(sender.send_request(request).await?) }).await?
        };
        ensure!(response.status() == StatusCode::OK, "a stream was refused: {}", response.status());
        Ok(Stream { _client: self, _body: response.into_body() })
    }

    /// The session, to be taken up on any connection.
    pub(crate) fn keep(&self) -> anyhow::Result<Kept> {
        self.headers.get(SESSION).cloned().map(Kept).context("there is no session")
    }

    pub(crate) fn resume(&mut self, kept: &Kept) {
        self.headers.insert(SESSION, kept.0.clone());
        self.headers.insert(VERSION, HeaderValue::from_static(REVISION));
    }

    fn request(&self, method: Method, body: String) -> Request<Full<Bytes>> {
        let mut headers = self.headers.clone();
        if method == Method::POST {
            headers.insert(header::CONTENT_TYPE, JSON);
        }
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() = self.path.clone();
        *request.headers_mut() = headers;
        request
    }

    async fn post(&mut self, body: String) -> anyhow::Result<(HeaderMap, Bytes)> {
        let request = self.request(Method::POST, body);
        self.exchange(request).await
    }

    async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> anyhow::Result<(HeaderMap, Bytes)> {
        let Self { sender, connection, .. } = self;
        let exchange = async {
            sender.ready().await?;
            let response: Response<Incoming> = sender.send_request(request).await?;
            let (head, body) = response.into_parts();
            Ok((head, body.collect().await?.to_bytes()))
        };
        let (head, body) = driven(connection, exchange).await?;
        if !head.status.is_success() {
            let text: String = String::from_utf8_lossy(&body).chars().take(200).collect();
            bail!("HTTP {}: {text}", head.status);
        }
        Ok((head.headers, body))
    }
}

/// An open event stream with nothing on it.
pub(crate) struct Stream {
    _client: HttpClient,
    _body: Incoming,
}

/// Runs an exchange while moving its connection along.
async fn driven<T>(
    connection: &mut Connection<TokioIo<TcpStream>, Full<Bytes>>,
    exchange: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        done = &mut exchange => done,
        // The connection may end with the answer already handed over.
        ended = connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(error.into()),
        },
    }
}

/// Gets a page.
pub(crate) async fn fetch(target: &Target) -> anyhow::Result<String> {
    let mut client = HttpClient::connect(target).await?;
    let request = client.request(Method::GET, String::new());
    let (_, body) = client.exchange(request).await?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// The result for `id`, out of a body of JSON or of events with one line of data each.
fn result_of<'a>(head: &HeaderMap, body: &'a [u8], id: u64) -> anyhow::Result<&'a str> {
    let content_type =
        head.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    if content_type.starts_with(b"application/json") {
        return message::result_for(id, body)?.context("an answer to another request");
    }
    let data = body.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:"));
    for message in data.map(<[u8]>::trim_ascii).filter(|data| !data.is_empty()) {
        if let Some(result) = message::result_for(id, message)? {
            return Ok(result);
        }
    }
    bail!("the stream ended without an answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_found_among_events() {
        let body =
            b"id: 1\ndata: \n\ndata: {\"method\":\"x\"}\r\n\r\ndata:{\"id\":3,\"result\":{}}\n\n";
        let mut head = HeaderMap::from_iter([(header::CONTENT_TYPE, EVENTS)]);
        assert_eq!(result_of(&head, body, 3).unwrap(), "{}");
        assert!(result_of(&head, body, 4).is_err());
        head.insert(header::CONTENT_TYPE, JSON);
        assert_eq!(result_of(&head, br#"{"id":3,"result":{}}"#, 3).unwrap(), "{}");
    }
}

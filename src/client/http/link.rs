//! What all parts of one HTTP connection share: the HTTP client, headers, session, sinks.

use super::secure;
use crate::{
    ClientError, HttpTarget, Options, Sink, error::plainly, fate::Fate, prepare::Outgoing,
    questions::Questions,
};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT, CONTENT_TYPE},
};
use mcp_protocol::{Era, Revision, headers};
use reqwest::{Client, RequestBuilder, Response, Url, redirect};
use std::{
    collections::HashMap,
    error::Error,
    iter,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    time::Duration,
};
use tokio::{sync::Notify, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const SESSION_ID: HeaderName = HeaderName::from_static(headers::SESSION_ID);
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static(headers::PROTOCOL_VERSION);
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Idle connections are closed by us before common servers close them (Node after 5 s): a call
/// sent while the server closes would have an unknown outcome.
const IDLE: Duration = Duration::from_secs(4);
/// Dead peers are found by the system after about this long.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Longest time to hand an answer to a question of the server over.
const HAND_OVER: Duration = Duration::from_secs(30);

/// One HTTP connection's shared parts.
pub(super) struct Link {
    client: Client,
    url: Url,
    headers: HeaderMap,
    session: OnceLock<HeaderValue>,
    pub(super) agreed: OnceLock<Revision>,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) questions: Arc<Questions>,
    pub(super) listeners: Listeners,
    pub(super) fate: Fate,
    /// Cancelled when the stream in the background was first answered.
    pub(super) listening: CancellationToken,
    /// The stream in the background could not reach the server.
    pub(super) doubt: Notify,
    /// Somebody who waits for it is told of the next answer to a message of ours.
    pub(super) answered: Notify,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
    pub(super) max_message: usize,
}

impl Link {
    pub(super) fn new(
        target: &HttpTarget,
        sink: Arc<dyn Sink>,
        options: &Options,
    ) -> Result<Arc<Self>, ClientError> {
        let headers =
            target.header_map().map_err(|error| ClientError::Connect(error.to_string()))?;
        let client = client(target, options)?;
        let tasks = TaskTracker::new();
        Ok(Arc::new_cyclic(|link: &Weak<Self>| {
            let link = link.clone();
            let reply = Box::new(move |text| {
                let link = link.clone();
                Box::pin(reply(link, text)) as crate::BoxFuture<'static, ()>
            });
            Self {
                client,
                url: target.url.clone(),
                headers,
                session: OnceLock::new(),
                agreed: OnceLock::new(),
                sink,
                questions: Questions::new(options.max_questions, tasks.clone(), reply),
                listeners: Listeners::default(),
                fate: Fate::default(),
                listening: CancellationToken::new(),
                doubt: Notify::new(),
                answered: Notify::new(),
                stop: CancellationToken::new(),
                tasks,
                max_message: options.max_message,
            }
        }))
    }

    /// The era agreed on, if it is.
    pub(super) fn era(&self) -> Option<Era> {
        self.agreed.get().map(|revision| revision.era())
    }

    /// Whether the server gave us a session.
    pub(super) fn has_session(&self) -> bool {
        self.session.get().is_some()
    }

    /// The session's id, if the server gave us one.
    pub(super) fn session_id(&self) -> Option<String> {
        self.session.get().and_then(|id| id.to_str().ok()).map(ToOwned::to_owned)
    }

    /// Keeps the session that the answer to `initialize` brings, if any.
    pub(super) fn keep_session(&self, response: &Response) -> Result<(), ClientError> {
        let Some(id) =
            response.headers().get(SESSION_ID).filter(|_| response.status().is_success())
        else {
            return Ok(());
        };
        if id.is_empty() || !id.as_bytes().iter().all(u8::is_ascii_graphic) {
            return Err(ClientError::Protocol("the session id is not visible ASCII".to_owned()));
        }
        let _first_stays = self.session.set(id.clone());
        Ok(())
    }

    /// Sends one message.
    pub(super) async fn post(
        &self,
        text: String,
        extra: HeaderMap,
    ) -> Result<Response, ClientError> {
        let mut headers = self.common(BOTH);
        headers.insert(CONTENT_TYPE, JSON);
        headers.extend(extra);
        let answer = send(self.client.post(self.url.clone()).headers(headers).body(text)).await?;
        self.answered.notify_waiters();
        Ok(answer)
    }

    /// Opens a stream, or resumes one behind an event.
    pub(super) async fn get(&self, last_event_id: Option<&str>) -> Result<Response, ClientError> {
        let mut headers = self.common(STREAM);
        if let Some(id) = last_event_id {
            let id = HeaderValue::from_str(id)
                .map_err(|_| ClientError::Protocol("an event id cannot be sent back".to_owned()))?;
            headers.insert(LAST_EVENT_ID, id);
        }
        send(self.client.get(self.url.clone()).headers(headers)).await
    }

    /// Ends the session, if there is one. What the server answers makes no difference.
    pub(super) async fn delete_session(&self) {
        if self.has_session() {
            let _answer =
                send(self.client.delete(self.url.clone()).headers(self.common(BOTH))).await;
        }
    }

    fn common(&self, accept: HeaderValue) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.insert(ACCEPT, accept);
        if let Some(revision) = self.agreed.get().filter(|revision| revision.era() == Era::Legacy) {
            headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(revision.as_str()));
        }
        if let Some(session) = self.session.get() {
            headers.insert(SESSION_ID, session.clone());
        }
        headers
    }
}

async fn reply(link: Weak<Link>, text: String) {
    if let Some(link) = link.upgrade() {
        // The server asked; if it is not there to hear the answer, nobody is.
        let _told = timeout(HAND_OVER, link.post(text, HeaderMap::new())).await;
    }
}

/// The sinks of calls that asked for progress: some servers send it on the stream in the
/// background.
#[derive(Default)]
pub(super) struct Listeners {
    by_token: Mutex<HashMap<u64, Arc<dyn Sink>>>,
}

/// Takes a call's sink out when the call ends.
pub(super) struct Listening<'a> {
    listeners: &'a Listeners,
    token: u64,
}

impl Listeners {
    /// Adds a call's sink, if it asked for progress and has one.
    pub(super) fn add(&self, call: &Outgoing) -> Option<Listening<'_>> {
        let sink = call.sink.clone().filter(|_| call.progress)?;
        self.by_token.lock().unwrap_or_else(PoisonError::into_inner).insert(call.id, sink);
        Some(Listening { listeners: self, token: call.id })
    }

    /// The sink under a token.
    pub(super) fn find(&self, token: u64) -> Option<Arc<dyn Sink>> {
        self.by_token.lock().unwrap_or_else(PoisonError::into_inner).get(&token).cloned()
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.listeners.by_token.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.token);
    }
}

/// An HTTP client for that endpoint alone, behind the guard of the options.
pub(crate) fn client(target: &HttpTarget, options: &Options) -> Result<Client, ClientError> {
    secure::provide_crypto();
    let mut builder = Client::builder()
        .user_agent(concat!("mcp-orchestrator/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(options.connect_timeout)
        .tcp_nodelay(true)
        .tcp_keepalive(KEEP_ALIVE)
        .pool_idle_timeout(IDLE)
        .referer(false)
        .redirect(same_origin(target.url.clone()));
    if target.is_loopback() {
        builder = builder.no_proxy();
    }
    if target.url.scheme() == "http" {
        // Without TLS, a machine without root certificates serves as well.
        builder = builder.tls_certs_only([]);
    }
    let builder = secure::guarded(builder, target, options)?;
    builder.build().map_err(|error| ClientError::Connect(reason(&error)))
}

/// Follows a redirect only where it keeps method and body, and stays with the same server:
/// the headers are secrets of that one.
fn same_origin(home: Url) -> redirect::Policy {
    redirect::Policy::custom(move |attempt| {
        let keeps_body = matches!(attempt.status().as_u16(), 307 | 308);
        if keeps_body && attempt.url().origin() == home.origin() && attempt.previous().len() <= 5 {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}

async fn send(request: RequestBuilder) -> Result<Response, ClientError> {
    request.send().await.map_err(|error| secure::failure(&error))
}

/// The causes of an error, without the URL.
pub(super) fn reason(error: &reqwest::Error) -> String {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    // The stage at which it failed; what follows, if anything, says why.
    let is_stage = |said: &String| said.starts_with("client error") || said == "tcp connect error";
    let mut said: Vec<_> = causes.map(plainly).collect();
    let last = said.pop();
    said.retain(|said| !is_stage(said));
    said.extend(last);
    if !error.is_connect() {
        said.insert(0, "the exchange failed".to_owned());
    } else if said.is_empty() {
        said.push("no connection".to_owned());
    }
    said.join(": ")
}

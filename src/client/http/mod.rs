//! A server at a Streamable HTTP endpoint, in either era (2025-11-25 and 2026-07-28
//! `basic/transports`).
//!
//! Every message is a POST of its own. A call's answer comes as JSON or on a stream of its
//! own (`answer`, `stream`); legacy streams that break are resumed (`resume`); what the
//! legacy server sends at other times comes on a GET stream in the background (`background`).

mod answer;
mod background;
mod link;
mod resume;
mod secure;
mod stream;

use crate::{
    ClientError, Ending, HttpTarget, Options, Sink,
    fate::{Fate, closed, for_call},
    prepare::{Outgoing, routing_headers},
};
use http::HeaderMap;
use link::Link;
use mcp_protocol::{Era, Payload, RawObject, Revision, encode_notification, raw_value};
use std::{sync::Arc, time::Duration};
use tokio::{runtime::Handle, time::timeout};
use tokio_util::sync::DropGuard;

/// How long the end of a session, or of a call, may take to be told.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long a server may take to begin the stream in the background before calls are sent.
const LISTENING: Duration = Duration::from_secs(1);

pub(crate) use answer::retry_after;
pub(crate) use link::client;
pub(crate) use secure::failure;

/// Whether a secure connection to the endpoint can be made.
pub(crate) async fn try_tls(target: &HttpTarget, options: &Options) -> Result<(), ClientError> {
    secure::try_tls(&link::client(target, options)?, target).await
}

/// A connection to an HTTP endpoint.
pub(crate) struct HttpWire {
    link: Arc<Link>,
    runtime: Handle,
    _stop: DropGuard,
}

impl HttpWire {
    /// Prepares to speak to the endpoint; nothing is sent yet.
    pub(crate) fn open(
        target: &HttpTarget,
        sink: Arc<dyn Sink>,
        options: &Options,
    ) -> Result<Self, ClientError> {
        let link = Link::new(target, sink, options)?;
        let stop = link.stop.clone().drop_guard();
        Ok(Self { link, runtime: Handle::current(), _stop: stop })
    }

    /// Notes the revision agreed on.
    pub(crate) fn agree(&self, revision: Revision) {
        let _first_stays = self.link.agreed.set(revision);
    }

    /// Opens the stream for what the server sends at other times; legacy only. A server may put a
    /// question about our first call there, and lose it where there is no stream: so this waits
    /// for it, for a moment.
    pub(crate) async fn listen(&self) {
        self.link.tasks.spawn(background::listen(Arc::clone(&self.link)));
        let _in_time = timeout(LISTENING, self.link.listening.cancelled()).await;
    }

    /// Sends a call and waits for its end.
    pub(crate) async fn request(&self, mut call: Outgoing) -> Result<Payload, ClientError> {
        if let Some(why) = self.link.fate.why() {
            return Err(for_call(why, false));
        }
        let mut cancel = CancelOnDrop { wire: self, id: call.id, armed: call.cancellable };
        let _listener = self.link.listeners.add(&call);
        let text = std::mem::take(&mut call.text);
        let ended = tokio::select! {
            biased;
            ended = self.exchange(&call, text) => ended,
            () = self.link.stop.cancelled() => Err(closed(true, Ending::ByUs)),
        };
        cancel.armed = false;
        ended
    }

    async fn exchange(&self, call: &Outgoing, text: String) -> Result<Payload, ClientError> {
        // Whether a request that was given up had a connection by then, nobody says.
        call.departure.leaves();
        let response = self.link.post(text, call.headers.clone()).await?;
        if call.method == "initialize" {
            self.link.keep_session(&response)?;
        }
        answer::read(&self.link, response, call).await
    }

    /// Sends a notification.
    pub(crate) async fn send(&self, text: String, method: &str) -> Result<(), ClientError> {
        if let Some(why) = self.link.fate.why() {
            return Err(for_call(why, false));
        }
        let headers = match self.link.era() {
            Some(Era::Modern) => routing_headers(method, &RawObject::default())?,
            Some(Era::Legacy) | None => HeaderMap::new(),
        };
        let response = self.link.post(text, headers).await?;
        answer::accepted(&self.link, response).await
    }

    /// Resolves when the server could not be reached while nobody called it.
    pub(crate) async fn doubted(&self) {
        self.link.doubt.notified().await;
    }

    /// The id of the session, if the server gave one.
    pub(crate) fn session_id(&self) -> Option<String> {
        self.link.session_id()
    }

    /// How the connection ends.
    pub(crate) fn fate(&self) -> &Fate {
        &self.link.fate
    }

    /// Ends every stream, and the session.
    pub(crate) async fn close(&self) {
        let lost = self.link.fate.why().is_some();
        self.link.fate.end(closed(false, Ending::ByUs));
        self.link.stop.cancel();
        self.link.questions.withdraw_all();
        if !lost {
            // A server that does not answer keeps the session until it expires there.
            let _told = timeout(FAREWELL, self.link.delete_session()).await;
        }
    }
}

impl Drop for HttpWire {
    /// The session is ended in passing, lest every connection that is given up leaves one.
    fn drop(&mut self) {
        self.link.questions.withdraw_all();
        if self.link.fate.why().is_none() && self.link.has_session() {
            let link = Arc::clone(&self.link);
            let end = async move {
                // Nobody is left to hear of a failure.
                let _told = timeout(FAREWELL, link.delete_session()).await;
            };
            self.link.tasks.spawn_on(end, &self.runtime);
        }
    }
}

/// Tells a legacy server that nobody waits for a call's answer any more. To a modern one, the
/// end of the stream says it.
struct CancelOnDrop<'a> {
    wire: &'a HttpWire,
    id: u64,
    armed: bool,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if !self.armed || self.wire.link.era() != Some(Era::Legacy) {
            return;
        }
        let params = raw_value(&serde_json::json!({ "requestId": self.id }));
        let text = encode_notification("notifications/cancelled", Some(&params));
        let link = Arc::clone(&self.wire.link);
        let tell = async move {
            // Nobody is left to hear of a failure.
            let _told = timeout(FAREWELL, link.post(text, HeaderMap::new())).await;
        };
        self.wire.link.tasks.spawn_on(tell, &self.wire.runtime);
    }
}

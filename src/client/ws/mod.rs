//! A server at a WebSocket, in either era: the custom transport that `WEBSOCKET.md` of this server
//! describes, and any plain one with the subprotocol `mcp`.
//!
//! One task serves a connection (`drive`): it opens the socket (`open`) when somebody first wants
//! it. A legacy session of a server that has our extension (`session`) outlives its socket: the
//! task then opens another, and calls on their way wait for their answers. What did not arrive is
//! sent again, which the count of frames tells (`frames`); so nothing runs twice. Who makes a call
//! while there is no socket brings the next try forward, and is told if it fails: as over HTTP.
//! Any other session ends with its socket (`ending`).

mod drive;
mod ending;
mod frames;
mod link;
mod open;
mod pause;
mod session;

use crate::{
    ClientError, Ending, HttpTarget, Options, Sink,
    exchange::Exchange,
    fate::{Fate, closed, for_call},
    prepare::Outgoing,
    waiting::Outcome,
};
use link::Link;
use mcp_protocol::Revision;
use open::Door;
use std::sync::Arc;
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A connection to a WebSocket.
pub(crate) struct WsWire {
    link: Arc<Link>,
    exchange: Exchange,
    _stop: DropGuard,
}

impl WsWire {
    /// Prepares to speak to the endpoint; nothing is sent yet.
    pub(crate) fn open(
        target: &HttpTarget,
        sink: Arc<dyn Sink>,
        options: &Options,
    ) -> Result<Self, ClientError> {
        let door = Door::new(target, options)?;
        let (exchange, queue) = Exchange::new(sink, options);
        let stop = CancellationToken::new();
        let link = Arc::new(Link {
            door,
            inbox: Arc::clone(&exchange.inbox),
            fate: exchange.fate.clone(),
            standing: watch::Sender::default(),
            wanted: Notify::new(),
            hang_up: Notify::new(),
            doubt: Notify::new(),
            stop: stop.clone(),
            gone: exchange.gone.clone(),
            max_message: options.max_message,
            state: std::sync::Mutex::default(),
        });
        exchange.tasks.spawn(drive::drive(Arc::clone(&link), queue));
        Ok(Self { link, exchange, _stop: stop.drop_guard() })
    }

    /// Notes the revision agreed on.
    pub(crate) fn agree(&self, revision: Revision) {
        let _first_stays = self.link.inbox.agreed.set(revision);
    }

    /// Sends a call and waits for its end.
    pub(crate) async fn request(&self, mut call: Outgoing) -> Outcome {
        self.reach().await?;
        if call.method == "initialize" {
            call.text = self.link.asks(call.id, call.text);
        }
        self.exchange.request(call).await
    }

    /// Sends a notification.
    pub(crate) async fn send(&self, text: String) -> Result<(), ClientError> {
        self.reach().await?;
        self.exchange.send(text).await
    }

    /// Waits until there is a socket, or the next try to open one has failed.
    async fn reach(&self) -> Result<(), ClientError> {
        let mut standing = self.link.standing.subscribe();
        let before = {
            let now = standing.borrow_and_update();
            if now.is_up {
                return Ok(());
            }
            now.failed
        };
        self.link.wanted.notify_one();
        let tried = standing.wait_for(|now| now.is_up || now.failed > before);
        let why = tokio::select! {
            biased;
            tried = tried => match tried.ok().map(|now| (now.is_up, now.why.clone())) {
                Some((true, _)) | None => return Ok(()),
                Some((false, why)) => why,
            },
            why = self.link.fate.wait() => Some(for_call(why, false)),
        };
        Err(why.unwrap_or_else(|| closed(false, Ending::Lost("there is no socket".to_owned()))))
    }

    /// Resolves when the socket was lost, and no other could be opened at once.
    pub(crate) async fn doubted(&self) {
        self.link.doubt.notified().await;
    }

    /// Trusts the socket no more, nor a try to open one that takes too long: another is opened, if the
    /// session outlives it.
    pub(crate) fn hang_up(&self) {
        // Whoever asks next may still see the socket that goes, and would not hurry the one after it.
        if self.link.standing.borrow().is_up {
            self.link.wanted.notify_one();
        }
        self.link.hang_up.notify_waiters();
    }

    /// The id of the session, if it outlives its socket: no other has one.
    pub(crate) fn session_id(&self) -> Option<String> {
        self.link.session_id()
    }

    /// How the connection ends.
    pub(crate) fn fate(&self) -> &Fate {
        &self.link.fate
    }

    /// Ends the session in good order, and waits until that is done.
    pub(crate) async fn close(&self) {
        self.link.fate.end(closed(false, Ending::ByUs));
        self.link.inbox.end(&Ending::ByUs);
        self.link.stop.cancel();
        self.link.gone.cancelled().await;
    }
}

//! What the task of one connection and its users share: where the connection stands, and what is
//! known of its session.

use super::{
    drive::Lost,
    frames::{After, Frame, Frames},
    open::Door,
    session::{Asking, Session},
};
use crate::{
    ClientError, Ending,
    exchange::Out,
    fate::{Fate, closed},
    inbox::{Inbox, our_id},
    incoming::{self, Incoming},
};
use mcp_protocol::{Id, Message, Payload, encode_request};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::sync::CancellationToken;

/// The id of the question that shows where what the server knew from before a crash ends.
const BARRIER: u64 = 8;

/// Whether there is a socket.
#[derive(Debug, Default)]
pub(super) struct Standing {
    pub(super) is_up: bool,
    /// How many tries have failed.
    pub(super) failed: u64,
    /// Why the last one did.
    pub(super) why: Option<ClientError>,
}

/// The shared parts of one connection.
pub(super) struct Link {
    pub(super) door: Door,
    pub(super) inbox: Arc<Inbox>,
    pub(super) fate: Fate,
    pub(super) standing: watch::Sender<Standing>,
    /// Somebody waits for a socket: try now.
    pub(super) wanted: Notify,
    /// The socket is not trusted any more, nor the try to open one.
    pub(super) hang_up: Notify,
    /// The server could not be reached.
    pub(super) doubt: Notify,
    pub(super) stop: CancellationToken,
    /// The task has ended.
    pub(super) gone: CancellationToken,
    pub(super) max_message: usize,
    pub(super) state: Mutex<State>,
}

/// What is known of the session.
#[derive(Default)]
pub(super) struct State {
    frames: Frames,
    asking: Option<Asking>,
    session: Option<Session>,
    since: Option<Instant>,
    /// Calls that end without an answer when the answer to the barrier comes.
    unsure: Vec<u64>,
}

impl Link {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an `initialize` that is about to be sent: the text to send in its place.
    pub(super) fn asks(&self, id: u64, text: String) -> String {
        let Some((asking, with_wish)) = Asking::of(id, &text) else { return text };
        self.state().asking = Some(asking);
        with_wish
    }

    /// Whether another socket can take the session over.
    pub(super) fn can_resume(&self) -> bool {
        self.state().session.is_some()
    }

    /// What to say on a new socket, if there is a session to come back to.
    pub(super) fn way_back(&self) -> Option<String> {
        let state = self.state();
        state.session.as_ref()?.way_back(state.frames.received())
    }

    /// Whether the server has forgotten the session by now.
    pub(super) fn is_too_late(&self) -> bool {
        let state = self.state();
        let window = state.session.as_ref().map(|session| session.window);
        window.zip(state.since).is_some_and(|(window, since)| since.elapsed() > window)
    }

    /// How many frames of the session came.
    pub(super) fn received(&self) -> u64 {
        self.state().frames.received()
    }

    /// There is a socket, or is none any more.
    pub(super) fn stands(&self, is_up: bool) {
        self.standing.send_modify(|standing| standing.is_up = is_up);
    }

    /// The socket was lost, and may be followed by another.
    pub(super) fn lost(&self) {
        self.state().since = Some(Instant::now());
        self.stands(false);
    }

    /// A try has failed.
    pub(super) fn unreached(&self, why: ClientError) {
        self.standing.send_modify(|standing| {
            standing.failed += 1;
            standing.why = Some(why);
        });
        self.doubt.notify_one();
    }

    /// Resolves when we are done while there is no socket.
    pub(super) async fn stopped(&self) {
        self.stop.cancelled().await;
        let mut standing = self.standing.subscribe();
        // Cannot fail: the sender is here.
        let _down = standing.wait_for(|now| !now.is_up).await;
    }

    /// Takes a frame of the server.
    pub(super) fn take(&self, text: &str) {
        let items = incoming::read(text.as_bytes());
        let mut counts = true;
        for item in &items {
            if let Incoming::Message(Message::Response(answer)) = item
                && let Some(id) = our_id(answer.id.as_ref())
            {
                counts &= !self.answered(id, &answer.payload);
            }
        }
        if counts {
            self.state().frames.came();
        }
        for item in items {
            self.inbox.sort(item, text.as_bytes());
        }
    }

    /// Notes what an answer tells; whether it was that to `initialize`, which is not counted.
    fn answered(&self, id: u64, payload: &Payload) -> bool {
        let mut state = self.state();
        if let Some(asking) = state.asking.take_if(|asking| asking.id == id) {
            state.session = asking.answered(payload);
            state.frames = Frames::default();
            return true;
        }
        state.frames.answered(id);
        let unsure = if id == BARRIER { std::mem::take(&mut state.unsure) } else { Vec::new() };
        drop(state);
        for call in unsure {
            let lost = "the server was restarted and does not know the call".to_owned();
            self.inbox.waiting.end(call, Err(closed(true, Ending::Lost(lost))));
        }
        false
    }

    /// The text of a message that goes out now; `None` if nobody waits for its answer any more.
    pub(super) fn goes(&self, out: Out) -> Option<Utf8Bytes> {
        let frame: Frame = match out {
            Out::Call(id, text) if self.inbox.waiting.mark_sent(id) => (Some(id), text.into()),
            Out::Call(..) => return None,
            Out::Text(text) => (None, text.into()),
        };
        let text = frame.1.clone();
        let mut state = self.state();
        if state.session.is_some() {
            state.frames.goes(frame);
        }
        Some(text)
    }

    /// The session goes on in a new socket: what to send again.
    ///
    /// # Errors
    /// When the server says what cannot be.
    pub(super) fn goes_on(&self, server_has: Option<u64>) -> Result<Vec<Frame>, ClientError> {
        let mut state = self.state();
        state.since = None;
        let again = match state.frames.resumed(server_has) {
            After::Missing { lost, again } => {
                for call in lost {
                    let why = "it did not arrive, and was too large to be kept".to_owned();
                    self.inbox.waiting.end(call, Err(closed(false, Ending::Lost(why))));
                }
                let is_wanted =
                    |call: Option<u64>| call.is_none_or(|id| self.inbox.waiting.has(id));
                again.into_iter().filter(|(call, _)| is_wanted(*call)).collect()
            }
            After::Unknown => {
                // What was stored comes before the answer to this; all else is lost.
                state.unsure = self.inbox.waiting.sent();
                vec![(None, encode_request(&Id::number(BARRIER), "ping", None).into())]
            }
            After::Nonsense => {
                let why = "the server has received more than was sent".to_owned();
                return Err(ClientError::Protocol(why));
            }
        };
        for frame in &again {
            state.frames.goes(frame.clone());
        }
        Ok(again)
    }

    /// Why the connection is over with its socket.
    pub(super) fn over(&self, lost: Lost) -> ClientError {
        match lost {
            Lost::Stopped => closed(false, Ending::ByUs),
            Lost::TooLarge(limit) => ClientError::TooLarge { limit },
            Lost::Broken(why) => ClientError::Protocol(why),
            Lost::Gone(why) => closed(false, Ending::Lost(why)),
        }
    }

    /// Ends the connection for everyone who waits.
    pub(super) fn end(&self, why: ClientError) {
        let ending = if let ClientError::Closed { ending, .. } = &why {
            ending.clone()
        } else {
            Ending::Lost(why.to_string())
        };
        self.fate.end(why);
        self.inbox.end(&ending);
        self.gone.cancel();
    }
}

//! What comes in where all messages of a connection come one way, over the pipes of a child or a
//! WebSocket: each goes to the call, the question or the sink that it is for.

use crate::{
    ClientError, Ending, Sink,
    fate::closed,
    incoming::{self, Incoming, shown},
    questions::Questions,
    waiting::Waiting,
};
use mcp_protocol::{Era, Id, Message, Method, Notification, Response, Revision};
use std::sync::{Arc, OnceLock};

/// The incoming side of one connection.
pub(crate) struct Inbox {
    pub(crate) waiting: Waiting,
    pub(crate) questions: Arc<Questions>,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) agreed: OnceLock<Revision>,
}

impl Inbox {
    /// Nothing has come yet.
    pub(crate) fn new(questions: Arc<Questions>, sink: Arc<dyn Sink>) -> Self {
        Self { waiting: Waiting::default(), questions, sink, agreed: OnceLock::new() }
    }

    /// Takes a line or a frame.
    pub(crate) fn take(&self, text: &[u8]) {
        for item in incoming::read(text) {
            self.sort(item, text);
        }
    }

    /// Takes one thing out of that text.
    pub(crate) fn sort(&self, item: Incoming, text: &[u8]) {
        match item {
            Incoming::Message(message) => self.route(message),
            Incoming::Bad { answers, reason } => {
                self.sink.log_line(&shown(&[b"not a message: ", text].concat()));
                if let Some(id) = our_id(answers.as_ref()) {
                    self.waiting.end(id, Err(ClientError::Protocol(reason)));
                }
            }
        }
    }

    fn route(&self, message: Message) {
        match message {
            Message::Response(Response { id, payload }) => {
                if let Some(id) = our_id(id.as_ref()) {
                    self.waiting.end(id, Ok(payload));
                }
            }
            Message::Request(request) => {
                let era = self.agreed.get().map_or(Era::Legacy, |revision| revision.era());
                self.questions.ask(request, era, &self.sink);
            }
            Message::Notification(notification) => self.notify(notification),
        }
    }

    fn notify(&self, notification: Notification) {
        let sink = if notification.method == Method::Progress {
            let Some(sink) =
                incoming::progress_of(&notification).and_then(|id| self.waiting.progress_sink(id))
            else {
                return;
            };
            sink
        } else if notification.method == Method::Cancelled {
            return self.withdraw(&notification);
        } else {
            incoming::subscription_of(&notification)
                .and_then(|id| self.waiting.listen_sink(id))
                .flatten()
        };
        sink.as_ref().unwrap_or(&self.sink).notification(notification);
    }

    /// Either a question of the server, or a subscription that it ends.
    fn withdraw(&self, notification: &Notification) {
        let Some(id) = incoming::withdrawn_by(notification) else { return };
        self.questions.withdraw(&id);
        if let Some(id) = our_id(Some(&id)).filter(|id| self.waiting.listen_sink(*id).is_some()) {
            self.waiting.end(id, Err(closed(true, Ending::Withdrawn)));
        }
    }

    /// Ends all that waits.
    pub(crate) fn end(&self, ending: &Ending) {
        self.waiting.end_all(ending);
        self.questions.withdraw_all();
    }
}

/// The answer to our own id, as the reader sees it.
pub(crate) fn our_id(id: Option<&Id>) -> Option<u64> {
    id.and_then(incoming::our_number)
}

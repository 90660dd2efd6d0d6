//! Calls over one way out and one way in, the pipes of a child or a WebSocket: each is queued,
//! written by whoever owns the way out, and waits in the inbox for its answer.

use crate::{
    BoxFuture, ClientError, Ending, Options, Sink,
    fate::{Fate, closed, for_call},
    inbox::Inbox,
    prepare::Outgoing,
    questions::Questions,
    waiting::{Entry, Outcome},
};
use mcp_protocol::{encode_notification, raw_value};
use std::sync::Arc;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Something to write.
pub(crate) enum Out {
    /// A call, unless nobody waits for it by then.
    Call(u64, String),
    /// Anything else.
    Text(String),
}

/// Both ways of one connection.
pub(crate) struct Exchange {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) fate: Fate,
    pub(crate) tasks: TaskTracker,
    /// Nobody takes out of the queue any more.
    pub(crate) broken: CancellationToken,
    /// All has ended: nothing is worth waiting for.
    pub(crate) gone: CancellationToken,
    out: mpsc::Sender<Out>,
    runtime: Handle,
}

impl Exchange {
    /// A new one, and what is to be written.
    pub(crate) fn new(sink: Arc<dyn Sink>, options: &Options) -> (Self, mpsc::Receiver<Out>) {
        let (out, queue) = mpsc::channel(options.queue.max(1));
        let tasks = TaskTracker::new();
        let answers = out.clone();
        let reply = Box::new(move |text| {
            let answers = answers.clone();
            let send = async move {
                // The connection may have ended: then nobody wants the answer.
                let _ended = answers.send(Out::Text(text)).await;
            };
            Box::pin(send) as BoxFuture<'static, ()>
        });
        let questions = Questions::new(options.max_questions, tasks.clone(), reply);
        let exchange = Self {
            inbox: Arc::new(Inbox::new(questions, sink)),
            fate: Fate::default(),
            tasks,
            broken: CancellationToken::new(),
            gone: CancellationToken::new(),
            out,
            runtime: Handle::current(),
        };
        (exchange, queue)
    }

    /// Sends a call and waits for its end.
    pub(crate) async fn request(&self, call: Outgoing) -> Outcome {
        let (answer, mut end) = oneshot::channel();
        if !self.inbox.waiting.add(call.id, Entry::of(&call, answer)) {
            return Err(self.over());
        }
        let _cancel = CancelOnDrop { exchange: self, id: call.id, cancellable: call.cancellable };
        tokio::select! {
            biased;
            outcome = &mut end => return outcome.unwrap_or_else(|_| Err(self.over())),
            sent = self.out.send(Out::Call(call.id, call.text)) => {
                if sent.is_err() {
                    self.broken.cancel();
                }
            }
        }
        // A call that is let go without a word may have been written by then.
        end.await.unwrap_or_else(|_| Err(for_call(self.over(), true)))
    }

    /// Sends anything that has no answer.
    pub(crate) async fn send(&self, text: String) -> Result<(), ClientError> {
        if let Some(why) = self.fate.why() {
            return Err(for_call(why, false));
        }
        self.out.send(Out::Text(text)).await.map_err(|_| self.over())
    }

    fn over(&self) -> ClientError {
        let lost = || closed(false, Ending::Lost("the connection broke".to_owned()));
        self.fate.why().map_or_else(lost, |why| for_call(why, false))
    }
}

/// Tells the server that nobody waits for a call's answer any more, if it was sent.
struct CancelOnDrop<'a> {
    exchange: &'a Exchange,
    id: u64,
    cancellable: bool,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        let Some(entry) = self.exchange.inbox.waiting.remove(self.id) else { return };
        if !(entry.sent && self.cancellable) {
            return;
        }
        let params = raw_value(&serde_json::json!({ "requestId": self.id }));
        let text = encode_notification("notifications/cancelled", Some(&params));
        if let Err(mpsc::error::TrySendError::Full(text)) =
            self.exchange.out.try_send(Out::Text(text))
        {
            let (out, gone) = (self.exchange.out.clone(), self.exchange.gone.clone());
            let send = async move {
                tokio::select! {
                    _sent = out.send(text) => {}
                    () = gone.cancelled() => {}
                }
            };
            self.exchange.tasks.spawn_on(send, &self.exchange.runtime);
        }
    }
}

//! A server as a child process: one JSON-RPC message per line on its standard streams
//! (2025-11-25 and 2026-07-28 `basic/transports`).
//!
//! Four tasks serve a child: `pipes::write` owns its stdin, `pipes::read` its stdout,
//! `pipes::log` its stderr, and `child::supervise` the process itself. The supervisor alone
//! decides that the connection is over.

mod child;
mod lines;
mod pipes;
mod waiting;

pub use lines::{Line, Lines};

use crate::{
    ClientError, Ending, Options, Sink, StdioTarget,
    fate::{Fate, closed, for_call},
    prepare::Outgoing,
    questions::Questions,
};
use mcp_protocol::{Id, Revision, encode_notification, raw_value};
use std::sync::{Arc, OnceLock};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use waiting::{Entry, Outcome, Waiting};

/// Something to write.
enum Out {
    /// A call, unless nobody waits for it by then.
    Call(u64, String),
    /// Anything else.
    Text(String),
}

/// What the tasks of one child share.
struct Shared {
    waiting: Waiting,
    questions: Arc<Questions>,
    sink: Arc<dyn Sink>,
    agreed: OnceLock<Revision>,
    max_message: usize,
    fate: Fate,
    /// A pipe broke: the process is ending, or as good as dead.
    broken: CancellationToken,
    /// We want it to end.
    closing: CancellationToken,
    /// Nobody holds the connection any more.
    dropped: CancellationToken,
    /// The process is gone and reaped.
    gone: CancellationToken,
}

/// A connection to a child process.
pub(crate) struct StdioWire {
    process_id: Option<u32>,
    shared: Arc<Shared>,
    out: mpsc::Sender<Out>,
    tasks: TaskTracker,
    runtime: Handle,
    _drop: DropGuard,
}

impl StdioWire {
    /// Starts the process.
    pub(crate) fn open(
        target: &StdioTarget,
        sink: Arc<dyn Sink>,
        options: &Options,
    ) -> Result<Self, ClientError> {
        let spawned = child::spawn(target)?;
        let process_id = spawned.process.id();
        let (out, queue) = mpsc::channel(options.queue.max(1));
        let (tasks, dropped) = (TaskTracker::new(), CancellationToken::new());
        let answers = out.clone();
        let reply = Box::new(move |text| {
            let answers = answers.clone();
            let send = async move {
                // The connection may have ended: then nobody wants the answer.
                let _ended = answers.send(Out::Text(text)).await;
            };
            Box::pin(send) as crate::BoxFuture<'static, ()>
        });
        let shared = Arc::new(Shared {
            waiting: Waiting::default(),
            questions: Questions::new(options.max_questions, tasks.clone(), reply),
            sink,
            agreed: OnceLock::new(),
            max_message: options.max_message,
            fate: Fate::default(),
            broken: CancellationToken::new(),
            closing: CancellationToken::new(),
            dropped: dropped.clone(),
            gone: CancellationToken::new(),
        });
        tasks.spawn(pipes::write(spawned.stdin, queue, Arc::clone(&shared)));
        let read = tasks.spawn(pipes::read(spawned.stdout, Arc::clone(&shared)));
        tasks.spawn(pipes::log(spawned.stderr, Arc::clone(&shared)));
        tasks.spawn(child::supervise(spawned.process, read, Arc::clone(&shared)));
        let (runtime, _drop) = (Handle::current(), dropped.drop_guard());
        Ok(Self { process_id, shared, out, tasks, runtime, _drop })
    }

    /// Notes the revision agreed on.
    pub(crate) fn agree(&self, revision: Revision) {
        let _first_stays = self.shared.agreed.set(revision);
    }

    /// Sends a call and waits for its end.
    pub(crate) async fn request(&self, call: Outgoing) -> Outcome {
        let (answer, mut end) = oneshot::channel();
        let entry = Entry {
            answer,
            sink: call.sink,
            progress: call.progress,
            listen: call.method == "subscriptions/listen",
            sent: false,
        };
        if !self.shared.waiting.add(call.id, entry) {
            return Err(self.over());
        }
        let _cancel = CancelOnDrop { wire: self, id: call.id, cancellable: call.cancellable };
        tokio::select! {
            biased;
            outcome = &mut end => return outcome.unwrap_or_else(|_| Err(self.over())),
            sent = self.out.send(Out::Call(call.id, call.text)) => {
                if sent.is_err() {
                    self.shared.broken.cancel();
                }
            }
        }
        // A call that is let go without a word may have been written by then.
        end.await.unwrap_or_else(|_| Err(for_call(self.over(), true)))
    }

    /// Sends anything that has no answer.
    pub(crate) async fn send(&self, text: String) -> Result<(), ClientError> {
        if let Some(why) = self.shared.fate.why() {
            return Err(for_call(why, false));
        }
        self.out.send(Out::Text(text)).await.map_err(|_| self.over())
    }

    /// The process.
    pub(crate) const fn process_id(&self) -> Option<u32> {
        self.process_id
    }

    /// How the connection ends.
    pub(crate) fn fate(&self) -> &Fate {
        &self.shared.fate
    }

    /// Ends the process, gently at first, and waits until it is gone.
    pub(crate) async fn close(&self) {
        self.shared.end(Ending::ByUs);
        self.shared.closing.cancel();
        self.shared.gone.cancelled().await;
    }

    fn over(&self) -> ClientError {
        let lost = || closed(false, Ending::Lost("the pipe to the process broke".to_owned()));
        self.shared.fate.why().unwrap_or_else(lost)
    }
}

impl Shared {
    /// Ends the connection for everyone who waits.
    fn end(&self, ending: Ending) {
        self.fate.end(closed(false, ending.clone()));
        self.waiting.end_all(&ending);
        self.questions.withdraw_all();
    }
}

/// Tells the server that nobody waits for a call's answer any more, if it was sent.
struct CancelOnDrop<'a> {
    wire: &'a StdioWire,
    id: u64,
    cancellable: bool,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        let Some(entry) = self.wire.shared.waiting.remove(self.id) else { return };
        if !(entry.sent && self.cancellable) {
            return;
        }
        let params = raw_value(&serde_json::json!({ "requestId": self.id }));
        let text = encode_notification("notifications/cancelled", Some(&params));
        if let Err(mpsc::error::TrySendError::Full(text)) = self.wire.out.try_send(Out::Text(text))
        {
            let (out, gone) = (self.wire.out.clone(), self.wire.shared.gone.clone());
            let send = async move {
                tokio::select! {
                    _sent = out.send(text) => {}
                    () = gone.cancelled() => {}
                }
            };
            self.wire.tasks.spawn_on(send, &self.wire.runtime);
        }
    }
}

/// An id of ours in the text of an answer that was cut, where servers write it: right at the
/// beginning or at the end.
fn id_in_cut_line(head: &[u8], tail: &[u8]) -> Option<u64> {
    let (head, tail) = (String::from_utf8_lossy(head), String::from_utf8_lossy(tail));
    let number = |text: &str| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    let first = head.strip_prefix(r#"{"jsonrpc":"2.0","id":"#).and_then(number);
    let last = tail
        .rsplit_once(r#""id":"#)
        .filter(|(_, rest)| rest.trim_end().len() < 24)
        .and_then(|(_, rest)| number(rest));
    first.or(last)
}

/// The answer to our own id, as the reader sees it.
fn our_id(id: Option<&Id>) -> Option<u64> {
    id.and_then(crate::incoming::our_number)
}

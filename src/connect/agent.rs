//! The way to the agent: what is written to standard output, and what the agent is asked.

use super::say;
use mcp_client::{Asker, BoxFuture, Progress};
use mcp_protocol::{
    Id, Payload, RawValue, Request, Response, RpcError, code, encode_error, encode_notification,
    encode_request, encode_result, raw_value,
};
use serde_json::json;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    sync::{mpsc, oneshot},
};

/// Most messages that wait for an agent that does not read.
const QUEUE: usize = 1_024;

/// The agent.
pub(super) struct Agent {
    out: mpsc::Sender<String>,
    asked: Mutex<HashMap<Id, Asker>>,
    next: AtomicU64,
}

impl Agent {
    /// The agent, and what [`write()`] writes to it.
    pub(super) fn new() -> (Arc<Self>, mpsc::Receiver<String>) {
        let (out, lines) = mpsc::channel(QUEUE);
        (Arc::new(Self { out, asked: Mutex::default(), next: AtomicU64::new(1) }), lines)
    }

    /// Answers a request of the agent.
    pub(super) async fn answer(&self, id: Option<&Id>, payload: &Payload) {
        if let Some(room) = self.room().await {
            room.answer(id, payload);
        }
    }

    /// Waits until one more message can be taken; `None` when the agent has gone.
    pub(super) async fn room(&self) -> Option<Room<'_>> {
        self.out.reserve().await.ok().map(Room)
    }

    /// Tells the agent something. One that does not read misses news, and nothing else waits.
    pub(super) fn notify(&self, method: &str, params: Option<&RawValue>) {
        let text = encode_notification(method, params);
        if matches!(self.out.try_send(text), Err(mpsc::error::TrySendError::Full(_))) {
            say(&format!("the agent does not read; it misses `{method}`"));
        }
    }

    /// Asks the agent what the server asks. Dropping the future withdraws the question.
    pub(super) fn ask(
        self: &Arc<Self>,
        request: Request,
        progress: Option<Progress>,
    ) -> BoxFuture<'static, Payload> {
        let id = Id::string(&format!("server-{}", self.next.fetch_add(1, Ordering::Relaxed)));
        let agent = Arc::clone(self);
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let mut params = request.params;
            if progress.is_some() {
                params = params.map(|params| Progress::under(&id, &params));
            }
            agent.asked().insert(id.clone(), Asker { answer, progress });
            let question = Question { agent: &agent, id };
            let text = encode_request(&question.id, &request.name, params.as_deref());
            let gone = || RpcError::new(code::INTERNAL, "The client has gone");
            agent.out.send(text).await.map_err(|_| gone())?;
            answered.await.unwrap_or_else(|_| Err(gone()))
        })
    }

    /// The agent's answer to a question; one that nobody waits for any more is dropped.
    pub(super) fn answered(&self, response: Response) {
        let waiting = response.id.and_then(|id| self.asked().remove(&id));
        if let Some(waiting) = waiting {
            // Withdrawn meanwhile.
            let _taken = waiting.answer.send(response.payload);
        }
    }

    /// What the agent says of an answer that is to come: the params of a `notifications/progress`,
    /// whose token is the question's id.
    pub(super) fn reported(&self, params: &RawValue) {
        Asker::tell(&self.asked(), params);
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<Id, Asker>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for one message to the agent.
pub(super) struct Room<'a>(mpsc::Permit<'a, String>);

impl Room<'_> {
    /// Answers a request of the agent.
    pub(super) fn answer(self, id: Option<&Id>, payload: &Payload) {
        match (id, payload) {
            (Some(id), Ok(result)) => self.0.send(encode_result(id, result)),
            (id, Err(error)) => self.0.send(encode_error(id, error)),
            (None, Ok(_)) => {}
        }
    }
}

/// A question that the agent has not answered yet.
struct Question<'a> {
    agent: &'a Agent,
    id: Id,
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        if self.agent.asked().remove(&self.id).is_some() {
            let params = json!({ "requestId": self.id.to_raw() });
            self.agent.notify("notifications/cancelled", Some(&raw_value(&params)));
        }
    }
}

/// Writes to the agent, a message a line, until nobody has anything to say or it has gone.
pub(super) async fn write(mut lines: mpsc::Receiver<String>, mut out: impl AsyncWrite + Unpin) {
    while let Some(mut line) = lines.recv().await {
        line.push('\n');
        let mut written = out.write_all(line.as_bytes()).await;
        if lines.is_empty() && written.is_ok() {
            written = out.flush().await;
        }
        if written.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::Method;

    fn roots() -> Request {
        let (method, name) = (Method::RootsList, "roots/list".into());
        Request { id: Id::number(5), method, name, params: None }
    }

    #[tokio::test]
    async fn a_question_is_answered_once_and_withdrawn_when_nobody_waits() {
        let (agent, mut lines) = Agent::new();
        let asked = tokio::task::JoinSet::from_iter([agent.ask(roots(), None)]);
        let text = lines.recv().await.expect("a question");
        assert_eq!(text, r#"{"jsonrpc":"2.0","id":"server-1","method":"roots/list"}"#);
        let payload = Ok(raw_value(&json!({ "roots": [] })));
        agent.answered(Response { id: Some(Id::string("server-1")), payload });
        let answers = asked.join_all().await;
        assert_eq!(answers[0].as_ref().expect("a result").get(), r#"{"roots":[]}"#);

        let mut asked = tokio::task::JoinSet::from_iter([agent.ask(roots(), None)]);
        lines.recv().await.expect("a question");
        asked.shutdown().await;
        let text = lines.recv().await.expect("it is withdrawn");
        assert!(text.contains("notifications/cancelled") && text.contains("server-2"), "{text}");
        assert!(agent.asked().is_empty());
    }
}

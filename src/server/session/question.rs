//! Questions to a client (sampling, elicitation, roots) that wait for its answer.

use super::lock;
use crate::call::{BoxFuture, EventLog, Question};
use bytes::Bytes;
use mcp_client::{Asker, Progress};
use mcp_protocol::{
    Id, Method, Payload, RawValue, Response, RpcError, code, encode_notification, encode_request,
    raw_value,
};
use mcp_telemetry::{Event, Limit, Telemetry};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};
use tokio::sync::oneshot;

#[derive(Debug, Default)]
struct Open {
    waiting: HashMap<Id, Asker>,
    asked: u64,
    closed: bool,
}

/// The open questions of one session. Ids are ours and count up within the session.
#[derive(Debug, Clone)]
pub(crate) struct Questions {
    open: Arc<Mutex<Open>>,
    general: Arc<EventLog>,
    most: usize,
    telemetry: Telemetry,
}

/// Withdraws a question when whoever asked stops waiting.
struct Withdraw {
    open: Arc<Mutex<Open>>,
    log: Arc<EventLog>,
    general: Arc<EventLog>,
    id: Id,
}

impl Drop for Withdraw {
    fn drop(&mut self) {
        if lock(&self.open).waiting.remove(&self.id).is_some() {
            let params = serde_json::json!({ "requestId": self.id.to_raw(), "reason": "nobody waits for it any more" });
            let params = raw_value(&params);
            let json = Bytes::from(encode_notification(Method::Cancelled.as_str(), Some(&params)));
            // The stream that carried the question may have ended with its call.
            if !self.log.push(json.clone()) {
                self.general.push(json);
            }
        }
    }
}

impl Questions {
    /// Questions of a session with that general stream; at most `most` at once.
    pub(crate) fn new(general: &Arc<EventLog>, most: usize, telemetry: Telemetry) -> Self {
        Self { open: Arc::default(), general: Arc::clone(general), most, telemetry }
    }

    /// Puts a question on a stream and waits for the answer. Dropping the future withdraws it.
    pub(crate) fn ask(
        &self,
        log: Arc<EventLog>,
        Question { method, params, progress }: Question<'_>,
    ) -> BoxFuture<'static, Payload> {
        let refused = |why: &str| Err(RpcError::new(code::INTERNAL, why));
        let (answer, receiver) = oneshot::channel();
        let has_token = progress.is_some();
        let id = {
            let mut open = lock(&self.open);
            if open.closed || open.waiting.len() >= self.most {
                let why = if open.closed {
                    "The client's session has ended."
                } else {
                    self.telemetry.emit(&Event::LimitReached { limit: Limit::Questions });
                    "The client has too many open questions."
                };
                return Box::pin(std::future::ready(refused(why)));
            }
            open.asked += 1;
            let id = Id::number(open.asked);
            open.waiting.insert(id.clone(), Asker { answer, progress });
            id
        };
        let withdraw = Withdraw {
            open: Arc::clone(&self.open),
            log: Arc::clone(&log),
            general: Arc::clone(&self.general),
            id: id.clone(),
        };
        let params =
            if has_token { params.map(|params| Progress::under(&id, &params)) } else { params };
        if !log.push(encode_request(&id, method, params.as_deref())) {
            drop(withdraw);
            return Box::pin(std::future::ready(refused("The client's stream has ended.")));
        }
        Box::pin(async move {
            let _withdraw = withdraw;
            receiver.await.unwrap_or_else(|_| {
                Err(RpcError::new(code::INTERNAL, "The client's session has ended."))
            })
        })
    }

    /// Hands an answer to whoever asked; whether anybody did.
    pub(crate) fn answer(&self, response: Response) -> bool {
        let Some(id) = response.id else { return false };
        let Some(asker) = lock(&self.open).waiting.remove(&id) else { return false };
        asker.answer.send(response.payload).is_ok()
    }

    /// Hands word of an answer that is to come to whoever asked: the params of a
    /// `notifications/progress`, whose token is the question's id.
    pub(crate) fn reported(&self, params: &RawValue) {
        Asker::tell(&lock(&self.open).waiting, params);
    }

    /// Ends every open question.
    pub(crate) fn close(&self) {
        let mut open = lock(&self.open);
        open.closed = true;
        open.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Bounds;

    fn roots() -> Question<'static> {
        Question { method: "roots/list", params: None, progress: None }
    }

    fn setup() -> (Questions, Arc<EventLog>) {
        let log = || Arc::new(EventLog::new(Bounds { events: 10, bytes: 1000 }));
        (Questions::new(&log(), 2, Telemetry::new().expect("a registry")), log())
    }

    #[tokio::test]
    async fn an_answer_reaches_its_question_and_only_once() {
        let (questions, log) = setup();
        let (first, second) =
            (questions.ask(Arc::clone(&log), roots()), questions.ask(log, roots()));
        let answer = |id, text: &str| Response {
            id: Some(Id::number(id)),
            payload: Ok(mcp_protocol::raw_string(text)),
        };
        assert!(questions.answer(answer(2, "second")));
        assert!(
            !questions.answer(answer(2, "again")) && !questions.answer(answer(9, "never asked"))
        );
        assert!(questions.answer(answer(1, "first")));
        assert_eq!(first.await.expect("a result").get(), "\"first\"");
        assert_eq!(second.await.expect("a result").get(), "\"second\"");
    }

    #[tokio::test]
    async fn a_question_whose_stream_has_ended_is_withdrawn_on_the_general_one() {
        let (questions, log) = setup();
        let asked = questions.ask(Arc::clone(&log), roots());
        log.close();
        drop(asked);
        assert!(!questions.general.is_untouched());
    }

    #[tokio::test]
    async fn questions_are_bounded_withdrawn_and_ended() {
        let (questions, log) = setup();
        let first = questions.ask(Arc::clone(&log), roots());
        let second = questions.ask(Arc::clone(&log), roots());
        assert!(questions.ask(Arc::clone(&log), roots()).await.is_err(), "the bound is two");
        drop(first);
        let third = questions.ask(log, roots());
        questions.close();
        assert!(second.await.is_err() && third.await.is_err());
    }
}

//! The calls on a socket: they run in its task, side by side.

use super::link::Link;
use crate::{
    call::{BoxFuture, code},
    pipeline::Origin,
};
use mcp_protocol::{
    Id, Method, ModernMeta, Payload, Request, RpcError, code as rpc, encode_error, encode_result,
};
use mcp_telemetry::{ConnectionInfo, ConnectionKind, Limit, Transport};
use std::{future::poll_fn, sync::Arc, task::Poll};
use tokio_util::{sync::CancellationToken, task::task_tracker::TaskTrackerToken};

/// A call in flight, which writes its answer to the log if it was not withdrawn.
pub(super) type Running = BoxFuture<'static, Ended>;

/// A call that ended. Its token keeps a stop waiting until then.
pub(super) struct Ended {
    pub(super) id: Id,
    /// Whether its answer, or its end without one, is in the log for good.
    is_settled: bool,
    _token: TaskTrackerToken,
}

impl Link {
    pub(super) async fn modern_request(&mut self, meta: Arc<ModernMeta>, request: Request) {
        if !self.is_settled() {
            let info =
                ConnectionInfo { transport: Transport::Websocket, kind: ConnectionKind::Presence };
            self.presence = Some(self.stages.telemetry.connection_accepted(info));
        }
        if self.withdraw.contains_key(&request.id) || self.listening.contains_key(&request.id) {
            let sentence =
                "A request with this id is still in flight on this connection. Use a new id.";
            return self.refuse(&request, RpcError::new(rpc::INVALID_REQUEST, sentence));
        }
        if self.withdraw.len() + self.listening.len() >= self.stages.limits.now().calls_per_session
        {
            self.stages.over_limit(Limit::CallsPerSession);
            let sentence = "This connection has too many calls in flight. Wait for one to end.";
            return self.refuse(&request, RpcError::new(code::OVER_CAPACITY, sentence));
        }
        let origin = Origin::Modern(meta);
        if request.method == Method::SubscriptionsListen {
            match self.stages.listen(&self.arrival, &origin, &request, &self.log).await {
                Ok(listening) => drop(self.listening.insert(request.id, listening)),
                Err(error) => self.answer(&request.id, &Err(error)),
            }
            return;
        }
        self.start(origin, request).await;
    }

    /// Starts a call. One that ends at once is answered at once, and costs no more than that.
    pub(super) async fn start(&mut self, origin: Origin, request: Request) {
        let withdrawn = CancellationToken::new();
        let (id, method) = (request.id.clone(), request.method);
        let session = match &origin {
            Origin::Session(session) => Some(Arc::clone(session)),
            Origin::Modern(_) => {
                self.withdraw.insert(id.clone(), withdrawn.clone());
                None
            }
        };
        let mut running = self.running(origin, request, withdrawn);
        match (poll_fn(|task| Poll::Ready(running.as_mut().poll(task))).await, session) {
            (Poll::Ready(ended), _) => drop(self.withdraw.remove(&ended.id)),
            (Poll::Pending, None) => self.modern.push(running),
            (Poll::Pending, Some(session)) if session.is_resumable() => {
                session.call_began(&id, method);
                self.legacy.push(Box::pin(async move {
                    let ended = running.await;
                    if ended.is_settled {
                        session.call_over(&ended.id);
                    }
                    ended
                }));
            }
            (Poll::Pending, Some(_)) => self.legacy.push(running),
        }
    }

    fn running(&self, origin: Origin, request: Request, withdrawn: CancellationToken) -> Running {
        let (stages, arrival, log) =
            (Arc::clone(&self.stages), self.arrival.clone(), Arc::clone(&self.log));
        let _token = self.stages.tasks.token();
        Box::pin(async move {
            let payload = tokio::select! {
                biased;
                () = withdrawn.cancelled() => None,
                payload = stages.run(&arrival, &origin, &request, &log) => payload,
            };
            let is_settled = match payload {
                Some(payload) => log.push(encode(&request.id, &payload)),
                // By its client, or because its session is let go of.
                None => match &origin {
                    Origin::Session(session) => session.ended_because().is_none(),
                    Origin::Modern(_) => true,
                },
            };
            Ended { id: request.id, is_settled, _token }
        })
    }

    pub(super) fn withdraw_call(&self, id: &Id) -> bool {
        self.withdraw.get(id).inspect(|withdraw| withdraw.cancel()).is_some()
    }
}

/// The text of an answer.
pub(super) fn encode(id: &Id, payload: &Payload) -> String {
    match payload {
        Ok(result) => encode_result(id, result),
        Err(error) => encode_error(Some(id), error),
    }
}

//! The calls on a socket: they run in its task, side by side.

use super::link::Link;
use crate::{
    call::{BoxFuture, EventLog, Withdrawal, at_once, code},
    pipeline::Origin,
    session::Session,
};
use mcp_protocol::{
    Id, Method, ModernMeta, Payload, Request, RpcError, code as rpc, encode_error, encode_result,
};
use mcp_telemetry::{ConnectionInfo, ConnectionKind, Limit, Transport};
use std::{pin::pin, sync::Arc};

/// A call; `None` when it was withdrawn.
type Call = BoxFuture<'static, Option<Payload>>;

/// A call in flight, which writes its answer to the log if it was not withdrawn.
pub(super) type Running = BoxFuture<'static, Id>;

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
            let listen = self.stages.listen(&self.arrival, &origin, &request, &self.log);
            match Box::pin(listen).await {
                Ok(listening) => drop(self.listening.insert(request.id, listening)),
                Err(error) => self.answer(&request.id, &Err(error)),
            }
            return;
        }
        self.start(origin, request).await;
    }

    /// Starts a call. One that ends at once is answered at once, and costs no more than that.
    pub(super) async fn start(&mut self, origin: Origin, request: Request) {
        let (id, method) = (request.id.clone(), request.method);
        let (session, withdrawal) = match &origin {
            Origin::Session(session) => (Some(Arc::clone(session)), None),
            Origin::Modern(_) => (None, Some(Arc::<Withdrawal>::default())),
        };
        let mut call = self.call(origin, request, withdrawal.clone());
        if let Some(payload) = at_once(&mut call).await {
            if let Some(payload) = payload {
                self.answer(&id, &payload);
            }
            return;
        }
        let resumable = session.filter(|session| session.is_resumable());
        if let Some(session) = &resumable {
            session.call_began(&id, method);
        }
        let (log, token) = (Arc::clone(&self.log), self.stages.tasks.token());
        let withdrawn_as = withdrawal.map(|withdrawal| (id.clone(), withdrawal));
        let running = Box::pin(async move {
            settle(call, &id, &log, resumable).await;
            // Until here a stop waits.
            drop(token);
            id
        });
        match withdrawn_as {
            Some((id, withdrawal)) => {
                self.withdraw.insert(id, withdrawal);
                self.modern.push(running);
            }
            None => self.legacy.push(running),
        }
    }

    fn call(&self, origin: Origin, request: Request, withdrawal: Option<Arc<Withdrawal>>) -> Call {
        let (stages, arrival, log) =
            (Arc::clone(&self.stages), Arc::clone(&self.arrival), Arc::clone(&self.log));
        Box::pin(async move {
            let call = pin!(stages.run(&arrival, &origin, &request, &log));
            match &withdrawal {
                Some(withdrawal) => withdrawal.or(call).await.flatten(),
                None => call.await,
            }
        })
    }

    pub(super) fn withdraw_call(&self, id: &Id) -> bool {
        self.withdraw.get(id).inspect(|withdrawal| withdrawal.say()).is_some()
    }
}

/// Runs a call to its end, and notes in a session that can be resumed that it is over.
async fn settle(call: Call, id: &Id, log: &EventLog, resumable: Option<Arc<Session>>) {
    let answer = call.await;
    let is_in_log = answer.as_ref().is_some_and(|answer| log.push(encode(id, answer)));
    let Some(session) = resumable else { return };
    // Without an answer it ended by its client, or because its session is let go of.
    if is_in_log || (answer.is_none() && session.ended_because().is_none()) {
        session.call_over(id);
    }
}

/// The text of an answer.
pub(super) fn encode(id: &Id, payload: &Payload) -> String {
    match payload {
        Ok(result) => encode_result(id, result),
        Err(error) => encode_error(Some(id), error),
    }
}

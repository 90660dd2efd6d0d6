//! What the messages on one socket mean. A socket may carry a legacy session and modern
//! requests side by side; everything it sends goes through one log, in order.

use super::pass::Pass;
use crate::{
    call::{Bounds, BoxFuture, Cursor, EventLog, Next, code},
    pipeline::{Arrival, Origin, Stages},
    session::{Listener, OpenStream, Session},
    upstream::Listening,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use mcp_protocol::{
    Id, Message, Method, ModernMeta, Notification, Payload, RawObject, Request, RpcError,
    code as rpc, encode_error, encode_result, headers::check_revision, parse_message,
};
use mcp_telemetry::{
    ConnectionInfo, ConnectionKind, ConnectionScope, ConnectionStatus, Direction, Event, Limit,
    Reason, Telemetry, Transport,
};
use std::{
    collections::HashMap,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};
use tokio_util::{sync::CancellationToken, task::task_tracker::TaskTrackerToken};

/// A call in flight; `None` when it was withdrawn. Its token keeps a stop waiting until the
/// answer is written to the log.
type Running = BoxFuture<'static, (Id, Option<Payload>, TaskTrackerToken)>;

/// One socket's side of the conversation.
pub(super) struct Link {
    stages: Arc<Stages>,
    arrival: Arrival,
    log: Arc<EventLog>,
    cursor: Cursor,
    /// The legacy session, once there is one. Its stream is open as long as the socket is.
    session: Option<(Arc<Session>, OpenStream)>,
    /// The connection of a client that has sent modern requests only.
    presence: Option<ConnectionScope>,
    legacy: FuturesUnordered<Running>,
    modern: FuturesUnordered<Running>,
    withdraw: HashMap<Id, CancellationToken>,
    listening: HashMap<Id, (Listener, Listening)>,
    refused: bool,
}

impl Link {
    pub(super) fn new(stages: Arc<Stages>, arrival: Arrival) -> Self {
        let log = Arc::new(EventLog::new(Bounds::of(&stages.limits.now())));
        Self {
            cursor: log.read_from(None),
            stages,
            arrival,
            log,
            session: None,
            presence: None,
            legacy: FuturesUnordered::new(),
            modern: FuturesUnordered::new(),
            withdraw: HashMap::new(),
            listening: HashMap::new(),
            refused: false,
        }
    }

    /// Has the token shown again; whether it is still good. Later calls go by what it is good
    /// for now.
    pub(super) async fn readmit(&mut self, pass: &Pass) -> bool {
        pass.is_good(&self.stages, &mut self.arrival).await
    }

    pub(super) fn telemetry(&self) -> &Telemetry {
        &self.stages.telemetry
    }

    /// Moves the calls on, and gives the next message to write.
    pub(super) fn poll_out(&mut self, task: &mut Context<'_>) -> Poll<Next> {
        while let Poll::Ready(Some((id, payload, _token))) = self.legacy.poll_next_unpin(task) {
            self.settle(&id, payload);
        }
        while let Poll::Ready(Some((id, payload, _token))) = self.modern.poll_next_unpin(task) {
            self.settle(&id, payload);
        }
        self.log.poll_next(&mut self.cursor, task)
    }

    fn settle(&mut self, id: &Id, payload: Option<Payload>) {
        self.withdraw.remove(id);
        if let Some(payload) = payload {
            self.answer(id, &payload);
        }
    }

    fn answer(&self, id: &Id, payload: &Payload) {
        self.log.push(match payload {
            Ok(result) => encode_result(id, result),
            Err(error) => encode_error(Some(id), error),
        });
    }

    /// Takes one message of the client.
    pub(super) async fn take(&mut self, text: &str) {
        let (transport, direction) = (Transport::Websocket, Direction::In);
        self.stages.telemetry.emit(&Event::MessageTransferred {
            transport,
            direction,
            bytes: text.len(),
        });
        if let Err(rejection) = self.stages.check_depth(&self.arrival, text.as_bytes()) {
            self.count_refused_once(&rejection.error);
            self.log.push(encode_error(rejection.id.as_ref(), &rejection.error));
            return;
        }
        match parse_message(text.as_bytes()) {
            Ok(Message::Request(request)) => self.request(request).await,
            Ok(Message::Notification(notification)) => self.notification(&notification).await,
            Ok(Message::Response(response)) => {
                if let Some((session, _)) = &self.session {
                    session.touch();
                    session.questions.answer(response);
                }
            }
            Err(error) => {
                self.count_refused_once(&error.error);
                self.log.push(encode_error(error.id.as_ref(), &error.error));
            }
        }
    }

    async fn request(&mut self, request: Request) {
        let checked = self.stages.check_expiry(&self.arrival);
        if let Err(rejection) = checked.and_then(|()| self.stages.check_rate(&self.arrival)) {
            return self.refuse(&request, rejection.error);
        }
        match ModernMeta::of_params(request.params.as_deref()) {
            Ok(Some(meta)) => match check_revision(&meta.protocol_version) {
                Ok(()) => self.modern_request(Arc::new(meta), request).await,
                Err(error) => self.refuse(&request, error),
            },
            Ok(None) if request.method == Method::Initialize => self.initialize(&request),
            Ok(None) => match &self.session {
                Some((session, _)) => {
                    session.touch();
                    let origin = Origin::Session(Arc::clone(session));
                    self.start(origin, request).await;
                }
                None => {
                    let sentence = "Send `initialize` first, or the `_meta` of revision 2026-07-28 with each request.";
                    self.refuse(&request, RpcError::new(rpc::INVALID_PARAMS, sentence));
                }
            },
            Err(error) => self.refuse(&request, error),
        }
    }

    fn initialize(&mut self, request: &Request) {
        if self.session.is_some() {
            let error =
                RpcError::new(rpc::INVALID_REQUEST, "This connection has a session already.");
            return self.refuse(request, error);
        }
        if let Some(presence) = self.presence.take() {
            presence.end(Reason::Superseded);
        }
        let (session, payload) = self.stages.initialize(&self.arrival, request, &self.log);
        self.session = session.map(|session| {
            let open = session.open_stream();
            (session, open)
        });
        self.answer(&request.id, &payload);
    }

    async fn modern_request(&mut self, meta: Arc<ModernMeta>, request: Request) {
        if self.session.is_none() && self.presence.is_none() {
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
    async fn start(&mut self, origin: Origin, request: Request) {
        let is_modern = matches!(origin, Origin::Modern(_));
        let withdrawn = CancellationToken::new();
        if is_modern {
            self.withdraw.insert(request.id.clone(), withdrawn.clone());
        }
        let (stages, arrival, log) =
            (Arc::clone(&self.stages), self.arrival.clone(), Arc::clone(&self.log));
        let token = self.stages.tasks.token();
        let mut running: Running = Box::pin(async move {
            let payload = tokio::select! {
                biased;
                () = withdrawn.cancelled() => None,
                payload = stages.run(&arrival, &origin, &request, &log) => payload,
            };
            (request.id, payload, token)
        });
        match poll_fn(|task| Poll::Ready(running.as_mut().poll(task))).await {
            Poll::Ready((id, payload, _token)) => self.settle(&id, payload),
            Poll::Pending if is_modern => self.modern.push(running),
            Poll::Pending => self.legacy.push(running),
        }
    }

    async fn notification(&mut self, notification: &Notification) {
        if notification.method == Method::Cancelled {
            let params = notification.params.as_deref().and_then(RawObject::parse);
            let id = params.as_ref().and_then(|params| params.get("requestId")).and_then(Id::parse);
            if let Some(id) = id
                && (self.listening.remove(&id).is_some() || self.withdraw_call(&id))
            {
                return;
            }
        }
        if let Some((session, _)) = &self.session {
            session.touch();
            self.stages.notified(session, notification).await;
        }
    }

    fn withdraw_call(&self, id: &Id) -> bool {
        self.withdraw.get(id).inspect(|withdraw| withdraw.cancel()).is_some()
    }

    fn refuse(&mut self, request: &Request, error: RpcError) {
        self.stages.count_refused(&self.arrival, request, &error);
        self.count_refused_once(&error);
        self.answer(&request.id, &Err(error));
    }

    /// A client whose first message is refused has failed to connect; it may try again on the
    /// same socket.
    fn count_refused_once(&mut self, error: &RpcError) {
        if self.session.is_none()
            && self.presence.is_none()
            && !std::mem::replace(&mut self.refused, true)
        {
            let status = if error.code == code::RATE_LIMITED {
                ConnectionStatus::RateLimited
            } else {
                ConnectionStatus::ProtocolError
            };
            self.stages.telemetry.emit(&Event::ConnectionRefused {
                transport: Transport::Websocket,
                status,
                detail: &error.message,
            });
        }
    }

    /// The socket has ended. Modern calls end with it; legacy calls run on to their end, since
    /// in that era going away withdraws nothing.
    pub(super) fn end(self, reason: Reason) {
        let Self { stages, session, presence, mut legacy, .. } = self;
        if !legacy.is_empty() && reason != Reason::ServerShutdown {
            stages.tasks.spawn(async move { while legacy.next().await.is_some() {} });
        }
        if let Some(presence) = presence {
            presence.end(reason);
        }
        if let Some((session, _)) = session {
            stages.end_session(&session.id, reason);
        }
    }
}

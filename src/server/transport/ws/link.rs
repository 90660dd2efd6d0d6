//! What the messages on one socket mean. A socket may carry a legacy session and modern
//! requests side by side; everything it sends goes through one log, in order, but what can go at
//! once because nothing waits there.

use super::{
    calls::{Running, encode},
    ending::{Ending, server_closes},
    entry::Attached,
    pass::Pass,
};
use crate::{
    call::{Bounds, Cursor, Entry, EventLog, Found, Next, Withdrawal, code},
    pipeline::{Arrival, Origin, Stages},
    session::{CameFrom, Listener},
    upstream::Listening,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use mcp_protocol::{
    Id, Message, Method, ModernMeta, Notification, Payload, RawObject, Request, RpcError,
    code as rpc, encode_error, headers::check_revision, parse_message,
};
use mcp_telemetry::{ConnectionScope, ConnectionStatus, Direction, Event, Telemetry, Transport};
use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// One socket's side of the conversation.
pub(super) struct Link {
    pub(super) stages: Arc<Stages>,
    pub(super) arrival: Arc<Arrival>,
    pub(super) came_from: CameFrom,
    pub(super) log: Arc<EventLog>,
    cursor: Cursor,
    /// Written before what is in the log.
    pub(super) first: Option<Bytes>,
    /// Messages up to this number were written before the client came back.
    pub(super) replay_to: u64,
    /// The legacy session, once there is one.
    pub(super) session: Option<Attached>,
    /// The connection of a client that has sent modern requests only.
    pub(super) presence: Option<ConnectionScope>,
    pub(super) legacy: FuturesUnordered<Running>,
    pub(super) modern: FuturesUnordered<Running>,
    pub(super) withdraw: HashMap<Id, Arc<Withdrawal>>,
    pub(super) listening: HashMap<Id, (Listener, Listening)>,
    refused: bool,
}

impl Link {
    pub(super) fn new(stages: Arc<Stages>, arrival: Arrival, came_from: CameFrom) -> Self {
        let log = Arc::new(EventLog::new(Bounds::of(&stages.limits.now())));
        Self {
            cursor: log.read_from(None),
            stages,
            arrival: Arc::new(arrival),
            came_from,
            log,
            first: None,
            replay_to: 0,
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
        pass.is_good(&self.stages, Arc::make_mut(&mut self.arrival)).await
    }

    pub(super) fn telemetry(&self) -> &Telemetry {
        &self.stages.telemetry
    }

    /// Whether its client has come in. One that has not must do so soon.
    pub(super) fn is_settled(&self) -> bool {
        self.session.is_some() || self.presence.is_some()
    }

    /// Whether all that was ever sent was sent, and nothing more will come by itself.
    pub(super) fn is_quiet(&self) -> bool {
        self.withdraw.is_empty() && self.listening.is_empty() && self.is_read()
    }

    /// Whether nothing waits to be written.
    fn is_read(&self) -> bool {
        self.first.is_none() && self.log.is_read(&self.cursor)
    }

    /// Whether all frames go through the log of a session, which counts them.
    fn counts_frames(&self) -> bool {
        self.session.as_ref().is_some_and(|attached| attached.session.is_resumable())
    }

    /// Goes over to the log of a session.
    pub(super) fn goes_on_in(&mut self, log: Arc<EventLog>, cursor: Cursor) {
        self.log = log;
        self.cursor = cursor;
    }

    /// Notes how long the client took to answer a heartbeat.
    pub(super) fn note_round_trip(&self, elapsed: Duration) {
        if let Some(Attached { session, .. }) = &self.session {
            session.note_round_trip(elapsed);
        }
    }

    /// Moves the calls on, and gives the next message to write.
    pub(super) fn poll_out(&mut self, task: &mut Context<'_>) -> Poll<Next> {
        while let Some(_over) = next_ended(&mut self.legacy, task) {}
        while let Some(ended) = next_ended(&mut self.modern, task) {
            self.withdraw.remove(&ended);
        }
        if let Some(json) = self.first.take() {
            let entry = Entry { number: u64::MAX, json };
            return Poll::Ready(Next::Entry(Found { entry, missed: 0, is_last: false }));
        }
        self.log.poll_next(&mut self.cursor, task)
    }

    /// Answers after all that waits to be written; where that is nothing, without the log.
    pub(super) fn answer(&mut self, id: &Id, payload: &Payload) {
        let json = encode(id, payload);
        if self.is_read() && !self.counts_frames() {
            self.first = Some(json.into());
        } else {
            self.log.push(json);
        }
    }

    /// The client has not come in in time: what it is told, and counts as refused.
    pub(super) fn never_came_in(&mut self) -> String {
        let sentence = "Nothing opened this connection in time: send `initialize`, or the `_meta` of revision 2026-07-28 \
                        with a request, within `limits.handshake_timeout`.";
        let error = RpcError::new(code::HANDSHAKE_TIMEOUT, sentence);
        self.count_refused_once(&error);
        encode_error(None, &error)
    }

    /// Why there is no more to write.
    pub(super) fn ending(&self) -> Ending {
        match &self.session {
            Some(attached) => Ending::of_session(attached.session.ended_because()),
            None => server_closes(),
        }
    }

    /// The client has shown that it is there.
    pub(super) fn touch(&self) {
        if let Some(attached) = &self.session {
            attached.session.touch();
        }
    }

    /// Takes one message of the client.
    pub(super) async fn take(&mut self, text: &str) {
        let (transport, direction) = (Transport::Websocket, Direction::In);
        self.stages.telemetry.emit(&Event::MessageTransferred {
            transport,
            direction,
            bytes: text.len(),
        });
        if let Some(Attached { session, socket, .. }) = &self.session
            && !session.frame_came(*socket)
        {
            // The session has moved to another socket, on which the client sends this again.
            return;
        }
        if let Err(rejection) = self.stages.check_depth(&self.arrival, text.as_bytes()) {
            self.count_refused_once(&rejection.error);
            self.log.push(encode_error(rejection.id.as_ref(), &rejection.error));
            return;
        }
        match parse_message(text.as_bytes()) {
            Ok(Message::Request(request)) => self.request(request).await,
            Ok(Message::Notification(notification)) => self.notification(&notification).await,
            Ok(Message::Response(response)) => {
                self.touch();
                if let Some(attached) = &self.session {
                    attached.session.questions.answer(response);
                }
            }
            Err(error) => {
                self.count_refused_once(&error.error);
                self.log.push(encode_error(error.id.as_ref(), &error.error));
            }
        }
    }

    /// What is rare is boxed: the future of a socket is as large as the largest thing that it may
    /// wait for, and is kept while the socket is idle.
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
            Ok(None) if request.method == Method::Initialize => {
                Box::pin(self.initialize(&request)).await;
            }
            Ok(None) => match &self.session {
                Some(attached) => {
                    attached.session.touch();
                    let origin = Origin::Session(Arc::clone(&attached.session));
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
        if let Some(Attached { session, .. }) = &self.session {
            session.touch();
            Box::pin(self.stages.notified(session, notification)).await;
        }
    }

    pub(super) fn refuse(&mut self, request: &Request, error: RpcError) {
        self.stages.count_refused(&self.arrival, request, &error);
        self.count_refused_once(&error);
        self.answer(&request.id, &Err(error));
    }

    /// A client whose first message is refused has failed to connect; it may try again on the
    /// same socket.
    pub(super) fn count_refused_once(&mut self, error: &RpcError) {
        if !self.is_settled() && !std::mem::replace(&mut self.refused, true) {
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
}

/// The next call that has ended. An empty set is not asked: that would cost as much as a full one.
fn next_ended(running: &mut FuturesUnordered<Running>, task: &mut Context<'_>) -> Option<Id> {
    if running.is_empty() {
        return None;
    }
    match running.poll_next_unpin(task) {
        Poll::Ready(ended) => ended,
        Poll::Pending => None,
    }
}

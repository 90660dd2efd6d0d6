//! The life of a call, from the message to its outcome, in one place that reads top to bottom.

mod bound;
mod bridges;
mod housekeeping;
mod legacy;
mod limits;
mod resuming;
mod returning;
mod seen;
mod tasks;

pub(crate) use housekeeping::{announce_changes, note_traffic, sweep, watch};
pub(crate) use legacy::Newcomer;
pub(crate) use resuming::{Resumed, WayBack};
pub(crate) use seen::{Listed, Seen, Wanted};
pub(crate) use tasks::announce_tasks;

use crate::{
    admission::{Admission, TooFast, rate_limited},
    call::{Caller, EventLog, Following, Principal, Refusal, Rejection, code},
    config::LiveLimits,
    dispatch::{Dispatch, NamedTool, OtherTool},
    session::{Filter, Listener, Listeners, Opened, Presences, Session, Sessions, StreamPlaces},
    upstream::{Listening, Reply},
};
use arc_swap::ArcSwap;
use bound::{bind, caller, tool_caller, withdrawn};
use mcp_protocol::{
    Era, ModernMeta, Payload, Request, Revision, RpcError, TASKS_EXTENSION, TraceContext,
};
use mcp_telemetry::{
    AuthCause, CallEnd, CallInfo, CallScope, Event, Limit, Outcome, Success, Telemetry, Transport,
};
use std::{
    net::IpAddr,
    pin::pin,
    sync::{Arc, atomic::AtomicUsize},
};
use tokio::sync::{Mutex, watch as watched};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Every stage of the server, and what they share.
pub(crate) struct Stages {
    /// Swapped whole when the configuration changes.
    pub(crate) admission: ArcSwap<Admission>,
    /// Tells that the admission was swapped: who stays asks it again.
    pub(crate) readmit: watched::Sender<()>,
    pub(crate) sessions: Sessions,
    /// Whoever brings a session back waits for its turn.
    pub(crate) reviving: Mutex<()>,
    pub(crate) presences: Presences,
    pub(crate) listeners: Listeners,
    pub(crate) streams: StreamPlaces,
    /// Calls in flight, of all clients.
    pub(crate) calls: AtomicUsize,
    pub(crate) dispatch: Dispatch,
    pub(crate) telemetry: Telemetry,
    pub(crate) limits: LiveLimits,
    /// Calls in flight, also those that outlive the connection they came on.
    pub(crate) tasks: TaskTracker,
    /// Sockets, and what runs as long as the server does.
    pub(crate) connections: TaskTracker,
    /// Set when the server stops: nobody new is let in.
    pub(crate) stopping: CancellationToken,
    /// Set when calls in flight had their time: what is open closes.
    pub(crate) closing: CancellationToken,
    /// Set when even that took too long.
    pub(crate) cut: CancellationToken,
}

/// What a transport knows of a message beyond its text.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) principal: Principal,
    pub(crate) transport: Transport,
    pub(crate) ambient: TraceContext,
    pub(crate) client_address: Option<IpAddr>,
}

/// Whose call it is.
#[derive(Clone)]
pub(crate) enum Origin {
    /// A legacy session's.
    Session(Arc<Session>),
    /// A modern client's.
    Modern(Arc<ModernMeta>),
}

impl Origin {
    fn era(&self) -> Era {
        match self {
            Self::Session(_) => Era::Legacy,
            Self::Modern(_) => Era::Modern,
        }
    }

    /// Whether a call may be answered with a task.
    fn takes_tasks(&self) -> bool {
        matches!(self, Self::Modern(meta) if meta.has_extension(TASKS_EXTENSION))
    }

    fn revision(&self) -> Revision {
        match self {
            Self::Session(session) => session.agreement.revision,
            Self::Modern(_) => Revision::LATEST_MODERN,
        }
    }
}

impl Stages {
    /// Runs one call to its end. What it tells the client on the way goes to `log`.
    ///
    /// `None` when the client withdrew it: nothing is answered then. One whose session ended is
    /// answered with that. Dropping the future cancels the call, upstream too.
    pub(crate) async fn run(
        &self,
        arrival: &Arrival,
        origin: &Origin,
        request: &Request,
        log: &Arc<EventLog>,
    ) -> Option<Payload> {
        // A stop waits for calls in flight.
        let _in_flight = self.tasks.token();
        self.count_bridge(request);
        let tool = self.dispatch.named_tool(&arrival.principal, origin.era(), request).await;
        let mut scope = self.call_started(arrival, Some(origin), request, tool.known_name());
        if let Some(label) = tool.label() {
            scope.set_tool(label);
        }
        let _followed = scope.trace().map(|call| Following::new(log, call, &self.telemetry));
        let Some(_counted) = self.count_call() else {
            let sentence =
                "This server has as many calls in flight as it may have. Try again later.";
            let error = RpcError::new(code::OVER_CAPACITY, sentence);
            let (code, message) = (Some(error.code), Some(error.message.as_str()));
            scope.finish(CallEnd { outcome: Outcome::Unavailable, code, message });
            return Some(Err(error));
        };
        let bound = match bind(origin, &request.id, log) {
            Ok(bound) => bound,
            Err(error) => {
                if error.code == self::code::OVER_CAPACITY {
                    self.over_limit(Limit::CallsPerSession);
                }
                refuse(scope, &error);
                return Some(Err(error));
            }
        };
        let answer = async {
            match tool {
                NamedTool::Own(tool, arguments) => {
                    let caller = tool_caller(arrival, origin);
                    let (arguments, takes_tasks) = (arguments.as_deref(), origin.takes_tasks());
                    self.dispatch.run_own(&tool, arguments, caller, takes_tasks).await
                }
                // Boxed, so that the future of a call of our own tools is small.
                NamedTool::Other(tool) => {
                    let caller = caller(arrival, origin, log);
                    Box::pin(self.answer(origin, &caller, request, &tool)).await
                }
            }
        };
        let mut answering = pin!(scope.run(answer));
        let reply = match &bound {
            Some(bound) => bound.withdrawal.or(answering.as_mut()).await,
            None => Some(answering.await),
        };
        let Some(Reply { payload, outcome }) = reply else {
            return withdrawn(scope, bound.as_ref(), request.method);
        };
        let error = payload.as_ref().err();
        if let Origin::Session(session) = origin {
            session.count(outcome.success() == Success::Ok);
        }
        let message = error.map(|error| error.message.as_str());
        scope.finish(CallEnd { outcome, code: error.map(|error| error.code), message });
        Some(payload)
    }

    async fn answer(
        &self,
        origin: &Origin,
        caller: &Caller,
        request: &Request,
        tool: &OtherTool,
    ) -> Reply {
        match origin {
            Origin::Session(session) => {
                self.answer_in_session(session, caller, request, tool).await
            }
            Origin::Modern(_) => self.dispatch.answer(caller, request, tool).await,
        }
    }

    /// Whether the token of a connection that lives on is still good.
    ///
    /// # Errors
    /// When it has expired since the connection was made.
    pub(crate) fn check_expiry(&self, arrival: &Arrival) -> Result<(), Rejection> {
        if !arrival.principal.has_expired() {
            return Ok(());
        }
        self.telemetry.emit(&Event::AuthFailed { cause: AuthCause::Expired });
        let sentence = "The token of this connection has expired. Connect again with a new one.";
        Err(Rejection::new(Refusal::Unauthorized, sentence))
    }

    /// Counts a message of a principal against its rate.
    ///
    /// # Errors
    /// When it came too fast.
    pub(crate) fn check_rate(&self, arrival: &Arrival) -> Result<(), Rejection> {
        let checked = self.admission.load().check_rate(&arrival.principal);
        checked.map_err(|early| self.too_fast(early))
    }

    /// The refusal of what came too fast, counted.
    pub(crate) fn too_fast(&self, early: TooFast) -> Rejection {
        self.telemetry.emit(&Event::RateLimited { limit: early.limit });
        rate_limited(early)
    }

    /// Counts a request that was refused before it could become a call.
    pub(crate) fn count_refused(&self, arrival: &Arrival, request: &Request, error: &RpcError) {
        refuse(self.call_started(arrival, None, request, None), error);
    }

    /// Opens a `subscriptions/listen` stream on `log`. It counts as a call that ends with its
    /// acknowledgement.
    ///
    /// # Errors
    /// When its params are wrong or there are too many listeners.
    pub(crate) async fn listen(
        &self,
        arrival: &Arrival,
        origin: &Origin,
        request: &Request,
        log: &Arc<EventLog>,
    ) -> Result<(Listener, Listening), RpcError> {
        let scope = self.call_started(arrival, Some(origin), request, None);
        let opened = async {
            let mut filter = Filter::of_params(request.params.as_deref())?;
            let located = self.only_audible(&mut filter, &arrival.principal, origin)?;
            let full = || {
                RpcError::new(
                    code::OVER_CAPACITY,
                    "This server has as many streams open as it may have. Try again later.",
                )
            };
            let place = self.take_stream().ok_or_else(full)?;
            let upstreams = &self.dispatch.upstreams;
            let following = self.following(&arrival.principal, located)?;
            let mut listening = upstreams.listen(&filter.resource_subscriptions).await;
            filter.resource_subscriptions.clone_from(&listening.uris);
            // A WebSocket sees itself when its principal is gone.
            let whose = (arrival.transport == Transport::Http).then_some(&arrival.principal);
            let (id, tasks) = (request.id.clone(), filter.task_ids.clone());
            let listener = self.listeners.open(Opened { whose, id, filter, place }, log);
            let tell = listener.teller();
            self.tell_tasks(&tell, &tasks);
            listening.tasks = following.begin(&tell);
            Ok((listener, listening))
        };
        let opened = scope.run(opened).await;
        match &opened {
            Ok(_) => scope.finish(CallEnd::of(Outcome::Ok)),
            Err(error) => refuse(scope, error),
        }
        opened
    }

    fn call_started(
        &self,
        arrival: &Arrival,
        origin: Option<&Origin>,
        request: &Request,
        target: Option<&str>,
    ) -> CallScope {
        let session_id = match origin {
            Some(Origin::Session(session)) => Some(&*session.id),
            Some(Origin::Modern(_)) | None => None,
        };
        self.telemetry.call_started(&CallInfo {
            method: request.method,
            transport: arrival.transport,
            revision: origin.map(Origin::revision),
            session_id,
            request_id: request.id.as_json(),
            target,
            parent: TraceContext::of_params(request.params.as_deref()),
            ambient: arrival.ambient.clone(),
            client_address: arrival.client_address,
        })
    }
}

fn refuse(scope: CallScope, error: &RpcError) {
    let (code, message) = (Some(error.code), Some(error.message.as_str()));
    let is_too_fast = error.code == self::code::RATE_LIMITED;
    let outcome = if is_too_fast { Outcome::RateLimited } else { Outcome::ClientError };
    scope.finish(CallEnd { outcome, code, message });
}

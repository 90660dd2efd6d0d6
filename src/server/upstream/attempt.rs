//! One try of a call: the link it takes, what is written, and what its answer is counted as.

use super::{
    deadline::Deadline,
    failure,
    forward::Outgoing,
    levels::{Filter, Level},
    link::Link,
    one::Upstream,
    own::{NoWay, OwnCall},
    params::Crossing,
    results,
    sinks::CallSink,
};
use crate::call::Caller;
use mcp_client::{ClientError, Departure, OutCall};
use mcp_protocol::{Era, Payload, RawObject, RawValue, key};
use mcp_telemetry::{AttemptEnd, AttemptInfo, AttemptOutcome, Outcome};
use std::sync::Arc;

/// Where a call goes.
pub(super) struct Route {
    /// The link.
    pub(super) link: Arc<Link>,
    /// The session of the caller's own that it belongs to.
    pub(super) own: Option<OwnCall>,
}

/// The time of a call is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLate {
    /// Whether a byte of it may have been written: over a socket that was lost, it waits for another.
    pub(super) was_sent: bool,
}

impl Upstream {
    /// The link to use, but not the one with the id `not`. A session's own link serves also
    /// while the shared one is down.
    pub(super) async fn route(
        self: &Arc<Self>,
        caller: &Caller,
        not: Option<u64>,
    ) -> Result<Route, NoWay> {
        let shared =
            if self.has_own(caller, not) { None } else { Some(self.ready(caller.era, not).await?) };
        let is_modern = shared.as_ref().is_some_and(|link| link.era() == Era::Modern);
        let own = if is_modern { None } else { self.own_call(caller, not).await.transpose()? };
        match (own, shared) {
            (Some(own), _) => Ok(Route { link: own.link.clone(), own: Some(own) }),
            (None, Some(link)) => Ok(Route { link, own: None }),
            (None, None) => Ok(Route { link: self.ready(caller.era, not).await?, own: None }),
        }
    }

    /// One attempt. When the time is over, whether it was on its way.
    pub(super) async fn attempt(
        self: &Arc<Self>,
        caller: &Caller,
        outgoing: &Outgoing<'_>,
        route: &Route,
        deadline: &Arc<Deadline>,
    ) -> Result<Result<Payload, ClientError>, TooLate> {
        let link = &route.link;
        let scope = self.shared.telemetry.attempt_started(&AttemptInfo {
            upstream: self.label.clone(),
            method: outgoing.method,
            target: outgoing.target,
            revision: link.revision(),
            network: link.counted_network(),
        });
        let level = caller.session.as_ref().and_then(|session| self.shared.levels.of(&session.id));
        let crossing = Crossing {
            from: caller.era,
            to: link.era(),
            client_info: &self.shared.info,
            capabilities: caller.modern.as_ref().map(|meta| &*meta.client_capabilities),
            relays_tasks: self.shared.relays_tasks,
            log_level: level.map(Level::as_str),
            trace: &scope.context(),
        };
        let params = outgoing.params.and_then(RawObject::parse).unwrap_or_default();
        let sink = self.call_sink(caller, route, progress_token(&params), deadline);
        let call = out_call(outgoing, &params, &crossing, sink);
        let departure = call.departure.clone();
        let answer = scope.run(deadline.within(link.connection.call(call))).await;
        let answer = answer.ok_or_else(|| TooLate { was_sent: departure.has_left() });
        scope.finish(attempt_end(answer.as_ref()));
        answer
    }

    fn call_sink(
        self: &Arc<Self>,
        caller: &Caller,
        route: &Route,
        token: Option<Box<RawValue>>,
        deadline: &Arc<Deadline>,
    ) -> CallSink {
        let era = route.link.era();
        CallSink {
            upstream: Arc::downgrade(self),
            era,
            downstream: caller.downstream.clone(),
            token,
            filter: self.filter(caller, era, route.own.is_some()),
            declared: route.own.as_ref().map(|own| own.declared),
            deadline: Arc::clone(deadline),
        }
    }

    /// Which log messages on the call's own stream are for its client.
    fn filter(&self, caller: &Caller, to: Era, is_own: bool) -> Filter {
        match (caller.era, to) {
            (Era::Modern, _) => {
                let asked = caller.modern.as_ref().and_then(|meta| meta.log_level.as_deref());
                asked.map_or(Filter::Nothing, |level| {
                    Level::parse(level).map_or(Filter::All, Filter::From)
                })
            }
            (Era::Legacy, Era::Legacy) if is_own => Filter::All,
            (Era::Legacy, _) => {
                let session = caller.session.as_ref().map(|session| &*session.id);
                session.and_then(|id| self.shared.levels.of(id)).map_or(Filter::All, Filter::From)
            }
        }
    }
}

fn progress_token(params: &RawObject<'_>) -> Option<Box<RawValue>> {
    let meta = params.get("_meta").and_then(RawObject::parse)?;
    meta.get(key::PROGRESS_TOKEN).map(ToOwned::to_owned)
}

fn out_call(
    outgoing: &Outgoing<'_>,
    params: &RawObject<'_>,
    crossing: &Crossing<'_>,
    sink: CallSink,
) -> OutCall {
    let arguments = params.get("arguments");
    let headers = if crossing.to == Era::Modern { &outgoing.headers[..] } else { &[] };
    OutCall {
        method: outgoing.method.as_str().into(),
        params: crossing.params(outgoing.params, &outgoing.replaced),
        progress: sink.token.is_some(),
        headers: headers
            .iter()
            .filter_map(|header| Some((header.header.clone(), header.value(arguments)?)))
            .collect(),
        sink: Some(Arc::new(sink)),
        departure: Departure::default(),
    }
}

fn attempt_end(answer: Result<&Result<Payload, ClientError>, &TooLate>) -> AttemptEnd {
    match answer {
        Err(TooLate { was_sent: true }) => AttemptEnd::of(AttemptOutcome::Timeout),
        Err(TooLate { was_sent: false }) => AttemptEnd::of(AttemptOutcome::Unavailable),
        Ok(Err(error)) => AttemptEnd::of(failure::counted(error)),
        Ok(Ok(Err(error))) => AttemptEnd { outcome: AttemptOutcome::Error, code: Some(error.code) },
        Ok(Ok(payload)) if results::outcome(payload) == Outcome::ToolError => {
            AttemptEnd::of(AttemptOutcome::ToolError)
        }
        Ok(Ok(Ok(_))) => AttemptEnd::of(AttemptOutcome::Ok),
    }
}

//! One call forwarded to one upstream: link, params, attempt, answer. It is sent a second time
//! only when the first provably did not run.

use super::{
    Reply,
    failure::Failure,
    levels::{Filter, Level},
    link::{Link, is_lost},
    one::Upstream,
    own::OwnCall,
    params::Crossing,
    results::{self, Untranslatable},
    sinks::CallSink,
};
use crate::call::{Caller, code};
use mcp_client::{ClientError, OutCall, Ran};
use mcp_protocol::{
    Era, Method, Payload, RawObject, RawValue, RpcError, headers::ParamHeader, key,
};
use mcp_telemetry::{AttemptEnd, AttemptInfo, AttemptOutcome, Outcome};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// Params that are set anew, by name.
pub(super) type Replaced = Vec<(&'static str, Box<RawValue>)>;

/// A call as it is to be sent.
pub(super) struct Outgoing<'a> {
    /// The method.
    pub(super) method: Method,
    /// The tool or prompt as its upstream knows it: for the span.
    pub(super) target: Option<&'a str>,
    /// What it asks for: a name or a URI, to bind its state to.
    pub(super) subject: &'a str,
    /// The params as the client sent them.
    pub(super) params: Option<&'a RawValue>,
    /// Params that are set anew.
    pub(super) replaced: Replaced,
    /// Arguments that headers repeat.
    pub(super) headers: &'a [ParamHeader],
}

/// Where a call goes.
struct Route {
    link: Arc<Link>,
    own: Option<OwnCall>,
}

impl Upstream {
    /// Sends a call that needs no session of its own, and gives the reply for its caller.
    pub(super) async fn forward_shared(
        self: &Arc<Self>,
        caller: &Caller,
        outgoing: Outgoing<'_>,
    ) -> Reply {
        let caller = Caller { session: None, ..caller.clone() };
        self.forward(&caller, outgoing).await
    }

    /// Sends a call and gives the reply for its caller.
    pub(super) async fn forward(
        self: &Arc<Self>,
        caller: &Caller,
        mut outgoing: Outgoing<'_>,
    ) -> Reply {
        let _in_flight = self.calls.token();
        if let Err(reply) = self.unseal(caller, &mut outgoing) {
            return reply;
        }
        let limit = self.limit(outgoing.method);
        match self.send(caller, &outgoing, limit).await {
            Ok((era, payload)) => self.reply(caller, &outgoing, era, payload),
            Err(failure) => failure.into_reply(outgoing.method, caller.era, &self.name),
        }
    }

    /// Sends it, and once more if the first time provably did not run; the era it went out in.
    async fn send(
        self: &Arc<Self>,
        caller: &Caller,
        outgoing: &Outgoing<'_>,
        limit: Duration,
    ) -> Result<(Era, Payload), Failure> {
        let deadline = Instant::now() + limit;
        let mut not = None;
        loop {
            let route = Box::pin(self.route(caller, not));
            let route = tokio::time::timeout_at(deadline, route)
                .await
                .map_err(|_| Failure::unavailable("it is still connecting"))??;
            let link = &route.link;
            let Ok(answer) = Box::pin(self.attempt(caller, outgoing, &route, deadline)).await
            else {
                return Err(Failure::Timeout { after: limit });
            };
            let error = match answer {
                Ok(payload) => return Ok((link.era(), payload)),
                Err(error) => error,
            };
            self.doubt_lists(link.era(), &error);
            let is_lost = is_lost(&error);
            if is_lost && route.own.is_none() {
                self.lane(link.era()).tell_lost(link.id, &error);
            }
            if !is_lost || error.ran() != Ran::No || not.is_some() {
                return Err(Failure::of_error(&error));
            }
            not = Some(link.id);
        }
    }

    /// The link to use, but not the one with the id `not`. A session's own link serves also
    /// while the shared one is down.
    async fn route(self: &Arc<Self>, caller: &Caller, not: Option<u64>) -> Result<Route, Failure> {
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

    /// One attempt. `Err(())` when the time is over.
    async fn attempt(
        self: &Arc<Self>,
        caller: &Caller,
        outgoing: &Outgoing<'_>,
        route: &Route,
        deadline: Instant,
    ) -> Result<Result<Payload, ClientError>, ()> {
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
            log_level: level.map(Level::as_str),
            trace: &scope.context(),
        };
        let call = self.out_call(caller, outgoing, route, &crossing);
        let answer = scope.run(tokio::time::timeout_at(deadline, link.connection.call(call))).await;
        scope.finish(attempt_end(&answer));
        answer.map_err(drop)
    }

    fn out_call(
        self: &Arc<Self>,
        caller: &Caller,
        outgoing: &Outgoing<'_>,
        route: &Route,
        crossing: &Crossing<'_>,
    ) -> OutCall {
        let params = outgoing.params.and_then(RawObject::parse).unwrap_or_default();
        let token = params
            .get("_meta")
            .and_then(RawObject::parse)
            .and_then(|meta| meta.get(key::PROGRESS_TOKEN).map(ToOwned::to_owned));
        let arguments = params.get("arguments");
        let headers = if crossing.to == Era::Modern { outgoing.headers } else { &[] };
        OutCall {
            method: outgoing.method.as_str().into(),
            params: crossing.params(outgoing.params, &outgoing.replaced),
            progress: token.is_some(),
            headers: headers
                .iter()
                .filter_map(|header| Some((header.header.clone(), header.value(arguments)?)))
                .collect(),
            sink: Some(Arc::new(CallSink {
                upstream: Arc::downgrade(self),
                era: crossing.to,
                downstream: caller.downstream.clone(),
                token,
                filter: self.filter(caller, crossing.to, route.own.is_some()),
                declared: route.own.as_ref().map(|own| own.declared),
            })),
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

    /// What the caller is told of an answer.
    fn reply(&self, caller: &Caller, outgoing: &Outgoing<'_>, era: Era, payload: Payload) -> Reply {
        let method = outgoing.method;
        let payload = match payload {
            Ok(result) => match results::translate(method, era, caller.era, result) {
                Ok(result) => self.seal(caller, outgoing, era, result),
                Err(Untranslatable(kind)) => Err(RpcError::new(
                    code::NOT_BRIDGED,
                    format!(
                        "The MCP server `{}` answered `{kind}`, which a client of the legacy era cannot be asked.",
                        self.name
                    ),
                )),
            },
            Err(error) => Err(results::translate_error(method, era, caller.era, error)),
        };
        let outcome = results::outcome(&payload);
        Reply { payload, outcome }
    }
}

type Timed = Result<Result<Payload, ClientError>, tokio::time::error::Elapsed>;

fn attempt_end(answer: &Timed) -> AttemptEnd {
    match answer {
        Err(_) => AttemptEnd::of(AttemptOutcome::Timeout),
        Ok(Err(error)) => AttemptEnd::of(Failure::of_error(error).attempt()),
        Ok(Ok(Err(error))) => AttemptEnd { outcome: AttemptOutcome::Error, code: Some(error.code) },
        Ok(Ok(payload)) if results::outcome(payload) == Outcome::ToolError => {
            AttemptEnd::of(AttemptOutcome::ToolError)
        }
        Ok(Ok(Ok(_))) => AttemptEnd::of(AttemptOutcome::Ok),
    }
}

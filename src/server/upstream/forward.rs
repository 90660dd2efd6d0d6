//! One call forwarded to one upstream: its tries until one of them is answered, or none is to
//! follow (`mcp_client::Tried`); what it ends in. A single try is in `attempt`.

use super::{
    Reply,
    attempt::{Route, TooLate},
    deadline::Deadline,
    failure::Failure,
    link::is_lost,
    one::Upstream,
    own::NoWay,
    results::{self, Untranslatable},
};
use crate::call::{Caller, code};
use mcp_client::{ClientError, Network, Next, Ran, Stop, Tried, chance};
use mcp_protocol::{Era, Method, Payload, RawValue, RpcError, headers::ParamHeader};
use mcp_telemetry::{Event, Outcome, Replay};
use std::{borrow::Cow, sync::Arc, time::Duration};
use tokio::time::Instant;

/// A call that waited for so long is said to have waited.
const WAITED: Duration = Duration::from_millis(1);

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
    pub(super) headers: Cow<'a, [ParamHeader]>,
    /// Whether running it twice does no harm.
    pub(super) is_repeatable: bool,
}

/// What is known of a call's tries so far.
struct Tries {
    /// How long it may still wait for a link.
    park: Duration,
    /// The link that is of no use any more.
    not: Option<u64>,
    /// The link that was tried last.
    last: Option<u64>,
    /// How often it was sent again to a server that may have had it.
    resent: u32,
    /// How often a session failed it.
    lost: u32,
    /// Whether one of the tries may have run.
    may_have_run: bool,
    /// Whether it was refused unrun before, and mended if that could be.
    mended: bool,
}

impl Tries {
    const fn new(park: Duration) -> Self {
        Self { park, not: None, last: None, resent: 0, lost: 0, may_have_run: false, mended: false }
    }

    /// The failure as the client may hear it: of all tries, not of the last one alone.
    fn told(&self, failure: Failure) -> Failure {
        if self.may_have_run { failure.or_it_ran() } else { failure }
    }
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
        let deadline = Arc::new(self.deadline(outgoing.method));
        match self.send(caller, &mut outgoing, &deadline).await {
            Ok((era, payload)) => self.reply(caller, &outgoing, era, payload),
            Err(failure) => self.fail(failure, outgoing.method, caller.era),
        }
    }

    /// Sends it, and again as often as that is safe and of use; the era it went out in.
    async fn send(
        self: &Arc<Self>,
        caller: &Caller,
        outgoing: &mut Outgoing<'_>,
        deadline: &Arc<Deadline>,
    ) -> Result<(Era, Payload), Failure> {
        self.budget().earn();
        let mut tries = Tries::new(self.shared.limits.now().park);
        loop {
            let route = Box::pin(self.reach(caller, &mut tries, deadline)).await;
            let route = route.map_err(|failure| tries.told(failure))?;
            let answer = Box::pin(self.attempt(caller, outgoing, &route, deadline)).await;
            let error = match answer {
                Ok(Ok(Err(refused)))
                    if !std::mem::replace(&mut tries.mended, true)
                        && self.mend(outgoing, &route, &refused, deadline).await =>
                {
                    continue;
                }
                Ok(Ok(payload)) => return Ok((route.link.era(), payload)),
                Ok(Err(error)) => error,
                Err(TooLate { was_sent: true }) => {
                    return Err(Failure::Timeout { after: deadline.limit });
                }
                Err(TooLate { was_sent: false }) => {
                    return Err(tries.told(Failure::unavailable("it could not be reached in time")));
                }
            };
            self.doubt_lists(route.link.era(), &error);
            tries.may_have_run |= error.ran() == Ran::Unknown;
            tries.lost += u32::from(route.own.is_some() || error == ClientError::SessionLost);
            self.look_after(&route, &error, &mut tries);
            let tried = Tried {
                error: &error,
                may_repeat: outgoing.is_repeatable,
                resent: tries.resent,
                lost: tries.lost,
                left: deadline.left(),
                chance: chance(),
            };
            let next = tried.next(|| self.budget().spend(Instant::now()));
            let (upstream, decision) = (&self.label, decision(next));
            self.shared.telemetry.emit(&Event::ReplayDecided { upstream, decision });
            let Next::Again { wait, counts } = next else {
                return Err(tries.told(Failure::of_error(&error)));
            };
            tries.resent += u32::from(counts);
            deadline.sleep(wait).await;
        }
    }

    /// The way to the upstream, waited for as long as a call may wait in all.
    async fn reach(
        self: &Arc<Self>,
        caller: &Caller,
        tries: &mut Tries,
        deadline: &Deadline,
    ) -> Result<Route, Failure> {
        let began = Instant::now();
        let end = deadline.at().min(began + tries.park);
        let mut why = None;
        let way = Box::pin(self.way(caller, tries.not, &mut why));
        let route = tokio::time::timeout_at(end, way).await;
        let elapsed = began.elapsed();
        tries.park = tries.park.saturating_sub(elapsed);
        if elapsed >= WAITED {
            let is_there = matches!(route, Ok(Ok(_)));
            let upstream = &self.label;
            self.shared.telemetry.emit(&Event::UpstreamAwaited { upstream, elapsed, is_there });
        }
        route.unwrap_or_else(|_| {
            Err(match why {
                // It is there, but not for this client.
                Some(failure) if self.lane(Era::Legacy).link().is_some() => failure,
                _ => self.standing().explain(Failure::unavailable("it is still connecting")),
            })
        })
    }

    /// The way to the upstream, looked for until there is one or none is to be expected; `why`
    /// there was none at the last look.
    async fn way(
        self: &Arc<Self>,
        caller: &Caller,
        not: Option<u64>,
        why: &mut Option<Failure>,
    ) -> Result<Route, Failure> {
        loop {
            match self.route(caller, not).await {
                Ok(route) => return Ok(route),
                Err(NoWay::AtAll(failure)) => return Err(failure),
                // A session that failed to open is not tried again before its pause is over.
                Err(NoWay::Now(failure)) => *why = Some(failure),
            }
        }
    }

    /// What a try without an answer says of its link: it is of no use, or should be looked after.
    /// Over the network one connection of many may have broken, so the link is used once more first.
    fn look_after(&self, route: &Route, error: &ClientError, tries: &mut Tries) {
        let link = &route.link;
        let has_session = link.is_live() && !matches!(error, ClientError::SessionLost);
        let is_first = tries.last.replace(link.id) != Some(link.id);
        let is_lost = is_lost(error);
        if has_session && (!is_lost || (is_first && link.network != Network::Stdio)) {
            self.lane(link.era()).suspect();
            return;
        }
        tries.not = Some(link.id);
        if is_lost && route.own.is_none() {
            self.lane(link.era()).tell_lost(link.id, error);
        }
    }

    /// The reply to a call that has failed for good.
    fn fail(&self, failure: Failure, method: Method, era: Era) -> Reply {
        let reply = failure.into_reply(method, era, &self.name);
        if reply.outcome == Outcome::OutcomeUnknown {
            self.shared.telemetry.emit(&Event::OutcomeUnknown { upstream: &self.label });
        }
        reply
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

/// What is counted of a decision.
const fn decision(next: Next) -> Replay {
    match next {
        Next::Again { .. } => Replay::Resent,
        Next::Stop(Stop::Unsafe) => Replay::RefusedUnsafe,
        Next::Stop(Stop::Useless) => Replay::NotNeeded,
    }
}

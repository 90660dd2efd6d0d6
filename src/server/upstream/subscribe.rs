//! What sessions ask for once and hear of later: resource subscriptions, log level, roots.

use super::{
    Reply, Upstreams,
    calls::{no_such_resource, over_limit, uri_of},
    forward::Outgoing,
    levels::{self, Level},
    link::Link,
    one::Upstream,
    shared::Shared,
    wanted::Subscriber,
};
use crate::call::Caller;
use futures_util::FutureExt;
use mcp_client::{Network, OutCall};
use mcp_protocol::{Era, Method, RawObject, RawValue, RpcError, code, raw_value};
use mcp_telemetry::Outcome;
use serde_json::json;
use std::{borrow::Cow, sync::Arc, time::Duration};
use tokio_util::sync::DropGuard;

/// Longest time a new subscription waits for its upstreams to take it.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(2);

/// The resources that one modern `subscriptions/listen` is told of. Dropping it ends that.
pub(crate) struct Listening {
    id: u64,
    shared: Arc<Shared>,
    /// The resources that some upstream tells of, out of those asked for.
    pub(crate) uris: Vec<String>,
    /// Ends what is heard of tasks, too.
    pub(crate) tasks: Option<DropGuard>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        for upstream in self.shared.upstreams() {
            upstream.unsubscribe_all(&Subscriber::Listen(self.id));
        }
    }
}

impl Upstreams {
    /// `resources/subscribe` of a legacy session.
    pub(crate) async fn subscribe(&self, caller: &Caller, params: Option<&RawValue>) -> Reply {
        let (uri, subscriber) = match subject(caller, params) {
            Ok(subject) => subject,
            Err(reply) => return reply,
        };
        let readers = self.readers(caller.era, &uri).await;
        let Some(upstream) = readers.into_iter().find(|upstream| upstream.tells(caller.era)) else {
            return no_such_resource(caller.era, &uri);
        };
        let lane = upstream.lane_for(caller.era);
        let Ok(is_first) = lane.wanted.add(&uri, subscriber.clone()) else {
            return over_limit("Too many resources are subscribed to");
        };
        if let Some(session) = &caller.session {
            upstream.tell_own_child(&session.id, Method::ResourcesSubscribe, &uri).await;
        }
        if !is_first || lane.era == Era::Modern {
            return done();
        }
        let outgoing = Outgoing {
            method: Method::ResourcesSubscribe,
            target: None,
            subject: &uri,
            params,
            replaced: vec![],
            headers: Cow::Borrowed(&[]),
            is_repeatable: true,
        };
        let reply = Box::pin(upstream.forward_shared(caller, outgoing)).await;
        // One that is away is told when it is back, for the sake of sessions that were restored.
        if reply.payload.is_err() && reply.outcome != Outcome::Unavailable {
            lane.wanted.remove(&uri, &subscriber);
        }
        reply
    }

    /// `resources/unsubscribe` of a legacy session.
    pub(crate) async fn unsubscribe(&self, caller: &Caller, params: Option<&RawValue>) -> Reply {
        let (uri, subscriber) = match subject(caller, params) {
            Ok(subject) => subject,
            Err(reply) => return reply,
        };
        for upstream in &*self.all() {
            upstream.lane(Era::Modern).wanted.remove(&uri, &subscriber);
            let legacy = &upstream.lane(Era::Legacy).wanted;
            let was_subscribed = legacy.uris_of(&subscriber).iter().any(|wanted| **wanted == *uri);
            if legacy.remove(&uri, &subscriber) {
                upstream.tell_legacy(Method::ResourcesUnsubscribe, uri_params(&uri)).await;
            }
            if let Some(session) = caller.session.as_ref().filter(|_| was_subscribed) {
                upstream.tell_own_child(&session.id, Method::ResourcesUnsubscribe, &uri).await;
            }
        }
        done()
    }

    /// The `resourceSubscriptions` of a modern `subscriptions/listen`, kept up until the
    /// returned value is dropped. They are in force when this returns, unless an upstream takes
    /// longer than [`IN_FORCE_WITHIN`].
    pub(crate) async fn listen(&self, uris: &[String]) -> Listening {
        let shared = self.inner.shared.clone();
        let mut listening =
            Listening { id: shared.next_id(), shared, uris: Vec::new(), tasks: None };
        let mut pending = Vec::new();
        for uri in uris {
            let readers = self.catalogue().readers(Era::Modern, uri);
            let mut tellers = readers.iter().filter_map(|name| self.upstream(name));
            let Some(upstream) = tellers.find(|upstream| upstream.tells(Era::Modern)) else {
                continue;
            };
            let lane = upstream.lane_for(Era::Modern);
            let Ok(is_first) = lane.wanted.add(uri, Subscriber::Listen(listening.id)) else {
                continue;
            };
            listening.uris.push(uri.clone());
            if lane.era == Era::Modern {
                pending.push(
                    async move { upstream.lane(Era::Modern).wanted.until_in_force().await }.boxed(),
                );
            } else if is_first {
                let params = uri_params(uri);
                pending.push(
                    async move { upstream.tell_legacy(Method::ResourcesSubscribe, params).await }
                        .boxed(),
                );
            }
        }
        let all = futures_util::future::join_all(pending);
        // Too late is no failure: what is wanted stays wanted.
        let _in_time = tokio::time::timeout(IN_FORCE_WITHIN, all).await.is_ok();
        listening
    }

    /// `logging/setLevel` of a legacy session.
    pub(crate) async fn set_log_level(&self, caller: &Caller, params: Option<&RawValue>) -> Reply {
        let name = params.and_then(RawObject::parse).and_then(|params| params.get_str("level"));
        let Some(level) = name.as_deref().and_then(Level::parse) else {
            return Reply::callers_fault(RpcError::invalid_params(
                "`level` must be one of the eight log levels",
            ));
        };
        let Some(session) = &caller.session else { return no_session() };
        let lowest = self.inner.shared.levels.set(&session.id, level);
        let all = self.all();
        let settings = all.iter().map(|upstream| async {
            let shared = async {
                if let Some(link) = upstream.lane(Era::Legacy).link() {
                    levels::set(&link, lowest).await;
                }
            };
            let own = async {
                if let Some(link) = upstream.own_link_now(&session.id) {
                    levels::set(&link, level).await;
                }
            };
            tokio::join!(shared, own);
        });
        futures_util::future::join_all(settings).await;
        done()
    }

    /// `notifications/roots/list_changed` of a legacy session.
    pub(crate) async fn roots_changed(&self, session_id: &str) {
        let all = self.all();
        let links = all.iter().filter_map(|upstream| upstream.own_link_now(session_id));
        let told = links.map(|link| async move {
            // A link that is lost asks for the roots anew.
            let _told = link.connection.notify(Method::RootsListChanged.as_str(), None).await;
        });
        futures_util::future::join_all(told).await;
    }

    /// Ends what belongs to a legacy session: its own upstream sessions, its subscriptions.
    pub(crate) fn session_ended(&self, session_id: &str) {
        self.inner.shared.levels.forget(session_id);
        for upstream in &*self.all() {
            upstream.end_own(session_id);
            upstream.unsubscribe_all(&Subscriber::Session(session_id.into()));
        }
    }
}

impl Upstream {
    /// Whether it tells of changes; while it is down nobody can say that it does not.
    fn tells(&self, era: Era) -> bool {
        self.lane_for(era).link().is_none_or(|link| link.offers.subscriptions)
    }

    /// Takes a subscriber out everywhere, and the upstream's subscriptions that nobody wants.
    fn unsubscribe_all(self: &Arc<Self>, subscriber: &Subscriber) {
        self.lane(Era::Modern).wanted.remove_all(subscriber);
        for uri in self.lane(Era::Legacy).wanted.remove_all(subscriber) {
            let (upstream, params) = (self.clone(), uri_params(&uri));
            self.shared.tasks.spawn(async move {
                upstream.tell_legacy(Method::ResourcesUnsubscribe, params).await;
            });
        }
    }

    /// A request of our own on the shared legacy link, if there is one. What is wanted is told
    /// again when the link comes back.
    async fn tell_legacy(&self, method: Method, params: Box<RawValue>) {
        if let Some(link) = self.lane(Era::Legacy).link() {
            self.tell(&link, method, params).await;
        }
    }

    /// A child process of one session does not hear of the others': what the
    /// session subscribes to, it subscribes to there as well.
    async fn tell_own_child(&self, session: &str, method: Method, uri: &str) {
        if let Some(link) = self.own_link_now(session).filter(|link| link.network == Network::Stdio)
        {
            self.tell(&link, method, uri_params(uri)).await;
        }
    }

    /// Subscribes a fresh link to these resources.
    pub(super) async fn subscribe_to(&self, link: &Link, uris: &[Arc<str>]) {
        for uri in uris {
            self.tell(link, Method::ResourcesSubscribe, uri_params(uri)).await;
        }
    }

    /// A request of our own; a failure is reported.
    async fn tell(&self, link: &Link, method: Method, params: Box<RawValue>) {
        let call = link.connection.call(OutCall::new(method.as_str(), params));
        let limit = self.shared.limits.now().request_timeout;
        let answer = tokio::time::timeout(limit, call).await;
        if !matches!(answer, Ok(Ok(Ok(_)))) {
            self.dropped(method.as_str(), "the upstream did not take it");
        }
    }
}

/// The URI of a request, and who asks.
fn subject(caller: &Caller, params: Option<&RawValue>) -> Result<(String, Subscriber), Reply> {
    let session = caller.session.as_ref().ok_or_else(no_session)?;
    Ok((uri_of(params)?, Subscriber::Session(session.id.clone())))
}

fn uri_params(uri: &str) -> Box<RawValue> {
    raw_value(&json!({ "uri": uri }))
}

fn no_session() -> Reply {
    Reply::callers_fault(RpcError::new(code::INVALID_REQUEST, "This request needs a session"))
}

fn done() -> Reply {
    Reply::ok(raw_value(&json!({})))
}

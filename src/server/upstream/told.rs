//! What modern upstreams tell of tasks of their own, on its way to the client that listens for them.
//! Each of its subscriptions is one at the upstream, too, where nothing is shared: a task is its
//! principal's alone.

use super::{
    Inner, Upstreams,
    link::Link,
    one::Upstream,
    relay::{Whereabouts, renamed},
};
use crate::call::Principal;
use mcp_client::{ClientError, OutCall, Sink};
use mcp_protocol::{
    Era, Method, Notification, Payload, RawObject, RawValue, code, key, raw_value, tasks_capability,
};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::DropGuard;

/// Most subscriptions to tasks that are open at one upstream, for one principal and for all: far
/// below the calls that a connection may have, since each is one as long as somebody listens.
const MOST_OF_PRINCIPAL: usize = 32;
const MOST_OF_UPSTREAM: usize = 512;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Takes how a task is: the params of a `notifications/tasks`, under the client's id.
pub(crate) type TellTask = Arc<dyn Fn(&RawValue) + Send + Sync>;

impl Upstreams {
    /// Those of these tasks that are an upstream's, and this principal's.
    pub(crate) fn located(&self, principal: &Principal, tasks: &[String]) -> Located {
        let mut located = Located::default();
        for task in tasks {
            if let Some(Whereabouts { upstream, id }) = self.whereabouts(principal, task) {
                located.0.entry(upstream.name.clone()).or_default().insert(id, task.clone());
            }
        }
        located
    }

    /// Takes a place at each upstream that has some of these tasks. `None` when one has as many of
    /// this principal's, or in all, as it may have.
    pub(crate) fn following(&self, principal: &Principal, located: Located) -> Option<Following> {
        let parts = located.0.into_iter().map(|(upstream, tasks)| {
            let place = self.inner.shared.followers.enter(&upstream, principal.name())?;
            Some(Part { upstream, tasks, _place: place })
        });
        Some(Following { inner: self.inner.clone(), parts: parts.collect::<Option<_>>()? })
    }
}

/// The client's ids of tasks, by those of the upstream, by upstream. A task that was named by two ids is
/// told, and acknowledged, under one of them.
#[derive(Default)]
pub(crate) struct Located(HashMap<Arc<str>, HashMap<String, String>>);

impl Located {
    /// The client's ids.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.0.values().flat_map(HashMap::values)
    }
}

/// Tasks of upstreams that one client is about to listen for.
pub(crate) struct Following {
    inner: Arc<Inner>,
    parts: Vec<Part>,
}

/// Those of one upstream.
struct Part {
    upstream: Arc<str>,
    /// The client's ids, by those of the upstream.
    tasks: HashMap<String, String>,
    _place: Place,
}

impl Following {
    /// Passes on what the upstreams tell of them, until what is returned is dropped.
    pub(crate) fn begin(self, tell: &TellTask) -> Option<DropGuard> {
        let shared = &self.inner.shared;
        let stop = (!self.parts.is_empty()).then(|| shared.stop.child_token())?;
        for part in self.parts {
            let (upstreams, tell) = (Arc::downgrade(&self.inner), Arc::clone(tell));
            let followed = Arc::new(Followed { upstreams, part, tell, heard: Mutex::default() });
            shared.tasks.spawn(stop.clone().run_until_cancelled_owned(followed.follow()));
        }
        Some(stop.drop_guard())
    }
}

/// How many subscriptions to tasks are open at which upstream, and whose.
#[derive(Default)]
pub(super) struct Followers(Mutex<HashMap<Arc<str>, OfPrincipals>>);

/// How many each principal has at one upstream.
type OfPrincipals = HashMap<Arc<str>, usize>;

impl Followers {
    fn enter(self: &Arc<Self>, upstream: &Arc<str>, principal: &str) -> Option<Place> {
        let mut open = self.open();
        let whose = open.entry(upstream.clone()).or_default();
        let all: usize = whose.values().sum();
        let principal: Arc<str> = principal.into();
        let own = whose.entry(principal.clone()).or_default();
        let is_full = *own >= MOST_OF_PRINCIPAL || all >= MOST_OF_UPSTREAM;
        *own += 1;
        drop(open);
        // One too many leaves at once, and takes along what was made for it.
        let followers = Arc::clone(self);
        let place = Place { followers, upstream: upstream.clone(), principal };
        (!is_full).then_some(place)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Arc<str>, OfPrincipals>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leaves when it is dropped.
struct Place {
    followers: Arc<Followers>,
    upstream: Arc<str>,
    principal: Arc<str>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.followers.open();
        let Some(whose) = open.get_mut(&self.upstream) else { return };
        if let Some(own) = whose.get_mut(&self.principal) {
            *own -= 1;
        }
        whose.retain(|_, open| *open > 0);
        if whose.is_empty() {
            open.remove(&self.upstream);
        }
    }
}

/// Tasks of one upstream that one client listens for.
struct Followed {
    upstreams: Weak<Inner>,
    part: Part,
    tell: TellTask,
    /// Those that something was told of on the subscription of now.
    heard: Mutex<HashSet<String>>,
}

impl Followed {
    /// Listens, and again when that ends, for as long as the upstream is configured and knows of
    /// such subscriptions. One that speaks the legacy era alone for now is asked again later.
    async fn follow(self: Arc<Self>) {
        let mut wait = FIRST_WAIT;
        while let Some(upstream) = self.upstream_now() {
            let began = Instant::now();
            if let Ok(link) = upstream.ready(Era::Modern, None).await
                && link.era() == Era::Modern
            {
                let ended = upstream.stop.run_until_cancelled(self.listen(&link)).await;
                if ended.is_some_and(|ended| ended.is_ok_and(|answer| is_for_good(&answer))) {
                    return;
                }
            }
            if began.elapsed() > LONGEST_WAIT {
                wait = FIRST_WAIT;
            }
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// The upstream of that name, which may be another after a change of the configuration.
    fn upstream_now(&self) -> Option<Arc<Upstream>> {
        let inner = self.upstreams.upgrade()?;
        Upstreams { inner }.upstream(&self.part.upstream)
    }

    /// One subscription, to its end.
    async fn listen(self: &Arc<Self>, link: &Link) -> Result<Payload, ClientError> {
        self.heard().clear();
        let acknowledged = Arc::new(Notify::new());
        let sink = TaskSink { followed: self.clone(), acknowledged: acknowledged.clone() };
        let ids: Vec<&String> = self.part.tasks.keys().collect();
        let call =
            call(Method::SubscriptionsListen, json!({ "notifications": { "taskIds": ids } }));
        let listening = link.connection.call(OutCall { sink: Some(Arc::new(sink)), ..call });
        let looking = async {
            acknowledged.notified().await;
            self.look(link).await;
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            ended = listening => ended,
            never = looking => match never {},
        }
    }

    /// Tells how each is: it may have changed before anybody listened.
    async fn look(&self, link: &Link) {
        for id in self.part.tasks.keys() {
            let asked = link.connection.call(call(Method::TasksGet, json!({ "taskId": id })));
            if let Ok(Ok(Ok(task))) = timeout(LONGEST_WAIT, asked).await
                && !self.heard().contains(id)
            {
                self.pass(&task);
            }
        }
    }

    fn pass(&self, task: &RawValue) {
        let Some(mut told) = RawObject::parse(task) else { return };
        let Some(name) = told.get_str("taskId").and_then(|id| self.part.tasks.get(&id)) else {
            return;
        };
        told.retain(|member| !["resultType", "_meta"].contains(&member));
        (self.tell)(&renamed(told.to_raw(), name));
    }

    fn heard(&self) -> MutexGuard<'_, HashSet<String>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an upstream that answers so does not offer such subscriptions at all.
fn is_for_good(answer: &Payload) -> bool {
    let never = [code::METHOD_NOT_FOUND, code::INVALID_PARAMS, code::MISSING_CLIENT_CAPABILITY];
    answer.as_ref().is_err_and(|error| never.contains(&error.code))
}

/// A request of ours that takes tasks.
fn call(method: Method, mut params: Value) -> OutCall {
    params["_meta"] = json!({ key::CLIENT_CAPABILITIES: tasks_capability() });
    OutCall::new(method.as_str(), raw_value(&params))
}

/// Takes what comes on the subscription.
struct TaskSink {
    followed: Arc<Followed>,
    acknowledged: Arc<Notify>,
}

impl Sink for TaskSink {
    fn notification(&self, notification: Notification) {
        if notification.method == Method::SubscriptionsAcknowledged {
            self.acknowledged.notify_one();
        }
        let Some(params) =
            notification.params.filter(|_| notification.method == Method::TasksChanged)
        else {
            return;
        };
        if let Some(id) = RawObject::parse(&params).and_then(|params| params.get_str("taskId")) {
            self.followed.heard().insert(id);
            self.followed.pass(&params);
        }
    }

    fn log_line(&self, _line: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_principal_takes_some_places_at_an_upstream_and_all_take_not_all() {
        let followers = Arc::new(Followers::default());
        let (one, other): (Arc<str>, Arc<str>) = (Arc::from("one"), Arc::from("other"));
        let enter = |upstream: &Arc<str>, name: String| followers.enter(upstream, &name);
        let alices: Vec<_> = (0..MOST_OF_PRINCIPAL).map(|_| enter(&one, "alice".into())).collect();
        assert!(alices.iter().all(Option::is_some));
        assert!(enter(&one, "alice".into()).is_none());
        assert!(enter(&other, "alice".into()).is_some());
        let others = MOST_OF_UPSTREAM - MOST_OF_PRINCIPAL;
        let more: Vec<_> = (0..others).map(|number| enter(&one, number.to_string())).collect();
        assert!(more.iter().all(Option::is_some));
        assert!(enter(&one, "bob".into()).is_none());
        drop(alices);
        assert!(enter(&one, "bob".into()).is_some());
        drop(more);
        assert!(followers.open().is_empty(), "what is over is forgotten");
    }
}

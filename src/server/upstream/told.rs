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
use mcp_client::{BoxFuture, ClientError, OutCall, Sink};
use mcp_protocol::{
    Era, Method, Notification, Payload, RawObject, RawValue, Request, RpcError, key, raw_value,
    tasks_capability,
};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::DropGuard;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Takes how a task is: the params of a `notifications/tasks`, under the client's id.
pub(crate) type TellTask = Arc<dyn Fn(&RawValue) + Send + Sync>;

impl Upstreams {
    /// Whether that is a task of an upstream, and this principal's.
    pub(crate) fn has_task(&self, principal: &Principal, task: &str) -> bool {
        self.whereabouts(principal, task).is_some()
    }

    /// Passes on what upstreams tell of those of these tasks that are theirs and this principal's,
    /// until what is returned is dropped.
    pub(crate) fn follow_tasks(
        &self,
        principal: &Principal,
        tasks: &[String],
        tell: &TellTask,
    ) -> Option<DropGuard> {
        let mut named: HashMap<Arc<str>, HashMap<String, String>> = HashMap::new();
        for task in tasks {
            if let Some(Whereabouts { upstream, id }) = self.whereabouts(principal, task) {
                named.entry(upstream.name.clone()).or_default().insert(id, task.clone());
            }
        }
        let shared = &self.inner.shared;
        let stop = (!named.is_empty()).then(|| shared.stop.child_token())?;
        for (upstream, tasks) in named {
            let (upstreams, tell) = (Arc::downgrade(&self.inner), Arc::clone(tell));
            let heard = Mutex::default();
            let followed = Arc::new(Followed { upstreams, upstream, tasks, tell, heard });
            shared.tasks.spawn(stop.clone().run_until_cancelled_owned(followed.follow()));
        }
        Some(stop.drop_guard())
    }
}

/// Tasks of one upstream that one client listens for.
struct Followed {
    upstreams: Weak<Inner>,
    upstream: Arc<str>,
    /// The client's ids, by those of the upstream.
    tasks: HashMap<String, String>,
    tell: TellTask,
    /// Those that something was told of on the subscription of now.
    heard: Mutex<HashSet<String>>,
}

impl Followed {
    /// Listens, and again when that ends, for as long as the upstream is configured and does not
    /// refuse.
    async fn follow(self: Arc<Self>) {
        let mut wait = FIRST_WAIT;
        while let Some(upstream) = self.upstream_now() {
            let began = Instant::now();
            if let Ok(link) = upstream.ready(Era::Modern, None).await
                && (link.era() != Era::Modern || matches!(self.listen(&link).await, Ok(Err(_))))
            {
                return;
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
        Upstreams { inner }.upstream(&self.upstream)
    }

    /// One subscription, to its end.
    async fn listen(self: &Arc<Self>, link: &Link) -> Result<Payload, ClientError> {
        self.heard().clear();
        let acknowledged = Arc::new(Notify::new());
        let sink = TaskSink { followed: self.clone(), acknowledged: acknowledged.clone() };
        let ids: Vec<&String> = self.tasks.keys().collect();
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
        for id in self.tasks.keys() {
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
        let Some(name) = told.get_str("taskId").and_then(|id| self.tasks.get(&id)) else { return };
        told.retain(|member| !["resultType", "_meta"].contains(&member));
        (self.tell)(&renamed(told.to_raw(), name));
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

    fn request(&self, request: Request) -> BoxFuture<'static, Payload> {
        let error = RpcError::method_not_found(&request.name);
        Box::pin(std::future::ready(Err(error)))
    }

    fn log_line(&self, _line: &str) {}
}

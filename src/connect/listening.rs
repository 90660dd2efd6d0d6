//! What a modern agent listens to (`subscriptions/listen`): answered here, so that it outlives
//! every connection to the server.

use super::{
    agent::Agent,
    bridge::Bridge,
    server::{Server, Standing},
};
use mcp_client::{OutCall, Sink, Terms};
use mcp_protocol::{
    Era, Id, Method, Notification, Payload, RawObject, RawValue, Request, RpcError, code, key,
    raw_value,
};
use serde_json::json;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::sleep;

/// Most subscriptions at once.
const MOST: usize = 64;
/// Wait before a server that ended our subscription is asked for another.
const PAUSE: Duration = Duration::from_secs(1);
/// Longer than any agent lives.
const AS_LONG_AS_WANTED: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The subscriptions of a modern agent.
#[derive(Default)]
pub(super) struct Listeners {
    is_modern: AtomicBool,
    all: Mutex<HashMap<Id, Filter>>,
}

/// What one of them is about.
#[derive(Debug, Default)]
struct Filter {
    lists: Vec<Method>,
    uris: BTreeSet<String>,
}

impl Listeners {
    /// The agent is a modern one: it hears only what it listens to.
    pub(super) fn is_modern(&self) {
        self.is_modern.store(true, Ordering::Relaxed);
    }

    /// Tells a modern agent what it listens to; false when the agent is a legacy one.
    pub(super) fn tell(&self, agent: &Agent, method: Method, params: Option<&RawValue>) -> bool {
        for (id, filter) in self.all().iter() {
            if filter.wants(method, params) {
                agent.notify(method.as_str(), Some(&addressed(params, id)));
            }
        }
        self.is_modern.load(Ordering::Relaxed)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Id, Filter>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Filter {
    fn of(wanted: &RawObject<'_>) -> Self {
        let lists = [
            ("toolsListChanged", Method::ToolsListChanged),
            ("promptsListChanged", Method::PromptsListChanged),
            ("resourcesListChanged", Method::ResourcesListChanged),
        ];
        let is_on = |key: &str| wanted.get(key).is_some_and(|value| value.get() == "true");
        let uris = wanted.get("resourceSubscriptions");
        Self {
            lists: lists.into_iter().filter(|(key, _)| is_on(key)).map(|(_, list)| list).collect(),
            uris: uris.and_then(|uris| serde_json::from_str(uris.get()).ok()).unwrap_or_default(),
        }
    }

    fn wants(&self, method: Method, params: Option<&RawValue>) -> bool {
        if method != Method::ResourcesUpdated {
            return self.lists.contains(&method);
        }
        let uri = RawObject::of_params(params).and_then(|params| params.get_str("uri"));
        uri.is_some_and(|uri| self.uris.contains(&uri))
    }
}

/// Params with the subscription that they belong to.
fn addressed(params: Option<&RawValue>, id: &Id) -> Box<RawValue> {
    let mut params = RawObject::of_params(params).unwrap_or_default();
    let old = params.get("_meta").map(ToOwned::to_owned);
    let mut meta = old.as_deref().and_then(RawObject::parse).unwrap_or_default();
    meta.set(key::SUBSCRIPTION_ID, id.to_raw());
    params.set("_meta", meta.to_raw());
    params.to_raw()
}

/// `subscriptions/listen`: lasts until the agent cancels it.
pub(super) async fn listen(
    bridge: &Arc<Bridge>,
    server: &Arc<Server>,
    request: &Request,
) -> Payload {
    let params = RawObject::of_params(request.params.as_deref()).unwrap_or_default();
    let wanted = params
        .get("notifications")
        .filter(|wanted| wanted.get().starts_with('{'))
        .ok_or_else(|| RpcError::invalid_params("`notifications` must say what to listen to"))?;
    let filter = RawObject::parse(wanted).map(|wanted| Filter::of(&wanted)).unwrap_or_default();
    let uris = filter.uris.clone();
    if bridge.listeners.all().len() >= MOST {
        return Err(RpcError::new(code::INTERNAL, "Too many subscriptions at once"));
    }
    bridge.listeners.all().insert(request.id.clone(), filter);
    let _place = Place { bridge, server, id: &request.id };
    let granted = raw_value(&json!({ "notifications": wanted }));
    let acknowledged = Method::SubscriptionsAcknowledged.as_str();
    bridge.agent.notify(acknowledged, Some(&addressed(Some(&granted), &request.id)));
    loop {
        let is_there = |standing: &Standing| matches!(standing, Standing::Connected);
        server.standing(AS_LONG_AS_WANTED, is_there).await;
        match server.client.connection().map(|connection| connection.era()) {
            Some(Era::Modern) => {
                let params = raw_value(&json!({ "notifications": wanted }));
                let mut call = OutCall::new(request.name.clone(), params);
                let (agent, id) = (Arc::clone(&bridge.agent), request.id.clone());
                call.sink = Some(Arc::new(Stream { agent, id }));
                // However it ends: it is wanted still.
                let _ended = server.client.call(call, lasting()).await;
            }
            Some(Era::Legacy) => {
                subscribe(server, "resources/subscribe", &uris).await;
                // From here on the client sets it again after each return.
                std::future::pending::<()>().await;
            }
            None => {}
        }
        sleep(PAUSE).await;
    }
}

fn lasting() -> Terms {
    Terms { deadline: AS_LONG_AS_WANTED, may_repeat: true, ..Terms::default() }
}

async fn subscribe(server: &Server, method: &'static str, uris: &BTreeSet<String>) {
    for uri in uris {
        let call = OutCall::new(method, raw_value(&json!({ "uri": uri })));
        // What the server refuses it will not tell about.
        let _granted = server.client.call(call, lasting()).await;
    }
}

/// A subscription's place; given back when the agent cancels it.
struct Place<'a> {
    bridge: &'a Arc<Bridge>,
    server: &'a Arc<Server>,
    id: &'a Id,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut all = self.bridge.listeners.all();
        let mut uris = all.remove(self.id).unwrap_or_default().uris;
        uris.retain(|uri| !all.values().any(|other| other.uris.contains(uri)));
        let is_legacy = self.server.client.revision().is_some_and(|it| it.era() == Era::Legacy);
        if is_legacy && !uris.is_empty() && !self.bridge.tasks.is_closed() {
            let server = Arc::clone(self.server);
            self.bridge.tasks.spawn(async move {
                subscribe(&server, "resources/unsubscribe", &uris).await;
            });
        }
    }
}

/// Takes what comes on a modern server's own stream for a subscription.
struct Stream {
    agent: Arc<Agent>,
    id: Id,
}

impl Sink for Stream {
    fn notification(&self, notification: Notification) {
        if notification.method != Method::SubscriptionsAcknowledged {
            let params = addressed(notification.params.as_deref(), &self.id);
            self.agent.notify(&notification.name, Some(&params));
        }
    }

    fn log_line(&self, _line: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_modern_agent_hears_what_it_listens_to_and_no_more() {
        let (agent, mut lines) = Agent::new();
        let listeners = Listeners::default();
        assert!(!listeners.tell(&agent, Method::ToolsListChanged, None), "a legacy agent");
        listeners.is_modern();
        let wanted =
            raw_value(&json!({ "toolsListChanged": true, "resourceSubscriptions": ["a:1"] }));
        let filter = Filter::of(&RawObject::parse(&wanted).expect("an object"));
        listeners.all().insert(Id::number(4), filter);
        let updated = |uri: &str| raw_value(&json!({ "uri": uri }));
        assert!(listeners.tell(&agent, Method::PromptsListChanged, None));
        assert!(listeners.tell(&agent, Method::ResourcesUpdated, Some(&updated("b:2"))));
        assert!(listeners.tell(&agent, Method::ResourcesUpdated, Some(&updated("a:1"))));
        assert!(listeners.tell(&agent, Method::ToolsListChanged, None));
        let first = lines.recv().await.expect("news");
        assert!(first.contains("a:1") && first.contains(r#"subscriptionId":4"#), "{first}");
        let second = lines.recv().await.expect("news");
        assert!(second.contains("tools/list_changed"), "{second}");
        assert!(lines.is_empty());
    }
}

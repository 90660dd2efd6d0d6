//! `subscriptions/listen`: the long streams on which modern clients hear of changes
//! (2026-07-28 `basic/patterns/subscriptions.mdx`).

use super::{StreamPlace, lock};
use crate::{
    call::{EventLog, Principal},
    upstream::TellTask,
};
use mcp_protocol::{
    Id, Method, RawObject, RawValue, RpcError, encode_notification, encode_result, key, raw_value,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

/// What a listener wants to hear of.
#[derive(Debug, Clone, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Filter {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) tools_list_changed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) prompts_list_changed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) resources_list_changed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) resource_subscriptions: Vec<String>,
    /// Of the tasks extension.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) task_ids: Vec<String>,
}

impl Filter {
    /// Reads the params of `subscriptions/listen`.
    ///
    /// # Errors
    /// `-32602` when `notifications` is missing or of the wrong shape, or names too many resources.
    pub(crate) fn of_params(params: Option<&RawValue>) -> Result<Self, RpcError> {
        const MOST: usize = 1_000;
        let params = RawObject::of_params(params).unwrap_or_default();
        let wanted = params
            .get("notifications")
            .and_then(|value| serde_json::from_str::<Self>(value.get()).ok());
        match wanted {
            Some(filter) if filter.resource_subscriptions.len() > MOST => {
                Err(RpcError::invalid_params(format!(
                    "`resourceSubscriptions` may name at most {MOST} resources"
                )))
            }
            Some(filter) if filter.task_ids.len() > MOST => {
                Err(RpcError::invalid_params(format!("`taskIds` may name at most {MOST} tasks")))
            }
            Some(filter) => Ok(filter),
            None => Err(RpcError::invalid_params(
                "`notifications` must be an object such as {\"toolsListChanged\": true}",
            )),
        }
    }

    fn wants(&self, method: Method, uri: Option<&str>) -> bool {
        match (method, uri) {
            (Method::ToolsListChanged, _) => self.tools_list_changed,
            (Method::PromptsListChanged, _) => self.prompts_list_changed,
            (Method::ResourcesListChanged, _) => self.resources_list_changed,
            (_, Some(uri)) => self.resource_subscriptions.iter().any(|wanted| wanted == uri),
            (_, None) => false,
        }
    }
}

struct Listening {
    principal: Option<Principal>,
    id: Id,
    filter: Filter,
    log: Arc<EventLog>,
}

impl Listening {
    fn tell_task(&self, params: &RawValue) {
        let mut params = RawObject::parse(params).unwrap_or_default();
        params.set_value("_meta", &json!({ key::SUBSCRIPTION_ID: self.id.to_raw() }));
        let method = Method::TasksChanged.as_str();
        self.log.push(encode_notification(method, Some(&params.to_raw())));
    }
}

#[derive(Default)]
struct Open {
    listeners: HashMap<u64, Listening>,
    opened: u64,
}

/// All open listeners.
#[derive(Clone, Default)]
pub(crate) struct Listeners(Arc<Mutex<Open>>);

/// A subscription to be.
pub(crate) struct Opened<'a> {
    /// Whose it is, if it is to end when the principal is gone.
    pub(crate) whose: Option<&'a Principal>,
    /// The id of the request that asked for it.
    pub(crate) id: Id,
    pub(crate) filter: Filter,
    pub(crate) place: StreamPlace,
}

/// A listener; stops listening when dropped.
pub(crate) struct Listener {
    open: Arc<Mutex<Open>>,
    number: u64,
    _place: StreamPlace,
}

impl Listener {
    /// Tells it how tasks are, as long as it listens.
    pub(crate) fn teller(&self) -> TellTask {
        let (open, number) = (Arc::clone(&self.open), self.number);
        Arc::new(move |params| {
            if let Some(listening) = lock(&open).listeners.get(&number) {
                listening.tell_task(params);
            }
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        lock(&self.open).listeners.remove(&self.number);
    }
}

impl Listeners {
    /// Acknowledges a subscription as the first message on its stream, and listens from then on.
    pub(crate) fn open(&self, opened: Opened<'_>, log: &Arc<EventLog>) -> Listener {
        let Opened { whose, id, filter, place } = opened;
        let mut open = lock(&self.0);
        let acknowledged =
            json!({ "_meta": { key::SUBSCRIPTION_ID: id.to_raw() }, "notifications": filter });
        log.push(encode_notification(
            Method::SubscriptionsAcknowledged.as_str(),
            Some(&raw_value(&acknowledged)),
        ));
        open.opened += 1;
        let number = open.opened;
        let (principal, log) = (whose.cloned(), Arc::clone(log));
        open.listeners.insert(number, Listening { principal, id, filter, log });
        drop(open);
        Listener { open: Arc::clone(&self.0), number, _place: place }
    }

    /// Tells every listener that wants to know.
    pub(crate) fn tell(&self, method: Method, uri: Option<&str>) {
        for listening in lock(&self.0).listeners.values() {
            if listening.filter.wants(method, uri) {
                let mut params =
                    json!({ "_meta": { key::SUBSCRIPTION_ID: listening.id.to_raw() } });
                if let Some(uri) = uri {
                    params["uri"] = Value::from(uri);
                }
                listening.log.push(encode_notification(method.as_str(), Some(&raw_value(&params))));
            }
        }
    }

    /// Tells every listener that wants to know how a task is.
    pub(crate) fn tell_task(&self, task: &str, params: &RawValue) {
        for listening in lock(&self.0).listeners.values() {
            if listening.filter.task_ids.iter().any(|wanted| wanted == task) {
                listening.tell_task(params);
            }
        }
    }

    /// Ends every listener with the result that says so.
    pub(crate) fn end_all(&self) {
        self.end(|_| true);
    }

    /// The same for those of some principals.
    pub(crate) fn end_of(&self, whose: impl Fn(&Principal) -> bool) {
        self.end(|listening| listening.principal.as_ref().is_some_and(&whose));
    }

    fn end(&self, which: impl Fn(&Listening) -> bool) {
        let mut open = lock(&self.0);
        let ended = open.listeners.extract_if(|_, listening| which(listening));
        for (_, listening) in ended {
            let result = json!({ "resultType": "complete", "_meta": { key::SUBSCRIPTION_ID: listening.id.to_raw() } });
            listening.log.push(encode_result(&listening.id, &raw_value(&result)));
            listening.log.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        call::{Bounds, Next},
        session::StreamPlaces,
    };
    use futures_util::task::noop_waker_ref;
    use std::task::{Context, Poll};

    fn read(log: &EventLog) -> Vec<String> {
        let mut cursor = log.read_from(Some(0));
        let mut task = Context::from_waker(noop_waker_ref());
        std::iter::from_fn(|| match log.poll_next(&mut cursor, &mut task) {
            Poll::Ready(Next::Entry(found)) => {
                Some(String::from_utf8_lossy(&found.entry.json).into_owned())
            }
            Poll::Ready(Next::End) | Poll::Pending => None,
        })
        .collect()
    }

    #[test]
    fn a_listener_hears_what_it_asked_for_under_its_own_id_and_nothing_else() {
        let (listeners, places) = (Listeners::default(), StreamPlaces::default());
        let (me, you) = (Principal::named("me"), Principal::named("you"));
        let log = Arc::new(EventLog::new(Bounds { events: 10, bytes: 10_000 }));
        let params = mcp_protocol::raw(
            r#"{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["a://b"],"new":1}}"#,
        );
        let filter = Filter::of_params(params.as_deref()).expect("valid");
        let place = places.take_below(1).expect("room");
        let opened = Opened { whose: Some(&me), id: Id::string("s"), filter, place };
        let listener = listeners.open(opened, &log);
        assert!(places.take_below(1).is_none(), "it has the place");
        listeners.tell(Method::PromptsListChanged, None);
        listeners.tell(Method::ResourcesUpdated, Some("c://d"));
        listeners.tell(Method::ToolsListChanged, None);
        listeners.tell(Method::ResourcesUpdated, Some("a://b"));
        listeners.end_of(|whose| *whose == you);
        assert!(!log.is_closed(), "another's stay");
        drop(listener);
        assert!(places.take_below(1).is_some(), "the place is free again");
        listeners.tell(Method::ToolsListChanged, None);
        let seen = read(&log);
        assert_eq!(seen.len(), 3, "{seen:?}");
        assert!(
            seen[0].contains("acknowledged")
                && seen.iter().all(|json| json.contains(r#"subscriptionId":"s""#))
        );
        assert!(seen[2].contains("a://b"));
    }
}

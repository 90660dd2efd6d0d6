//! `subscriptions/listen` at a modern upstream: kept open, and opened anew when it ends or
//! when other resources are wanted.

use super::{
    link::{Link, is_lost},
    one::Upstream,
    wanted::Wanted,
};
use mcp_client::{BoxFuture, ClientError, OutCall, Sink};
use mcp_protocol::{
    Era, Method, Notification, Payload, RawValue, Request, RpcError, code, raw_value,
};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Changes that come at once make one new subscription.
const GATHER: Duration = Duration::from_millis(20);

/// Listens for as long as the link is used. Does not end.
pub(super) async fn keep_listening(upstream: &Arc<Upstream>, link: &Arc<Link>) {
    let wanted = &upstream.lane(Era::Modern).wanted;
    let mut changes = wanted.changes();
    let mut wait = FIRST_WAIT;
    loop {
        changes.mark_unchanged();
        let Some(params) = params(link, wanted) else {
            // The sender lives in the lane, so this waits for a change.
            let _changed = changes.changed().await;
            continue;
        };
        let sink = Arc::new(ListenSink(Arc::downgrade(upstream)));
        let call = OutCall {
            sink: Some(sink),
            ..OutCall::new(Method::SubscriptionsListen.as_str(), params)
        };
        let began = tokio::time::Instant::now();
        let ended = tokio::select! {
            ended = link.connection.call(call) => ended,
            _ = changes.changed() => {
                tokio::time::sleep(GATHER).await;
                continue;
            }
        };
        if !may_listen_again(upstream, link, &ended) {
            return std::future::pending().await;
        }
        if began.elapsed() > LONGEST_WAIT {
            wait = FIRST_WAIT;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
        upstream.lane(Era::Modern).stale.suspect();
    }
}

/// Whether it makes sense to listen again on this link.
fn may_listen_again(
    upstream: &Upstream,
    link: &Link,
    ended: &Result<Payload, ClientError>,
) -> bool {
    match ended {
        Ok(Err(error)) if error.code == code::METHOD_NOT_FOUND => {
            upstream.dropped(Method::SubscriptionsListen.as_str(), "the upstream does not know it");
            false
        }
        Err(error) if is_lost(error) => {
            upstream.lane(Era::Modern).tell_lost(link.id, error);
            false
        }
        Ok(_) | Err(_) => true,
    }
}

/// What to ask for; `None` when there is nothing.
fn params(link: &Link, wanted: &Wanted) -> Option<Box<RawValue>> {
    let mut notifications = serde_json::Map::new();
    let offers = &link.offers;
    for (name, is_offered) in [
        ("toolsListChanged", offers.tools_changes),
        ("promptsListChanged", offers.prompts_changes),
        ("resourcesListChanged", offers.resources_changes),
    ] {
        if is_offered {
            notifications.insert(name.to_owned(), true.into());
        }
    }
    let uris = wanted.uris();
    if offers.subscriptions && !uris.is_empty() {
        notifications
            .insert("resourceSubscriptions".to_owned(), uris.iter().map(|uri| &**uri).collect());
    }
    (!notifications.is_empty())
        .then(|| raw_value(&serde_json::json!({ "notifications": notifications })))
}

/// Takes what comes on the subscription.
struct ListenSink(Weak<Upstream>);

impl Sink for ListenSink {
    fn notification(&self, notification: Notification) {
        let Some(upstream) = self.0.upgrade() else { return };
        let is_expected = notification.method == Method::SubscriptionsAcknowledged;
        if !is_expected && !upstream.hear(Era::Modern, &notification) {
            upstream.dropped(&notification.name, "it does not belong on a subscription");
        }
    }

    fn request(&self, request: Request) -> BoxFuture<'static, Payload> {
        let error = RpcError::method_not_found(&request.name);
        Box::pin(std::future::ready(Err(error)))
    }

    fn log_line(&self, _line: &str) {}
}

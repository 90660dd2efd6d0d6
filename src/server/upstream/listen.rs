//! `subscriptions/listen` at a modern upstream: kept open, and opened anew when it ends or
//! when other resources are wanted.

use super::{
    link::{Link, is_lost},
    one::Upstream,
    wanted::Wanted,
};
use mcp_client::{ClientError, OutCall, Sink};
use mcp_protocol::{Era, Method, Notification, Payload, RawValue, code, raw_value};
use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Changes that come at once make one new subscription.
const GATHER: Duration = Duration::from_millis(20);

/// One open subscription.
struct Subscription {
    ended: Pin<Box<dyn Future<Output = Result<Payload, ClientError>> + Send>>,
    in_force: Arc<AtomicBool>,
}

impl Subscription {
    /// Asks for what is wanted as of `version`; `None` when there is nothing to ask for.
    fn open(upstream: &Arc<Upstream>, link: &Arc<Link>, version: u64) -> Option<Self> {
        let params = params(link, &upstream.lane(Era::Modern).wanted)?;
        let in_force = Arc::new(AtomicBool::new(false));
        let sink =
            ListenSink { upstream: Arc::downgrade(upstream), version, in_force: in_force.clone() };
        let call = OutCall {
            sink: Some(Arc::new(sink)),
            ..OutCall::new(Method::SubscriptionsListen.as_str(), params)
        };
        let link = link.clone();
        let ended = Box::pin(async move { link.connection.call(call).await });
        Some(Self { ended, in_force })
    }

    /// Runs to its end. Until it is in force the one before it is kept open, so that nothing
    /// goes unheard in between.
    async fn run(&mut self, before: &mut Option<Self>) -> Result<Payload, ClientError> {
        poll_fn(|task| {
            let ended = self.ended.as_mut().poll(task);
            if self.in_force.load(Ordering::Acquire) {
                *before = None;
            }
            let is_over = |before: &mut Self| before.ended.as_mut().poll(task).is_ready();
            if before.as_mut().is_some_and(is_over) {
                *before = None;
            }
            ended
        })
        .await
    }
}

/// Listens for as long as the link is used. Does not end.
pub(super) async fn keep_listening(upstream: &Arc<Upstream>, link: &Arc<Link>) {
    let wanted = &upstream.lane(Era::Modern).wanted;
    let mut changes = wanted.changes();
    let mut wait = FIRST_WAIT;
    let mut before = None;
    loop {
        let version = *changes.borrow_and_update();
        let Some(mut subscription) = Subscription::open(upstream, link, version) else {
            before = None;
            wanted.in_force(version);
            // The sender lives in the lane, so this waits for a change.
            let _changed = changes.changed().await;
            continue;
        };
        let began = tokio::time::Instant::now();
        let ended = tokio::select! {
            ended = subscription.run(&mut before) => ended,
            _ = changes.changed() => {
                if subscription.in_force.load(Ordering::Acquire) {
                    before = Some(subscription);
                }
                tokio::time::sleep(GATHER).await;
                continue;
            }
        };
        // Nobody waits for an upstream that does not acknowledge.
        wanted.in_force(version);
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
struct ListenSink {
    upstream: Weak<Upstream>,
    version: u64,
    in_force: Arc<AtomicBool>,
}

impl Sink for ListenSink {
    fn notification(&self, notification: Notification) {
        let Some(upstream) = self.upstream.upgrade() else { return };
        if notification.method == Method::SubscriptionsAcknowledged {
            self.in_force.store(true, Ordering::Release);
            upstream.lane(Era::Modern).wanted.in_force(self.version);
        } else if !upstream.hear(Era::Modern, &notification) {
            upstream.dropped(&notification.name, "it does not belong on a subscription");
        }
    }

    fn log_line(&self, _line: &str) {}
}

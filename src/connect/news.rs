//! What the server sends unasked, on its way to the agent.

use super::{bridge::Bridge, known::List, say};
use mcp_client::{BoxFuture, Progress, Sink};
use mcp_protocol::{
    Method, Notification, Payload, RawObject, RawValue, Request, RpcError, code, key,
};
use std::sync::{Arc, Weak};
use tokio::sync::watch;

/// Takes what belongs to no call.
pub(super) struct News {
    /// Weak, since the bridge holds the client, which holds this.
    bridge: Weak<Bridge>,
    changes: watch::Sender<u64>,
}

impl News {
    pub(super) fn new(bridge: &Arc<Bridge>, changes: &watch::Sender<u64>) -> Self {
        Self { bridge: Arc::downgrade(bridge), changes: changes.clone() }
    }
}

impl Sink for News {
    fn notification(&self, notification: Notification) {
        let lists = List::changed_by(notification.method);
        if !lists.is_empty() {
            // Told once it is known what has changed.
            self.changes.send_modify(|count| *count += 1);
        } else if let Some(bridge) = self.bridge.upgrade() {
            pass(&bridge, &notification);
        }
    }

    fn request(&self, request: Request, progress: Option<Progress>) -> BoxFuture<'static, Payload> {
        ask(&self.bridge, request, progress)
    }

    fn log_line(&self, line: &str) {
        say(&format!("the server sent what is no message: {line}"));
    }
}

/// Takes what belongs to one call.
pub(super) struct CallNews {
    bridge: Weak<Bridge>,
    /// The agent's own token for its progress.
    token: Option<Box<RawValue>>,
}

impl CallNews {
    pub(super) fn new(bridge: &Arc<Bridge>, token: Option<Box<RawValue>>) -> Self {
        Self { bridge: Arc::downgrade(bridge), token }
    }
}

impl Sink for CallNews {
    fn notification(&self, notification: Notification) {
        let Some(bridge) = self.bridge.upgrade() else { return };
        match (&self.token, notification.method) {
            (Some(token), Method::Progress) => {
                let params = RawObject::of_params(notification.params.as_deref());
                let mut params = params.unwrap_or_default();
                params.set(key::PROGRESS_TOKEN, token.clone());
                bridge.agent.notify(&notification.name, Some(&params.to_raw()));
            }
            (None, Method::Progress) => {}
            // On a call's own stream, what is said is said to the one who called.
            (_, Method::LogMessage) => {
                bridge.agent.notify(&notification.name, notification.params.as_deref());
            }
            _ => pass(&bridge, &notification),
        }
    }

    fn request(&self, request: Request, progress: Option<Progress>) -> BoxFuture<'static, Payload> {
        ask(&self.bridge, request, progress)
    }

    fn log_line(&self, line: &str) {
        say(&format!("the server sent what is no message: {line}"));
    }
}

/// A modern agent hears what it listens to, a legacy one all.
fn pass(bridge: &Bridge, notification: &Notification) {
    let params = notification.params.as_deref();
    if !bridge.listeners.tell(&bridge.agent, notification.method, params) {
        bridge.agent.notify(&notification.name, params);
    }
}

fn ask(
    bridge: &Weak<Bridge>,
    request: Request,
    progress: Option<Progress>,
) -> BoxFuture<'static, Payload> {
    match bridge.upgrade() {
        Some(bridge) => bridge.agent.ask(request, progress),
        None => Box::pin(async { Err(RpcError::new(code::INTERNAL, "The client has gone")) }),
    }
}

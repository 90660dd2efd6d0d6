//! Hears what the server sends before the user does.

use super::{lists::is_list_changed, shared::Shared};
use crate::{BoxFuture, Progress, Sink};
use mcp_protocol::{Notification, Payload, RawValue, Request};
use std::sync::{Arc, Mutex, Weak};
use tokio::time::Instant;

/// The sink of every connection of one client.
pub(super) struct Ear {
    /// Weak, since the client holds the connection, which holds this.
    pub(super) shared: Weak<Shared>,
    pub(super) sink: Arc<dyn Sink>,
}

impl Ear {
    fn received(&self, params: Option<&RawValue>) {
        if let Some(shared) = self.shared.upgrade() {
            shared.ledger().received(params.map_or(0, |params| params.get().len()));
        }
    }
}

impl Sink for Ear {
    fn notification(&self, notification: Notification) {
        self.received(notification.params.as_deref());
        if is_list_changed(notification.method)
            && let Some(shared) = self.shared.upgrade()
        {
            shared.stale.notify_one();
        }
        self.sink.notification(notification);
    }

    fn request(&self, request: Request, progress: Option<Progress>) -> BoxFuture<'static, Payload> {
        self.received(request.params.as_deref());
        self.sink.request(request, progress)
    }

    fn log_line(&self, line: &str) {
        self.sink.log_line(line);
    }
}

/// The sink of a call whose deadline progress puts off.
pub(super) struct CallEar {
    pub(super) last: Arc<Mutex<Instant>>,
    /// Where everything goes: the call's own sink, or the client's.
    pub(super) sink: Arc<dyn Sink>,
    /// Whether the user asked for progress, too.
    pub(super) progress: bool,
}

impl Sink for CallEar {
    fn notification(&self, notification: Notification) {
        let is_progress = notification.method == mcp_protocol::Method::Progress;
        if is_progress {
            *super::shared::lock(&self.last) = Instant::now();
        }
        if self.progress || !is_progress {
            self.sink.notification(notification);
        }
    }

    fn request(&self, request: Request, progress: Option<Progress>) -> BoxFuture<'static, Payload> {
        self.sink.request(request, progress)
    }

    fn log_line(&self, line: &str) {
        self.sink.log_line(line);
    }
}

//! The way out for what a server sends unasked.

use crate::Progress;
use mcp_protocol::{Notification, Payload, Request, RpcError};
use std::future::ready;

/// A boxed future, for traits that are used as objects.
pub type BoxFuture<'a, T> = futures_util::future::BoxFuture<'a, T>;

/// Takes what a server sends unasked: on a connection as a whole, or while one call runs.
///
/// No method may block or wait: they are called by the task that reads the connection.
pub trait Sink: Send + Sync + 'static {
    /// A notification.
    fn notification(&self, notification: Notification);

    /// A request of the server, with the way back for progress if the server asked for it; the
    /// future's output is sent back as the answer. It is dropped when the server withdraws the
    /// request, or the connection ends. `ping` never comes here. Refused where a sink has no answers.
    fn request(
        &self,
        request: Request,
        _progress: Option<Progress>,
    ) -> BoxFuture<'static, Payload> {
        Box::pin(ready(Err(RpcError::method_not_found(&request.name))))
    }

    /// A line of the child's stderr, or what came in place of a message: at most 8 KiB.
    fn log_line(&self, line: &str);
}

/// Hears nothing, and has no answer: for a client that declares no capabilities.
#[derive(Debug, Clone, Copy)]
pub struct Deaf;

impl Sink for Deaf {
    fn notification(&self, _notification: Notification) {}

    fn log_line(&self, _line: &str) {}
}

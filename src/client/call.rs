//! One call as the user of a connection gives it.

use crate::Sink;
use mcp_protocol::RawValue;
use std::{borrow::Cow, sync::Arc};

/// A request to send.
#[derive(Clone)]
pub struct OutCall {
    /// The method's wire name.
    pub method: Cow<'static, str>,
    /// The params: the text of an object. `_meta.progressToken` and, in the modern era, the
    /// `io.modelcontextprotocol/` keys are set by the connection.
    pub params: Box<RawValue>,
    /// Whether to ask for progress.
    pub progress: bool,
    /// Headers that only HTTP sends along: `Mcp-Param-*`, values not yet encoded.
    pub headers: Vec<(String, String)>,
    /// Takes what belongs to this call alone: its progress, what comes on its own HTTP stream,
    /// and for `subscriptions/listen` its notifications. `None` is the connection's sink.
    pub sink: Option<Arc<dyn Sink>>,
}

impl OutCall {
    /// A call without progress, headers and sink of its own.
    #[must_use]
    pub fn new(method: impl Into<Cow<'static, str>>, params: Box<RawValue>) -> Self {
        Self { method: method.into(), params, progress: false, headers: Vec::new(), sink: None }
    }
}

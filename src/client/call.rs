//! One call as the user of a connection gives it.

use crate::Sink;
use mcp_protocol::RawValue;
use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

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
    /// Says whether it has left us; clones of the call share it.
    pub departure: Departure,
}

/// Whether a call may have reached its server: not while it waits for a connection or for its turn.
/// Who gives a call up looks at it once the call's future is dropped; then it is final.
#[derive(Debug, Clone, Default)]
pub struct Departure(Arc<Leaving>);

#[derive(Debug, Default)]
struct Leaving {
    has_left: AtomicBool,
    /// That of the whole call, of which this is one try.
    whole: Option<Departure>,
}

impl Departure {
    /// Whether a byte of it may have been written.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.0.has_left.load(Ordering::Acquire)
    }

    /// That of one try of this call.
    pub(crate) fn of_try(&self) -> Self {
        Self(Arc::new(Leaving { whole: Some(self.clone()), ..Leaving::default() }))
    }

    /// It is about to be written.
    pub(crate) fn leaves(&self) {
        self.0.has_left.store(true, Ordering::Release);
        if let Some(whole) = &self.0.whole {
            whole.leaves();
        }
    }
}

impl OutCall {
    /// A call without progress, headers and sink of its own.
    #[must_use]
    pub fn new(method: impl Into<Cow<'static, str>>, params: Box<RawValue>) -> Self {
        let (method, headers, departure) = (method.into(), Vec::new(), Departure::default());
        Self { method, params, progress: false, headers, sink: None, departure }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_left_when_one_try_of_it_has() {
        let whole = Departure::default();
        let (first, second) = (whole.of_try(), whole.of_try());
        assert!(!whole.has_left() && !first.has_left());
        first.leaves();
        assert!(whole.has_left() && first.has_left() && !second.has_left());
    }
}

//! The message itself as the later stages see it: who calls, in which era, and the way back
//! to that client while the call runs. Last in the order, so every stage may use it.

pub(crate) mod code;
mod events;
mod followed;
mod policy;
mod rejection;
mod waiting;

pub(crate) use events::{Bounds, Cursor, Entry, EventLog, Found, Journal, Next, epoch_start};
pub(crate) use followed::{Followed, Following};
pub(crate) use policy::{Pattern, ToolPolicy};
pub(crate) use rejection::{Refusal, Rejection};
pub(crate) use waiting::{Withdrawal, at_once, within};

use mcp_client::Progress;
use mcp_protocol::{Era, ModernMeta, Payload, RawValue, TASKS_EXTENSION};
use std::{future::Future, pin::Pin, sync::Arc, time::SystemTime};

/// A boxed future, for traits that are used as objects.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who a token belongs to, and what is theirs. Two of one name are the same principal.
#[derive(Debug, Clone)]
pub(crate) struct Principal(Arc<Known>);

#[derive(Debug, Clone)]
struct Known {
    name: Arc<str>,
    tools: ToolPolicy,
    until: Option<SystemTime>,
}

impl Principal {
    /// A principal of that name, who has every tool.
    #[must_use]
    pub(crate) fn named(name: &str) -> Self {
        Self(Arc::new(Known { name: name.into(), tools: ToolPolicy::default(), until: None }))
    }

    /// The same with these tools.
    #[must_use]
    pub(crate) fn with_tools(self, tools: ToolPolicy) -> Self {
        Self(Arc::new(Known { tools, ..Known::clone(&self.0) }))
    }

    /// The same, known by a token that ends.
    #[must_use]
    pub(crate) fn known_until(self, until: SystemTime) -> Self {
        Self(Arc::new(Known { until: Some(until), ..Known::clone(&self.0) }))
    }

    /// Whether the token that it is known by has ended. What outlives a request asks again.
    #[must_use]
    pub(crate) fn has_expired(&self) -> bool {
        self.0.until.is_some_and(|until| until <= SystemTime::now())
    }

    /// The name.
    #[must_use]
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether it is whoever runs the server: the main token, or anybody where none is asked for.
    /// No other principal can have these names.
    #[must_use]
    pub(crate) fn is_operator(&self) -> bool {
        matches!(self.name(), "token" | "anonymous")
    }

    /// The name, to keep.
    #[must_use]
    pub(crate) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.0.name)
    }

    /// Which tools it has.
    #[must_use]
    pub(crate) fn tools(&self) -> &ToolPolicy {
        &self.0.tools
    }
}

impl PartialEq for Principal {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Principal {}

impl std::hash::Hash for Principal {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

/// The way to a client that waits: for one call, or for its whole session.
///
/// Neither method blocks: what does not fit the client's bounded stream is dropped there and
/// accounted for there.
pub(crate) trait Downstream: Send + Sync {
    /// Sends a notification.
    fn notify(&self, method: &str, params: Option<Box<RawValue>>);

    /// Asks the client (sampling, elicitation, roots) and waits for its answer. Dropping the
    /// future withdraws the question. Legacy era only: a modern client is never asked, and
    /// answers `-32601` here.
    fn ask(&self, question: Question<'_>) -> BoxFuture<'static, Payload>;
}

/// What a client is asked.
pub(crate) struct Question<'a> {
    /// The method's wire name.
    pub(crate) method: &'a str,
    /// Its params, with the progress token of whoever asks.
    pub(crate) params: Option<Box<RawValue>>,
    /// Takes what the client reports before its answer, if there is such a token.
    pub(crate) progress: Option<Progress>,
}

/// The legacy session a call belongs to, as far as later stages may know it.
#[derive(Clone)]
pub(crate) struct SessionRef {
    /// The session's id.
    pub(crate) id: Arc<str>,
    /// The client's capabilities as declared in `initialize`: the text of an object.
    pub(crate) capabilities: Arc<RawValue>,
    /// The way to the session as a whole, for what belongs to none of its calls.
    pub(crate) downstream: Arc<dyn Downstream>,
}

/// Who calls, and how to reach them while the call runs.
#[derive(Clone)]
pub(crate) struct Caller {
    /// Whose token came with the call.
    pub(crate) principal: Principal,
    /// The era the call came in.
    pub(crate) era: Era,
    /// The session; legacy only.
    pub(crate) session: Option<SessionRef>,
    /// What the request said of itself; modern only.
    pub(crate) modern: Option<Arc<ModernMeta>>,
    /// The way to the client that waits for this call.
    pub(crate) downstream: Arc<dyn Downstream>,
}

impl Caller {
    /// Whether the call may be answered with a task.
    pub(crate) fn takes_tasks(&self) -> bool {
        self.modern.as_ref().is_some_and(|meta| meta.has_extension(TASKS_EXTENSION))
    }
}

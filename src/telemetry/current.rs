//! Which call the running code belongs to: set while a scope's future is polled, so that an
//! attempt finds its call without being handed it.

use mcp_protocol::TraceContext;
use pin_project_lite::pin_project;
use std::{
    cell::RefCell,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tracing::Span;

/// What a call and its attempts share.
#[derive(Debug)]
pub(crate) struct Call {
    /// The SERVER span.
    pub(crate) span: Span,
    /// The valid trace context that came with the call, if any.
    pub(crate) incoming: TraceContext,
    upstream_nanos: AtomicU64,
}

impl Call {
    pub(crate) fn new(span: Span, incoming: TraceContext) -> Self {
        Self { span, incoming, upstream_nanos: AtomicU64::new(0) }
    }

    /// Adds time that the call waited for an upstream.
    pub(crate) fn waited(&self, elapsed: Duration) {
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.upstream_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// All time that it waited for upstreams.
    pub(crate) fn upstream_time(&self) -> Duration {
        Duration::from_nanos(self.upstream_nanos.load(Ordering::Relaxed))
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Call>>> = const { RefCell::new(None) };
}

/// The call whose future is being polled on this thread.
pub(crate) fn current() -> Option<Arc<Call>> {
    CURRENT.with_borrow(Clone::clone)
}

struct Restore(Option<Arc<Call>>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| *current = self.0.take());
    }
}

pin_project! {
    /// A future that is polled inside a call and a span.
    #[must_use = "futures do nothing unless polled"]
    pub(crate) struct Within<F> {
        #[pin]
        inner: F,
        call: Option<Arc<Call>>,
        span: Span,
    }
}

impl<F> Within<F> {
    pub(crate) fn new(inner: F, call: Option<Arc<Call>>, span: Span) -> Self {
        Self { inner, call, span }
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let before =
            CURRENT.with_borrow_mut(|current| std::mem::replace(current, this.call.clone()));
        let _restore = Restore(before);
        let inner = this.inner;
        this.span.in_scope(|| inner.poll(task))
    }
}

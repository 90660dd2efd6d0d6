//! Which call the running code belongs to: set while a scope's future is polled, so that an
//! attempt finds its call without being handed it.

use crate::span::{Ids, Span};
use mcp_protocol::TraceContext;
use opentelemetry::{Context as Around, trace::SpanContext};
use pin_project_lite::pin_project;
use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

/// What a call and its attempts share.
#[derive(Debug)]
pub(crate) struct Call {
    /// The SERVER span as its children know it.
    pub(crate) span: SpanContext,
    /// The valid trace context that came with the call, if any.
    pub(crate) incoming: TraceContext,
    upstream_nanos: AtomicU64,
}

impl Call {
    pub(crate) fn new(span: SpanContext, incoming: TraceContext) -> Self {
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
    static CALL: RefCell<Option<Arc<Call>>> = const { RefCell::new(None) };
    static SPAN: Cell<Option<Ids>> = const { Cell::new(None) };
}

/// The call whose future is being polled on this thread.
pub(crate) fn current() -> Option<Arc<Call>> {
    CALL.with_borrow(Clone::clone)
}

/// The span of the running code, for log lines.
pub(crate) fn ids() -> Option<Ids> {
    SPAN.get()
}

/// Runs code inside a span, as far as log lines are concerned.
pub(crate) fn in_span<T>(span: Option<Ids>, run: impl FnOnce() -> T) -> T {
    let _restore = RestoreSpan(SPAN.replace(span));
    run()
}

struct RestoreSpan(Option<Ids>);

impl Drop for RestoreSpan {
    fn drop(&mut self) {
        SPAN.set(self.0);
    }
}

/// Puts a call in the place of the current one, and back again when dropped.
struct Swapped<'a>(&'a mut Option<Arc<Call>>);

impl<'a> Swapped<'a> {
    fn new(call: &'a mut Option<Arc<Call>>) -> Self {
        CALL.with_borrow_mut(|current| std::mem::swap(current, call));
        Self(call)
    }
}

impl Drop for Swapped<'_> {
    fn drop(&mut self) {
        CALL.with_borrow_mut(|current| std::mem::swap(current, self.0));
    }
}

pin_project! {
    /// A future that is polled inside a call and a span.
    #[must_use = "futures do nothing unless polled"]
    pub(crate) struct Within<F> {
        #[pin]
        inner: F,
        call: Option<Arc<Call>>,
        span: Option<Ids>,
        around: Option<Around>,
    }
}

impl<F> Within<F> {
    pub(crate) fn new(inner: F, call: Option<Arc<Call>>, span: &Span) -> Self {
        Self { inner, call, span: span.ids(), around: span.around() }
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _swapped = Swapped::new(this.call);
        let _attached = this.around.clone().map(Around::attach);
        in_span(*this.span, || this.inner.poll(task))
    }
}

//! Clients that go away while calls of theirs are in flight, and come back: the trace of each such
//! call tells of both.

use crate::{Event, Telemetry, current::in_span, span::Ids};
use opentelemetry::trace::SpanContext;
use tokio::time::Instant;

/// A call whose trace is recorded, as it is known while it runs and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallTrace(SpanContext);

impl CallTrace {
    /// `None` for a call that is not sampled: nobody would see it.
    pub(crate) fn of(span: &SpanContext) -> Option<Self> {
        span.is_sampled().then(|| Self(span.clone()))
    }

    pub(crate) fn context(&self) -> &SpanContext {
        &self.0
    }

    fn ids(&self) -> Ids {
        (self.0.trace_id(), self.0.span_id())
    }
}

/// A client that is away. Dropped, it never came back, and nothing more is told.
#[derive(Debug)]
pub struct ClientAway {
    telemetry: Telemetry,
    calls: Vec<CallTrace>,
    since: Instant,
}

impl ClientAway {
    pub(crate) fn new(telemetry: &Telemetry, calls: Vec<CallTrace>) -> Self {
        let away = Self { telemetry: telemetry.clone(), calls, since: Instant::now() };
        away.tell(|call| Event::ClientLost { call });
        away
    }

    /// It is there again.
    pub fn returned(self) {
        let away = self.since.elapsed();
        self.tell(|call| Event::ClientReturned { call, away });
    }

    fn tell<'a>(&'a self, event: impl Fn(&'a CallTrace) -> Event<'a>) {
        for call in &self.calls {
            in_span(Some(call.ids()), || self.telemetry.emit(&event(call)));
        }
    }
}

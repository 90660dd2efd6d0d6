//! The SSE body: reads a stream's log, and keeps the connection alive while it is silent.

use crate::{
    call::{Cursor, EventLog, Found, Next},
    session::{EventId, Kept, StreamId},
};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use mcp_protocol::{
    Method, encode_notification,
    sse::{KEEP_ALIVE, encode_event, encode_priming},
};
use mcp_telemetry::{Direction, Event, StreamScope, Telemetry, Transport};
use std::{
    collections::VecDeque,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Interval, MissedTickBehavior};

/// How often a silent stream sends a comment.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);
/// How long a client should wait before it comes back, in milliseconds.
const RETRY_MS: u64 = 500;

/// Something that lives exactly as long as the stream.
pub(super) trait Attached: Send {}
impl<T: Send> Attached for T {}

/// A response body that streams a log.
pub(super) struct SseBody {
    log: Arc<EventLog>,
    cursor: Cursor,
    /// Its name, and the requests that it answers, if a client can come back to it.
    name: Option<(StreamId, Arc<str>)>,
    /// Written before the next event.
    news: VecDeque<Bytes>,
    priming: Option<String>,
    /// Events up to this number were written before the client came back.
    replay_to: u64,
    keep_alive: Interval,
    telemetry: Telemetry,
    /// Drives a modern call; dropped with the body, which cancels the call.
    driver: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    _scope: StreamScope,
    _attached: Vec<Box<dyn Attached>>,
}

impl SseBody {
    /// Streams a log from where its last reader stopped, or from after `after`.
    pub(super) fn new(log: &Arc<EventLog>, after: Option<u64>, telemetry: &Telemetry) -> Self {
        let start = tokio::time::Instant::now() + KEEP_ALIVE_EVERY;
        let mut keep_alive = tokio::time::interval_at(start, KEEP_ALIVE_EVERY);
        keep_alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            log: Arc::clone(log),
            cursor: log.read_from(after),
            name: None,
            news: VecDeque::new(),
            priming: None,
            replay_to: 0,
            keep_alive,
            telemetry: telemetry.clone(),
            driver: None,
            _scope: telemetry.stream_opened(Transport::Http),
            _attached: Vec::new(),
        }
    }

    /// Gives events ids, so that a client can come back to them; `prime` for clients that
    /// understand an event without data.
    pub(super) fn resumable(mut self, kept: &Kept, prime: bool) -> Self {
        self.name = Some((kept.id, Arc::clone(&kept.awaited)));
        let last = self.cursor.last();
        self.priming =
            self.id_of(last, false).filter(|_| prime).map(|id| encode_priming(&id, RETRY_MS));
        self
    }

    /// The id of an event; the last one of a stream leaves nobody waiting.
    fn id_of(&self, number: u64, is_last: bool) -> Option<String> {
        let (stream, awaited) = self.name.as_ref()?;
        let awaited = Some(&**awaited).filter(|awaited| !is_last && !awaited.is_empty());
        Some(EventId::text(*stream, number, awaited))
    }

    /// Tells the client to read every list again: it may have missed a change.
    pub(super) fn with_news(mut self) -> Self {
        self.tell_news();
        self
    }

    fn tell_news(&mut self) {
        for method in
            [Method::ToolsListChanged, Method::PromptsListChanged, Method::ResourcesListChanged]
        {
            let event = encode_event(None, &encode_notification(method.as_str(), None));
            self.news.push_back(Bytes::from(event));
        }
    }

    /// Counts what was written before now as sent again.
    pub(super) fn replaying(mut self) -> Self {
        self.replay_to = self.log.last_number();
        self
    }

    /// Runs a future as long as the body is read.
    pub(super) fn driven_by(mut self, driver: Pin<Box<dyn Future<Output = ()> + Send>>) -> Self {
        self.driver = Some(driver);
        self
    }

    /// Keeps something until the body is gone.
    pub(super) fn with(mut self, attached: impl Attached + 'static) -> Self {
        self._attached.push(Box::new(attached));
        self
    }

    /// Puts an event after what its reader must know before it.
    fn queue(&mut self, Found { entry, missed, is_last }: Found) {
        let transport = Transport::Http;
        if missed > 0 {
            self.telemetry.emit(&Event::StreamGap { transport, missed });
            if matches!(self.name, Some((StreamId::GENERAL, _))) {
                self.tell_news();
            }
        }
        self.telemetry.emit(&Event::StreamEventSent { transport });
        if entry.number <= self.replay_to {
            self.telemetry.emit(&Event::StreamEventsReplayed { transport, count: 1 });
        }
        let (direction, bytes) = (Direction::Out, entry.json.len());
        self.telemetry.emit(&Event::MessageTransferred { transport, direction, bytes });
        let id = self.id_of(entry.number, is_last);
        let event = encode_event(id.as_deref(), &String::from_utf8_lossy(&entry.json));
        self.news.push_back(Bytes::from(event));
    }
}

impl Drop for SseBody {
    fn drop(&mut self) {
        if self.log.is_awaited_by(&self.cursor) {
            self.log.followed.client_lost(&self.telemetry);
        }
    }
}

impl Body for SseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        let data = |bytes: Bytes| Poll::Ready(Some(Ok(Frame::data(bytes))));
        if let Some(priming) = this.priming.take() {
            return data(Bytes::from(priming));
        }
        if this.driver.as_mut().is_some_and(|driver| driver.as_mut().poll(task).is_ready()) {
            this.driver = None;
        }
        if let Some(event) = this.news.pop_front() {
            return data(event);
        }
        match this.log.poll_next(&mut this.cursor, task) {
            Poll::Ready(Next::Entry(found)) => {
                this.keep_alive.reset();
                this.queue(found);
                this.news.pop_front().map_or(Poll::Ready(None), data)
            }
            Poll::Ready(Next::End) => Poll::Ready(None),
            Poll::Pending => match this.keep_alive.poll_tick(task) {
                Poll::Ready(_) => data(Bytes::from_static(KEEP_ALIVE.as_bytes())),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

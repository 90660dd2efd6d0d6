//! One SSE stream: its events read, its messages sent where they belong.

use super::link::{Link, reason};
use crate::{
    ClientError, Ending, Sink,
    fate::closed,
    incoming::{self, Incoming, shown},
    prepare::Outgoing,
};
use mcp_protocol::{
    Era, Message, Method, Notification, Payload, Response as Answer,
    sse::{SseEvent, SseReader},
};
use reqwest::Response;
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// How far a stream was read, over all its connections.
#[derive(Default)]
pub(super) struct Place {
    /// The last event with an id.
    pub(super) last_id: Option<String>,
    /// How long the server wants us to wait before coming back.
    pub(super) retry: Option<Duration>,
}

/// Why a stream gives no answer.
pub(super) enum Broken {
    /// It ended or failed.
    Lost(String),
    /// One event was larger than allowed.
    TooLarge,
}

/// The events of one response.
pub(super) struct Events {
    response: Response,
    reader: SseReader,
    ready: VecDeque<SseEvent>,
    is_too_large: bool,
}

impl Events {
    pub(super) fn new(response: Response, max_message: usize) -> Self {
        let reader = SseReader::new(max_message);
        Self { response, reader, ready: VecDeque::new(), is_too_large: false }
    }

    /// The next event, with its place noted.
    pub(super) async fn next(&mut self, place: &mut Place) -> Result<SseEvent, Broken> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                place.note(&event);
                return Ok(event);
            }
            if self.is_too_large {
                return Err(Broken::TooLarge);
            }
            let chunk =
                self.response.chunk().await.map_err(|error| Broken::Lost(reason(&error)))?;
            let chunk = chunk.ok_or_else(|| Broken::Lost("the stream ended".to_owned()))?;
            // What came before the one that is too large counts.
            self.is_too_large = self.reader.push(&chunk, &mut self.ready).is_err();
        }
    }

    /// The response, to read it to its end.
    pub(super) fn into_response(self) -> Response {
        self.response
    }
}

impl Place {
    fn note(&mut self, event: &SseEvent) {
        if event.id.as_ref().is_some_and(|id| !id.is_empty()) {
            self.last_id.clone_from(&event.id);
        }
        if let Some(retry) = event.retry_ms {
            self.retry = Some(Duration::from_millis(retry));
        }
    }
}

/// The messages of an event. Events of other types, and those without data, have none.
pub(super) fn messages(event: &SseEvent) -> Vec<Incoming> {
    let is_message = event.event.as_deref().is_none_or(|name| name == "message");
    if is_message && !event.data.trim().is_empty() {
        incoming::read(event.data.as_bytes())
    } else {
        Vec::new()
    }
}

/// Takes one thing off a call's own stream or body, or off the stream in the background
/// (`call` is `None`); the answer to the call is given back.
pub(super) fn take(
    link: &Link,
    call: Option<&Outgoing>,
    item: Incoming,
) -> Option<Result<Payload, ClientError>> {
    let own_sink = call.and_then(|call| call.sink.as_ref());
    match item {
        Incoming::Message(Message::Response(Answer { id, payload })) => {
            let ours = match &id {
                Some(id) => incoming::our_number(id) == call.map(|call| call.id),
                None => payload.is_err(),
            };
            return call.filter(|_| ours).map(|_| Ok(payload));
        }
        Incoming::Message(Message::Notification(notification)) => {
            notify(link, own_sink, notification)
        }
        Incoming::Message(Message::Request(request)) => {
            let era = link.era().unwrap_or(Era::Legacy);
            link.questions.ask(request, era, own_sink.unwrap_or(&link.sink));
        }
        Incoming::Bad { answers, reason } => {
            let ours = answers.as_ref().and_then(incoming::our_number);
            if call.is_some_and(|call| ours == Some(call.id)) {
                return Some(Err(ClientError::Protocol(reason)));
            }
            link.sink.log_line(&shown(format!("not a message: {reason}").as_bytes()));
        }
    }
    None
}

fn notify(link: &Link, own_sink: Option<&Arc<dyn Sink>>, notification: Notification) {
    if notification.method == Method::Progress {
        // Without a listener it belongs to a call that has ended.
        if let Some(sink) =
            incoming::progress_of(&notification).and_then(|token| link.listeners.find(token))
        {
            sink.notification(notification);
        }
    } else if notification.method == Method::Cancelled {
        if let Some(id) = incoming::withdrawn_by(&notification) {
            link.questions.withdraw(&id);
        }
    } else {
        own_sink.unwrap_or(&link.sink).notification(notification);
    }
}

/// The error of a call whose exchange broke after it was sent.
pub(super) const fn lost(reason: String) -> ClientError {
    closed(true, Ending::Lost(reason))
}

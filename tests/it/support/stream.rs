//! The messages of one HTTP answer, whether it came as JSON or as an event stream.

use super::within;
use serde_json::Value;
use std::collections::VecDeque;

/// An answer that may still be arriving. Dropping it closes its connection.
pub struct Messages {
    response: reqwest::Response,
    events: bool,
    buffer: Vec<u8>,
    ready: VecDeque<Value>,
    /// Ids of the events seen, in order.
    pub ids: Vec<String>,
    /// How many events came without data.
    pub empty: usize,
}

impl Messages {
    /// Starts reading an answer.
    pub fn of(response: reqwest::Response) -> Self {
        let events = content_type(&response).starts_with("text/event-stream");
        Self {
            response,
            events,
            buffer: Vec::new(),
            ready: VecDeque::new(),
            ids: Vec::new(),
            empty: 0,
        }
    }

    /// Whether the answer is an event stream.
    pub fn is_stream(&self) -> bool {
        self.events
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The next message; `None` at the end. Fails the test after 30 s without either.
    pub async fn next(&mut self) -> Option<Value> {
        within(30, "the next message of a stream", self.read()).await
    }

    async fn read(&mut self) -> Option<Value> {
        self.try_next().await.expect("the stream stays readable")
    }

    /// The next message, of a stream that may be cut: then an error.
    pub async fn try_next(&mut self) -> Result<Option<Value>, reqwest::Error> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(Some(message));
            }
            match self.response.chunk().await? {
                Some(chunk) => self.take(&chunk),
                None if self.events || self.buffer.is_empty() => return Ok(None),
                None => {
                    let body = std::mem::take(&mut self.buffer);
                    return Ok(Some(serde_json::from_slice(&body).expect("the body is JSON")));
                }
            }
        }
    }

    /// The id of the first event, which comes at once and has no message.
    pub async fn primed(&mut self) -> String {
        while self.ids.is_empty() {
            let chunk = within(30, "the first event", self.response.chunk()).await;
            self.take(&chunk.expect("readable").expect("the stream goes on"));
        }
        self.ids[0].clone()
    }

    /// The next message for which `wanted` holds; the ones before it are left out.
    pub async fn find(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            match self.next().await {
                Some(message) if wanted(&message) => return message,
                Some(_) => {}
                None => panic!("the stream ended before {what}"),
            }
        }
    }

    /// The answer to the request: the message with `result` or `error`.
    pub async fn answer(&mut self) -> Value {
        self.find("its answer", |message| message.get("result").or(message.get("error")).is_some())
            .await
    }

    /// The next message of that method.
    pub async fn method(&mut self, method: &str) -> Value {
        self.find(method, |message| message["method"] == method).await
    }

    fn take(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
        if !self.events {
            return;
        }
        while let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = self.buffer.drain(..end + 2).collect();
            self.event(std::str::from_utf8(&event).expect("an event is UTF-8"));
        }
    }

    fn event(&mut self, event: &str) {
        self.ids.extend(field(event, "id:").into_iter().map(str::to_owned));
        let data = field(event, "data:").join("\n");
        if data.is_empty() {
            self.empty += usize::from(event.lines().any(|line| line.starts_with("data")));
        } else {
            self.ready
                .push_back(serde_json::from_str(&data).expect("the data of an event is JSON"));
        }
    }
}

/// The values of one field of an event.
fn field<'a>(event: &'a str, name: &str) -> Vec<&'a str> {
    event.lines().filter_map(|line| line.strip_prefix(name)).map(str::trim_start).collect()
}

/// The `Content-Type` of an answer, empty if it has none.
fn content_type(response: &reqwest::Response) -> &str {
    response.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default()
}

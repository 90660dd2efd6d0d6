//! Streamable HTTP with what the protocol and operation ask of any server, and nothing else:
//! checks of Accept, Content-Type, Origin, revision and session, a table of sessions, a table of
//! tools, a histogram of latencies, an event stream for each session that wants one.

use crate::answer::{Incoming, REVISION, Tools};
use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::post,
};
use bytes::Bytes;
use http_body_util::StreamBody;
use hyper::body::Frame;
use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use tokio::{sync::mpsc, time::Instant};
use uuid::Uuid;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

struct Session {
    revision: &'static str,
    last_used: Mutex<Instant>,
    stream: Mutex<Option<mpsc::Sender<Bytes>>>,
}

struct Floor {
    sessions: Mutex<HashMap<Uuid, Arc<Session>>>,
    tools: Tools,
    latency: Latency,
}

/// A histogram with a bucket for each power of four nanoseconds.
#[derive(Default)]
struct Latency {
    buckets: [AtomicU64; 16],
    sum: AtomicU64,
}

impl Latency {
    fn record(&self, started: Instant) {
        let nanos = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1);
        let bucket = (nanos.ilog2() / 2).min(15) as usize;
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum.fetch_add(nanos, Relaxed);
    }
}

/// The floor's paths.
pub(crate) fn router() -> Router {
    let floor =
        Floor { sessions: Mutex::default(), tools: Tools::new(), latency: Latency::default() };
    let methods = post(on_post).get(on_get).delete(on_delete);
    Router::new().route("/mcp", methods).with_state(Arc::new(floor))
}

impl Floor {
    fn session(&self, headers: &HeaderMap) -> Result<(Uuid, Arc<Session>), StatusCode> {
        let id = headers.get(SESSION).ok_or(StatusCode::BAD_REQUEST)?;
        let id = Uuid::try_parse_ascii(id.as_bytes()).map_err(|_| StatusCode::NOT_FOUND)?;
        let session = lock(&self.sessions).get(&id).cloned().ok_or(StatusCode::NOT_FOUND)?;
        match headers.get(VERSION) {
            Some(version) if version.as_bytes() != session.revision.as_bytes() => {
                Err(StatusCode::BAD_REQUEST)
            }
            _ => Ok((id, session)),
        }
    }

    fn open(&self) -> HeaderValue {
        let (now, id) = (Instant::now(), Uuid::new_v4());
        let session = Session { revision: REVISION, last_used: now.into(), stream: None.into() };
        lock(&self.sessions).insert(id, Arc::new(session));
        let text = id.hyphenated().to_string();
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn check(headers: &HeaderMap, wanted: &[&str]) -> Result<(), StatusCode> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let accept = accept.unwrap_or_default();
    let takes = |wanted: &&str| {
        accept.split(',').any(|part| part.split(';').next().unwrap_or_default().trim() == *wanted)
    };
    if !wanted.iter().all(takes) {
        return Err(StatusCode::NOT_ACCEPTABLE);
    }
    match headers.get(header::ORIGIN) {
        Some(origin) if !origin.as_bytes().starts_with(b"http://127.0.0.1") => {
            Err(StatusCode::FORBIDDEN)
        }
        _ => Ok(()),
    }
}

async fn on_post(
    State(floor): State<Arc<Floor>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, StatusCode> {
    check(&headers, &["application/json", "text/event-stream"])?;
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if !content_type.is_some_and(|value| value.starts_with(b"application/json")) {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let message = Incoming::parse(&body).ok_or(StatusCode::BAD_REQUEST)?;
    if message.method == "initialize" {
        let answer = floor.tools.answer(&message).ok_or(StatusCode::BAD_REQUEST)?;
        return Ok(
            ([(header::CONTENT_TYPE, JSON), (SESSION, floor.open())], answer).into_response()
        );
    }
    let (_, session) = floor.session(&headers)?;
    let started = Instant::now();
    *lock(&session.last_used) = started;
    let Some(answer) = floor.tools.answer(&message) else {
        return Ok(StatusCode::ACCEPTED.into_response());
    };
    floor.latency.record(started);
    Ok(([(header::CONTENT_TYPE, JSON)], answer).into_response())
}

async fn on_get(
    State(floor): State<Arc<Floor>>,
    headers: HeaderMap,
) -> Result<Response, StatusCode> {
    check(&headers, &["text/event-stream"])?;
    let (_, session) = floor.session(&headers)?;
    let (sender, receiver) = mpsc::channel::<Bytes>(16);
    *lock(&session.stream) = Some(sender);
    let events = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let event = receiver.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(event)), receiver))
    });
    Ok(([(header::CONTENT_TYPE, EVENTS)], Body::new(StreamBody::new(events))).into_response())
}

async fn on_delete(
    State(floor): State<Arc<Floor>>,
    headers: HeaderMap,
) -> Result<StatusCode, StatusCode> {
    let (id, _) = floor.session(&headers)?;
    lock(&floor.sessions).remove(&id);
    Ok(StatusCode::NO_CONTENT)
}

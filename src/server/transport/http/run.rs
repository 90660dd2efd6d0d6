//! From a call to an HTTP answer: plain JSON where it comes at once, an event stream where the
//! call says something on its way or takes its time.

use super::{
    answer::{encode, events, json, status},
    body::SseBody,
};
use crate::{
    call::{BoxFuture, EventLog},
    pipeline::Stages,
    session::{Awaited, Session},
};
use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use mcp_protocol::{Era, Id, Payload};
use mcp_telemetry::Telemetry;
use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio_util::task::TaskTracker;

/// A call that has not ended after this goes over to an event stream.
const PATIENCE: Duration = Duration::from_millis(100);

/// What a running call, or batch of calls, ends with: the texts to send.
pub(super) type Running = BoxFuture<'static, Vec<String>>;

/// Runs a legacy call to its end, also when nobody waits any more: in this era a client that
/// goes away has not withdrawn its call.
struct RunsOn {
    running: Option<Running>,
    log: Arc<EventLog>,
    tasks: TaskTracker,
    telemetry: Telemetry,
}

impl RunsOn {
    fn detach(&mut self) {
        if let Some(running) = self.running.take() {
            self.tasks.spawn(finish(running, Arc::clone(&self.log)));
        }
    }
}

impl Future for RunsOn {
    type Output = Vec<String>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Vec<String>> {
        let Some(running) = self.running.as_mut() else { return Poll::Pending };
        let ended = running.as_mut().poll(task);
        if ended.is_ready() {
            self.running = None;
        }
        ended
    }
}

impl Drop for RunsOn {
    fn drop(&mut self) {
        if self.running.is_some() {
            // Nobody waits for the answer, which has not become a stream yet.
            self.log.followed.caller_lost(&self.telemetry);
        }
        self.detach();
    }
}

/// Writes what a call ends with to its stream, and ends the stream.
async fn finish(running: Running, log: Arc<EventLog>) {
    log.end_with(running.await);
}

/// Waits a moment for the end of a call; `None` when it is time to stream.
async fn at_once(
    running: &mut (impl Future<Output = Vec<String>> + Unpin),
    log: &EventLog,
) -> Option<Vec<String>> {
    tokio::select! {
        biased;
        ended = running => Some(ended),
        () = poll_fn(|task| log.poll_touched(task)) => None,
        () = tokio::time::sleep(PATIENCE) => None,
    }
}

/// The stream that a legacy call or batch would go over to.
pub(super) struct Streamed<'a> {
    pub(super) session: &'a Arc<Session>,
    pub(super) log: Arc<EventLog>,
    pub(super) awaited: Awaited,
}

/// Answers a legacy call or batch.
pub(super) async fn legacy(
    stages: &Stages,
    Streamed { session, log, awaited }: Streamed<'_>,
    running: Running,
    plain: impl FnOnce(Vec<String>) -> Response,
) -> Response {
    let (tasks, telemetry) = (stages.tasks.clone(), stages.telemetry.clone());
    let mut call = RunsOn { running: Some(running), log: Arc::clone(&log), tasks, telemetry };
    if let Some(texts) = at_once(&mut call, &log).await {
        if log.is_untouched() {
            return plain(texts);
        }
        log.end_with(texts);
    }
    call.detach();
    let kept = session.keep(&log, &awaited);
    let prime = session.agreement.revision.has_priming_events();
    events(
        SseBody::new(&log, Some(0), &stages.telemetry)
            .resumable(&kept, prime)
            .with((session.open_stream(), stages.streams.take())),
    )
}

/// Answers a modern call. The call lives in the response: a client that goes away drops it.
pub(super) async fn modern(
    stages: &Stages,
    id: Id,
    log: Arc<EventLog>,
    mut running: BoxFuture<'static, Option<Payload>>,
) -> Response {
    let ended = tokio::select! {
        biased;
        ended = &mut running => Some(ended),
        () = poll_fn(|task| log.poll_touched(task)) => None,
        () = tokio::time::sleep(PATIENCE) => None,
    };
    match ended {
        Some(Some(payload)) if log.is_untouched() => {
            json(status(Era::Modern, &payload), encode(&id, &payload), &stages.telemetry)
        }
        Some(payload) => {
            if let Some(payload) = payload {
                log.push(encode(&id, &payload));
            }
            log.close();
            let place = stages.streams.take();
            events(SseBody::new(&log, Some(0), &stages.telemetry).with(place))
        }
        None => {
            let texts = async move {
                running.await.map(|payload| encode(&id, &payload)).into_iter().collect()
            };
            let driver = Box::pin(finish(Box::pin(texts), Arc::clone(&log)));
            let place = stages.streams.take();
            events(SseBody::new(&log, Some(0), &stages.telemetry).driven_by(driver).with(place))
        }
    }
}

/// The plain answer to a single legacy call: its text, or nothing when it was withdrawn.
pub(super) fn plain(stages: &Stages, text: Option<String>) -> Response {
    match text {
        Some(text) => json(StatusCode::OK, text, &stages.telemetry),
        None => StatusCode::ACCEPTED.into_response(),
    }
}

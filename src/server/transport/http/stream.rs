//! GET and DELETE: a session's general stream, coming back to a stream, and the end of a session.

use super::{
    answer::events,
    body::SseBody,
    classify::{session, session_id},
    headers::check_get,
    only, says_modern,
};
use crate::{
    call::{Bounds, EventLog, Refusal, Rejection},
    pipeline::{Arrival, Stages},
    session::{Awaited, EventId, Session, StreamId},
    transport::Shared,
};
use axum::{
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use mcp_telemetry::{Event, ReconnectOutcome, ReconnectSide, Telemetry, Transport};
use std::{sync::Arc, time::Duration};

/// What a client is told when there is no room for its stream.
const COME_BACK_AFTER: Duration = Duration::from_secs(5);

/// Opens the general stream, or with `Last-Event-ID` the rest of the stream that it names.
pub(super) async fn get(
    shared: &Shared,
    headers: &HeaderMap,
    arrival: &Arrival,
) -> Result<Response, Rejection> {
    refuse_modern(headers)?;
    check_get(headers)?;
    let stages = &shared.stages;
    let session = session(stages, headers, arrival).await?;
    let full = || {
        let sentence = "This server has as many streams open as it may have. Try again later.";
        Rejection::new(Refusal::OverCapacity, sentence).retry_after(COME_BACK_AFTER)
    };
    let place = stages.take_stream().ok_or_else(full)?;
    let body = match headers.get("last-event-id") {
        None => general(stages, &session, None),
        Some(last) => {
            let last = last.to_str().ok().and_then(EventId::parse);
            resume(stages, &session, last)
        }
    };
    Ok(events(body.with((session.open_stream(), place))))
}

/// The general stream, after that number or from where its last reader stopped.
fn general(stages: &Stages, session: &Arc<Session>, after: Option<u64>) -> SseBody {
    let body = SseBody::new(&session.general, after, &stages.telemetry);
    let Some(kept) = session.stream(StreamId::GENERAL) else { return body };
    let body = body.resumable(&kept, session.agreement.revision.has_priming_events());
    if session.take_missed() { body.with_news() } else { body }
}

/// The rest of a stream. Whoever waits on it for an answer that is gone is told so.
fn resume(stages: &Stages, session: &Arc<Session>, last: Option<EventId>) -> SseBody {
    let telemetry = &stages.telemetry;
    let found = last.as_ref().and_then(|last| session.stream(last.stream));
    let outcome =
        if found.is_some() { ReconnectOutcome::Resumed } else { ReconnectOutcome::Failed };
    telemetry.emit(&Event::ReconnectAttempted { side: ReconnectSide::Session, outcome });
    match (found, last) {
        (Some(kept), Some(last)) if kept.id == StreamId::GENERAL => {
            general(stages, session, Some(last.number)).replaying()
        }
        (Some(kept), Some(last)) => {
            kept.log.followed.client_returned();
            let prime = session.agreement.revision.has_priming_events();
            SseBody::new(&kept.log, Some(last.number), telemetry)
                .resumable(&kept, prime)
                .replaying()
        }
        (_, last) => {
            let awaited = last.and_then(|last| last.awaited).unwrap_or_default();
            SseBody::new(&lost(&awaited, telemetry), Some(0), telemetry)
        }
    }
}

/// A stream that cannot be found again: it ends at once, after the answers that its client
/// still waits for, which say that the true ones are lost.
fn lost(awaited: &str, telemetry: &Telemetry) -> Arc<EventLog> {
    let log = EventLog::new(Bounds { events: usize::MAX, bytes: usize::MAX });
    let answers = Awaited::parse(awaited).lost_answers("its stream is no longer kept");
    if !answers.is_empty() {
        telemetry
            .emit(&Event::StreamGap { transport: Transport::Http, missed: answers.len() as u64 });
    }
    for answer in answers {
        log.push(answer);
    }
    log.close();
    Arc::new(log)
}

/// The modern era has POST alone.
fn refuse_modern(headers: &HeaderMap) -> Result<(), Rejection> {
    if says_modern(headers) { Err(only("POST requests of this revision")) } else { Ok(()) }
}

/// Ends a session: one in use, or one that was put away.
pub(super) async fn delete(
    shared: &Shared,
    headers: &HeaderMap,
    arrival: &Arrival,
) -> Result<Response, Rejection> {
    refuse_modern(headers)?;
    let (stages, id) = (&shared.stages, session_id(headers)?);
    let whose = (&arrival.principal, Transport::Http);
    if stages.sessions.find(id, whose.0, whose.1).is_some() {
        // What it says of its revision must be right.
        session(stages, headers, arrival).await?;
    }
    stages.delete_session(id, whose).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

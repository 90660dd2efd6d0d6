//! GET and DELETE: a session's general stream, coming back to a stream, and the end of a session.

use super::{
    answer::events, body::SseBody, classify::session, headers::check_get, only, says_modern,
};
use crate::{
    call::{Bounds, EventLog, Refusal, Rejection},
    pipeline::Arrival,
    session::{Session, StreamId},
    transport::Shared,
};
use axum::{
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use mcp_telemetry::{Event, Reason, ReconnectOutcome, ReconnectSide};
use std::{sync::Arc, time::Duration};

/// What a client is told when there is no room for its stream.
const COME_BACK_AFTER: Duration = Duration::from_secs(5);

/// Opens the general stream, or with `Last-Event-ID` the rest of the stream that it names.
pub(super) fn get(
    shared: &Shared,
    headers: &HeaderMap,
    arrival: &Arrival,
) -> Result<Response, Rejection> {
    refuse_modern(headers)?;
    check_get(headers)?;
    let stages = &shared.stages;
    let session = session(stages, headers, arrival)?;
    let last = headers
        .get("last-event-id")
        .map(|value| value.to_str().ok().and_then(StreamId::parse_event_id));
    let full = || {
        let sentence = "This server has as many streams open as it may have. Try again later.";
        Rejection::new(Refusal::OverCapacity, sentence).retry_after(COME_BACK_AFTER)
    };
    let place = stages.take_stream().ok_or_else(full)?;
    let telemetry = &stages.telemetry;
    let prime = session.agreement.revision.has_priming_events();
    let attached = (session.open_stream(), place);
    let body = |id, log: &Arc<EventLog>, after| {
        SseBody::new(log, after, telemetry).resumable(id, prime).with(attached)
    };
    Ok(match last {
        None => events(body(StreamId::GENERAL, &session.general, None)),
        Some(last) => {
            let found = last.and_then(|(id, after)| find(&session, id).map(|log| (id, log, after)));
            let outcome =
                if found.is_some() { ReconnectOutcome::Resumed } else { ReconnectOutcome::Failed };
            telemetry.emit(&Event::ReconnectAttempted { side: ReconnectSide::Session, outcome });
            match found {
                Some((id, log, after)) => events(body(id, &log, Some(after)).replaying()),
                None => events(SseBody::new(&ended(), None, telemetry)),
            }
        }
    })
}

fn find(session: &Session, id: StreamId) -> Option<Arc<EventLog>> {
    if id == StreamId::GENERAL {
        Some(Arc::clone(&session.general))
    } else {
        session.streams.find(id)
    }
}

/// The modern era has POST alone.
fn refuse_modern(headers: &HeaderMap) -> Result<(), Rejection> {
    if says_modern(headers) { Err(only("POST requests of this revision")) } else { Ok(()) }
}

/// A stream that cannot be found again ends at once, as other servers do it: the specification
/// leaves this open.
fn ended() -> Arc<EventLog> {
    let log = EventLog::new(Bounds { events: 1, bytes: 1 });
    log.close();
    Arc::new(log)
}

/// Ends a session.
pub(super) fn delete(
    shared: &Shared,
    headers: &HeaderMap,
    arrival: &Arrival,
) -> Result<Response, Rejection> {
    refuse_modern(headers)?;
    let session = session(&shared.stages, headers, arrival)?;
    shared.stages.end_session(&session.id, Reason::ClientDeleted);
    Ok(StatusCode::NO_CONTENT.into_response())
}

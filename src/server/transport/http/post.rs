//! POST: one message, or in old revisions a batch of them.

use super::{
    answer::{SESSION_ID, accepted, encode, events, json, rejected, status},
    batch,
    body::SseBody,
    classify::{Belongs, classify, session},
    headers::check_post,
    run,
};
use crate::{
    call::{Bounds, EventLog, Refusal, Rejection, at_once, within},
    pipeline::{Arrival, Newcomer, Origin, Stages},
    session::{Awaited, Session},
    transport::{Shared, arrive::came_from},
};
use axum::{
    http::{HeaderMap, HeaderValue},
    response::Response,
};
use bytes::Bytes;
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use mcp_protocol::{
    Body as Parsed, Era, Message, Method, Notification, Request, Response as Answer, parse_body,
};
use mcp_telemetry::{Direction, Event, Limit, Transport};
use std::sync::Arc;

/// Answers a POST.
pub(super) async fn post(
    shared: &Shared,
    headers: &HeaderMap,
    arrival: Arrival,
    body: Incoming,
) -> Result<Response, Rejection> {
    check_post(headers)?;
    let stages = &shared.stages;
    let bytes = read(body, stages).await?;
    let (transport, direction) = (Transport::Http, Direction::In);
    stages.telemetry.emit(&Event::MessageTransferred { transport, direction, bytes: bytes.len() });
    stages.check_depth(&arrival, &bytes)?;
    match parse_body(&bytes) {
        Ok(Parsed::One(Message::Request(request))) => {
            one_request(stages, headers, arrival, request).await
        }
        Ok(Parsed::One(Message::Notification(message))) => {
            stages.check_rate(&arrival)?;
            notification(stages, headers, &arrival, &message).await
        }
        Ok(Parsed::One(Message::Response(answer))) => {
            stages.check_rate(&arrival)?;
            answered(stages, headers, &arrival, answer).await
        }
        Ok(Parsed::Batch(items)) => batch::batch(stages, headers, arrival, items).await,
        Err(error) => Err(Rejection::protocol(error.error).for_request(error.id)),
    }
}

async fn read(body: Incoming, stages: &Stages) -> Result<Bytes, Rejection> {
    let (limit, patience) = (stages.limits.now().body_bytes, stages.limits.now().receive_timeout);
    // What says that it is too large is not read at all.
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large(stages));
    }
    let whole = Limited::new(body, limit).collect();
    let Ok(body) = within(patience, whole).await else {
        stages.over_limit(Limit::ReceiveTimeout);
        return Err(Rejection::new(
            Refusal::BodyTooSlow,
            "The body took longer than `limits.receive_timeout` allows.",
        ));
    };
    match body {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(stages)),
        Err(_) => {
            Err(Rejection::new(Refusal::BodyIncomplete, "The body ended before it was complete."))
        }
    }
}

fn too_large(stages: &Stages) -> Rejection {
    stages.over_limit(Limit::BodyBytes);
    let most = stages.limits.now().body_bytes;
    Rejection::new(
        Refusal::BodyTooLarge,
        format!("The body is larger than {most} bytes, the bound of `limits.body_bytes`."),
    )
}

async fn one_request(
    stages: &Arc<Stages>,
    headers: &HeaderMap,
    arrival: Arrival,
    request: Request,
) -> Result<Response, Rejection> {
    if let Err(rejection) = stages.check_rate(&arrival) {
        stages.count_refused(&arrival, &request, &rejection.error);
        let rejection = rejection.for_request(Some(request.id.clone()));
        // Somebody who is connected already has not failed to connect.
        let is_here = stages.presences.has(&arrival.principal, &request);
        return if is_here { Ok(rejected(&rejection)) } else { Err(rejection) };
    }
    let belongs = classify(stages, headers, &arrival, &request).await.map_err(|rejection| {
        stages.count_refused(&arrival, &request, &rejection.error);
        rejection.for_request(Some(request.id.clone()))
    })?;
    Ok(match belongs {
        Belongs::Handshake => handshake(stages, headers, &arrival, &request).await,
        Belongs::To(Origin::Session(session)) => {
            legacy_call(stages, arrival, session, request).await
        }
        Belongs::To(origin @ Origin::Modern(_)) => {
            Box::pin(modern_call(stages, arrival, origin, request)).await
        }
    })
}

async fn handshake(
    stages: &Stages,
    headers: &HeaderMap,
    arrival: &Arrival,
    request: &Request,
) -> Response {
    let general = stages.sessions.new_general();
    let came_from = came_from(arrival, headers);
    let newcomer = Newcomer { came_from, general, is_resumable: false };
    let (session, payload) = stages.initialize(arrival, newcomer, request).await;
    let mut response =
        json(status(Era::Legacy, &payload), encode(&request.id, &payload), &stages.telemetry);
    if let Some(id) = session.and_then(|session| HeaderValue::from_str(&session.id).ok()) {
        response.headers_mut().insert(SESSION_ID, id);
    }
    response
}

async fn legacy_call(
    stages: &Arc<Stages>,
    arrival: Arrival,
    session: Arc<Session>,
    request: Request,
) -> Response {
    let log = session.new_log();
    let mut awaited = Awaited::default();
    awaited.add(&request);
    let mut call = Box::pin(call_in_session(stages, arrival, &session, request, &log));
    // Most calls end here and now, and need nothing of what a longer one needs.
    let ended = at_once(&mut call).await;
    if ended.is_some() && log.is_untouched() {
        return run::plain(stages, ended.flatten());
    }
    let running = async move {
        let text = match ended {
            Some(text) => text,
            None => call.await,
        };
        text.into_iter().collect()
    };
    let plain = |texts: Vec<String>| run::plain(stages, texts.into_iter().next());
    let stream = run::Streamed { session: &session, log, awaited };
    Box::pin(run::legacy(stages, stream, Box::pin(running), plain)).await
}

/// One call of a session as a future that owns what it needs; its output is the answer's text.
pub(super) fn call_in_session(
    stages: &Arc<Stages>,
    arrival: Arrival,
    session: &Arc<Session>,
    request: Request,
    log: &Arc<EventLog>,
) -> impl Future<Output = Option<String>> + Send + use<> {
    let (stages, log) = (Arc::clone(stages), Arc::clone(log));
    let origin = Origin::Session(Arc::clone(session));
    async move {
        let payload = stages.run(&arrival, &origin, &request, &log).await;
        payload.map(|payload| encode(&request.id, &payload))
    }
}

async fn modern_call(
    stages: &Arc<Stages>,
    arrival: Arrival,
    origin: Origin,
    request: Request,
) -> Response {
    let log = Arc::new(EventLog::new(bounds(stages)));
    if request.method == Method::SubscriptionsListen {
        return listen(stages, &arrival, &origin, &request, &log).await;
    }
    let id = request.id.clone();
    let running = {
        let (stages, log) = (Arc::clone(stages), Arc::clone(&log));
        async move { stages.run(&arrival, &origin, &request, &log).await }
    };
    run::modern(stages, id, log, Box::pin(running)).await
}

fn bounds(stages: &Stages) -> Bounds {
    Bounds::of(&stages.limits.now())
}

async fn listen(
    stages: &Stages,
    arrival: &Arrival,
    origin: &Origin,
    request: &Request,
    log: &Arc<EventLog>,
) -> Response {
    match stages.listen(arrival, origin, request, log).await {
        Ok(listening) => events(SseBody::new(log, Some(0), &stages.telemetry).with(listening)),
        Err(error) => {
            let payload = Err(error);
            json(status(Era::Modern, &payload), encode(&request.id, &payload), &stages.telemetry)
        }
    }
}

/// Takes a notification. A modern one changes nothing: no method of the core has any.
async fn notification(
    stages: &Arc<Stages>,
    headers: &HeaderMap,
    arrival: &Arrival,
    message: &Notification,
) -> Result<Response, Rejection> {
    if !super::says_modern(headers) {
        let session = session(stages, headers, arrival).await?;
        stages.notified(&session, message).await;
    }
    Ok(accepted())
}

/// Takes the client's answer to a question of ours. An answer nobody waits for is taken too:
/// the question may just have been withdrawn.
async fn answered(
    stages: &Arc<Stages>,
    headers: &HeaderMap,
    arrival: &Arrival,
    answer: Answer,
) -> Result<Response, Rejection> {
    if super::says_modern(headers) {
        return Err(Rejection::new(
            Refusal::InvalidMessage,
            "A client of this revision sends no responses: answers go into `inputResponses` of the next request.",
        )
        .for_request(answer.id));
    }
    let session = session(stages, headers, arrival).await?;
    session.questions.answer(answer);
    Ok(accepted())
}

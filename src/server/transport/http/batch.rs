//! Batches: several messages in one body. Only clients of 2025-03-26 and before send them, so
//! they belong to a session.

use super::{
    answer::{accepted, json},
    classify::session,
    post::call_in_session,
    run,
};
use crate::{
    call::{Refusal, Rejection},
    pipeline::{Arrival, Stages},
    session::Awaited,
};
use axum::{
    http::{HeaderMap, StatusCode},
    response::Response,
};
use futures_util::future::join_all;
use mcp_protocol::{EnvelopeError, Message, Method, RpcError, code, encode_error};
use mcp_telemetry::Limit;
use std::sync::Arc;

/// Answers a batch.
pub(super) async fn batch(
    stages: &Arc<Stages>,
    headers: &HeaderMap,
    arrival: Arrival,
    items: Vec<Result<Message, EnvelopeError>>,
) -> Result<Response, Rejection> {
    let refuse = |sentence: &str| Err(Rejection::new(Refusal::InvalidMessage, sentence));
    if super::says_modern(headers) {
        return refuse("This revision has no batches: send one message in each request.");
    }
    stages.check_rate(&arrival)?;
    let session = session(stages, headers, &arrival).await?;
    if !session.agreement.revision.has_batches() {
        return refuse(
            "The revision of this session has no batches: send one message in each request.",
        );
    }
    if items.len() > stages.limits.now().batch {
        stages.over_limit(Limit::Batch);
        return refuse("The batch holds more messages than `limits.batch` allows.");
    }
    let log = session.new_log();
    let (mut calls, mut texts, mut awaited) = (Vec::new(), Vec::new(), Awaited::default());
    // The batch as a whole has paid for one request.
    let mut is_paid = true;
    let mut too_fast = || {
        let checked = if is_paid { Ok(()) } else { stages.check_rate(&arrival) };
        is_paid = false;
        checked.err().map(|rejection| rejection.error)
    };
    for item in items {
        match item {
            Ok(Message::Request(request)) if request.method == Method::Initialize => {
                let error =
                    RpcError::new(code::INVALID_REQUEST, "`initialize` must not stand in a batch.");
                stages.count_refused(&arrival, &request, &error);
                texts.push(encode_error(Some(&request.id), &error));
            }
            Ok(Message::Request(request)) => match too_fast() {
                Some(error) => {
                    stages.count_refused(&arrival, &request, &error);
                    texts.push(encode_error(Some(&request.id), &error));
                }
                None => {
                    awaited.add(&request);
                    calls.push(call_in_session(stages, arrival.clone(), &session, request, &log));
                }
            },
            Ok(Message::Notification(notification)) => {
                stages.notified(&session, &notification).await
            }
            Ok(Message::Response(answer)) => {
                session.questions.answer(answer);
            }
            Err(error) => texts.push(encode_error(error.id.as_ref(), &error.error)),
        }
    }
    if calls.is_empty() && texts.is_empty() {
        return Ok(accepted());
    }
    let running = async move {
        texts.extend(join_all(calls).await.into_iter().flatten());
        texts
    };
    let telemetry = stages.telemetry.clone();
    let as_array = move |texts: Vec<String>| {
        json(StatusCode::OK, format!("[{}]", texts.join(",")), &telemetry)
    };
    let stream = run::Streamed { session: &session, log, awaited };
    Ok(run::legacy(stages, stream, Box::pin(running), as_array).await)
}

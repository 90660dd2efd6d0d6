//! Answers as plain JSON.

use super::super::api::plain_rejection;
use crate::call::{Refusal, Rejection};
use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use mcp_protocol::{Era, Id, Payload, code, encode_error, encode_result};
use mcp_telemetry::{Direction, Event, Telemetry, Transport};

pub(super) const SESSION_ID: HeaderName =
    HeaderName::from_static(mcp_protocol::headers::SESSION_ID);
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

/// The text of an answer.
pub(super) fn encode(id: &Id, payload: &Payload) -> String {
    match payload {
        Ok(result) => encode_result(id, result),
        Err(error) => encode_error(Some(id), error),
    }
}

/// The HTTP status of an answer that is no stream. In the legacy era an error is an answer like
/// any other; in the modern era some errors have a status of their own.
pub(super) fn status(era: Era, payload: &Payload) -> StatusCode {
    match (era, payload.as_ref().map_err(|error| error.code)) {
        (Era::Modern, Err(code::METHOD_NOT_FOUND)) => StatusCode::NOT_FOUND,
        (
            Era::Modern,
            Err(
                code::PARSE
                | code::INVALID_REQUEST
                | code::HEADER_MISMATCH
                | code::MISSING_CLIENT_CAPABILITY
                | code::UNSUPPORTED_PROTOCOL_VERSION,
            ),
        ) => StatusCode::BAD_REQUEST,
        (_, Err(crate::call::code::OVER_CAPACITY)) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    }
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, text: String, telemetry: &Telemetry) -> Response {
    let (transport, direction, bytes) = (Transport::Http, Direction::Out, text.len());
    telemetry.emit(&Event::MessageTransferred { transport, direction, bytes });
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

/// An event stream.
pub(super) fn events(body: super::body::SseBody) -> Response {
    let no_cache = HeaderValue::from_static("no-cache, no-transform");
    let buffering = HeaderName::from_static("x-accel-buffering");
    let headers = [
        (header::CONTENT_TYPE, EVENTS),
        (header::CACHE_CONTROL, no_cache),
        (buffering, HeaderValue::from_static("no")),
    ];
    (headers, Body::new(body)).into_response()
}

/// Nothing to say: a notification or an answer was taken.
pub(super) fn accepted() -> Response {
    StatusCode::ACCEPTED.into_response()
}

/// A refusal, with the JSON-RPC error and the id of the request where it could be read.
pub(in super::super) fn rejected(rejection: &Rejection) -> Response {
    let mut response = plain_rejection(rejection);
    let text = encode_error(rejection.id.as_ref(), &rejection.error);
    *response.body_mut() = Body::from(text);
    if rejection.refusal == Refusal::MethodNotAllowed {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST, GET, DELETE"));
    }
    response
}

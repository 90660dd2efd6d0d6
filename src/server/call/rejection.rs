//! What is refused before it becomes a call, and the one table from refusal to HTTP status
//! and JSON-RPC code.

use http::{HeaderName, HeaderValue, StatusCode, header};
use mcp_protocol::{Id, RpcError, code};
use std::time::Duration;

/// Why something was refused. The words are what `code` says in an error body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    NoWebSocket,
    NotAcceptable,
    UnsupportedMediaType,
    BodyTooLarge,
    BodyIncomplete,
    BodyTooSlow,
    TooDeep,
    InvalidMessage,
    InvalidQuery,
    SessionRequired,
    SessionNotFound,
    RateLimited,
    OverCapacity,
    KeysUnknown,
    StoreAway,
    Internal,
}

impl Refusal {
    /// Status, JSON-RPC code where the error brings none of its own, and word. Own codes lie
    /// outside the range that JSON-RPC and MCP reserve.
    const fn row(self) -> (StatusCode, i64, &'static str) {
        match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, 1401, "unauthorized"),
            Self::Forbidden => (StatusCode::FORBIDDEN, 1403, "forbidden"),
            Self::NotFound => (StatusCode::NOT_FOUND, 1404, "not_found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, 1405, "method_not_allowed"),
            Self::NoWebSocket => (StatusCode::UPGRADE_REQUIRED, 1426, "no_websocket"),
            Self::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, 1406, "not_acceptable"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, 1415, "unsupported_media_type")
            }
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, 1413, "body_too_large"),
            Self::BodyTooSlow => (StatusCode::REQUEST_TIMEOUT, 1408, "body_too_slow"),
            Self::TooDeep => (StatusCode::BAD_REQUEST, code::INVALID_REQUEST, "json_too_deep"),
            Self::BodyIncomplete => (StatusCode::BAD_REQUEST, 1400, "body_incomplete"),
            Self::InvalidMessage => {
                (StatusCode::BAD_REQUEST, code::INVALID_REQUEST, "invalid_message")
            }
            Self::InvalidQuery => (StatusCode::BAD_REQUEST, 1400, "invalid_query"),
            Self::SessionRequired => {
                (StatusCode::BAD_REQUEST, code::INVALID_REQUEST, "session_required")
            }
            Self::SessionNotFound => {
                (StatusCode::NOT_FOUND, code::SESSION_NOT_FOUND, "session_not_found")
            }
            Self::RateLimited => {
                (StatusCode::TOO_MANY_REQUESTS, super::code::RATE_LIMITED, "rate_limited")
            }
            Self::OverCapacity => {
                (StatusCode::SERVICE_UNAVAILABLE, super::code::OVER_CAPACITY, "over_capacity")
            }
            Self::KeysUnknown => {
                (StatusCode::SERVICE_UNAVAILABLE, super::code::OVER_CAPACITY, "keys_unknown")
            }
            Self::StoreAway => {
                (StatusCode::SERVICE_UNAVAILABLE, super::code::OVER_CAPACITY, "store_away")
            }
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, code::INTERNAL, "internal"),
        }
    }

    pub(crate) const fn word(self) -> &'static str {
        self.row().2
    }
}

/// A refusal with its sentence and, if it could be read, the id of the request.
#[derive(Debug, Clone)]
pub(crate) struct Rejection {
    pub(crate) refusal: Refusal,
    pub(crate) status: StatusCode,
    pub(crate) error: RpcError,
    pub(crate) id: Option<Id>,
    /// What the answer's headers say besides.
    pub(crate) header: Option<Box<(HeaderName, HeaderValue)>>,
}

impl Rejection {
    pub(crate) fn new(refusal: Refusal, sentence: impl Into<String>) -> Self {
        let (status, code, word) = refusal.row();
        let error = RpcError::new(code, sentence).with_data(&serde_json::json!({ "code": word }));
        Self { refusal, status, error, id: None, header: None }
    }

    /// A message that breaks the protocol, with the error that the protocol has for it.
    pub(crate) fn protocol(error: RpcError) -> Self {
        let status = if error.code == code::METHOD_NOT_FOUND {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::BAD_REQUEST
        };
        Self { refusal: Refusal::InvalidMessage, status, error, id: None, header: None }
    }

    /// The same with a header in the answer.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some(Box::new((name, value)));
        self
    }

    /// The same with the time after which to try again.
    pub(crate) fn retry_after(self, wait: Duration) -> Self {
        self.with_header(header::RETRY_AFTER, HeaderValue::from(whole_seconds(wait)))
    }

    pub(crate) fn for_request(mut self, id: Option<Id>) -> Self {
        self.id = id;
        self
    }
}

/// A wait as `Retry-After` says it: whole seconds, rounded up, at least one.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

//! What is refused before it becomes a call, and the one table from refusal to HTTP status
//! and JSON-RPC code.

use http::StatusCode;
use mcp_protocol::{Id, RpcError, code};

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
    InvalidMessage,
    SessionRequired,
    SessionNotFound,
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
            Self::BodyIncomplete => (StatusCode::BAD_REQUEST, 1400, "body_incomplete"),
            Self::InvalidMessage => {
                (StatusCode::BAD_REQUEST, code::INVALID_REQUEST, "invalid_message")
            }
            Self::SessionRequired => {
                (StatusCode::BAD_REQUEST, code::INVALID_REQUEST, "session_required")
            }
            Self::SessionNotFound => {
                (StatusCode::NOT_FOUND, code::SESSION_NOT_FOUND, "session_not_found")
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
}

impl Rejection {
    pub(crate) fn new(refusal: Refusal, sentence: impl Into<String>) -> Self {
        let (status, code, word) = refusal.row();
        let error = RpcError::new(code, sentence).with_data(&serde_json::json!({ "code": word }));
        Self { refusal, status, error, id: None }
    }

    /// A message that breaks the protocol, with the error that the protocol has for it.
    pub(crate) fn protocol(error: RpcError) -> Self {
        let status = if error.code == code::METHOD_NOT_FOUND {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::BAD_REQUEST
        };
        Self { refusal: Refusal::InvalidMessage, status, error, id: None }
    }

    pub(crate) fn for_request(mut self, id: Option<Id>) -> Self {
        self.id = id;
        self
    }
}

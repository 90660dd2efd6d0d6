//! JSON-RPC errors and the codes MCP gives a meaning.

use crate::RawValue;
use serde::{Deserialize, Serialize};

/// Error codes (2026-07-28 `basic/index.mdx`, 2025-11-25 `schema.ts`).
pub mod code {
    /// The body is not JSON.
    pub const PARSE: i64 = -32700;
    /// The body is JSON, but no JSON-RPC message.
    pub const INVALID_REQUEST: i64 = -32600;
    /// Nobody knows the method.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The parameters do not fit.
    pub const INVALID_PARAMS: i64 = -32602;
    /// We failed.
    pub const INTERNAL: i64 = -32603;
    /// Resource not found; legacy only.
    pub const RESOURCE_NOT_FOUND: i64 = -32002;
    /// URL elicitation required; 2025-11-25 only.
    pub const URL_ELICITATION_REQUIRED: i64 = -32042;
    /// A routing header is missing, malformed, or differs from the body; modern only.
    pub const HEADER_MISMATCH: i64 = -32020;
    /// The request needs a capability that the client did not declare; modern only.
    pub const MISSING_CLIENT_CAPABILITY: i64 = -32021;
    /// The revision asked for is not served; modern only.
    pub const UNSUPPORTED_PROTOCOL_VERSION: i64 = -32022;
    /// SDK habit for "session not found", legacy only; clients go by the HTTP status 404.
    pub const SESSION_NOT_FOUND: i64 = -32001;
}

/// The `error` member of a JSON-RPC response.
#[derive(Debug, Clone, Serialize, Deserialize, thiserror::Error)]
#[error("{message} ({code})")]
pub struct RpcError {
    /// What kind of error, see [`code`].
    pub code: i64,
    /// One sentence for a person.
    #[serde(default)]
    pub message: String,
    /// Whatever else the sender had to say, unread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
}

impl RpcError {
    /// An error without data.
    #[must_use]
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The same error with data.
    #[must_use]
    pub fn with_data(mut self, data: &serde_json::Value) -> Self {
        self.data = serde_json::value::to_raw_value(data).ok();
        self
    }

    /// `-32601` for a method of that name.
    #[must_use]
    pub fn method_not_found(name: &str) -> Self {
        let name: String = name.chars().take(128).collect();
        Self::new(code::METHOD_NOT_FOUND, format!("Method not found: {name}"))
    }

    /// `-32602` with a reason.
    #[must_use]
    pub fn invalid_params(reason: impl Into<String>) -> Self {
        Self::new(code::INVALID_PARAMS, reason)
    }
}

impl PartialEq for RpcError {
    fn eq(&self, other: &Self) -> bool {
        let data = |error: &Self| error.data.as_ref().map(|data| data.get().to_owned());
        self.code == other.code && self.message == other.message && data(self) == data(other)
    }
}

//! MCP messages as plain values: the JSON-RPC envelope with raw params, methods,
//! revisions and eras, `_meta`, the header ladder, SSE framing.
//!
//! Nothing here does I/O, reads a clock or knows a runtime. What is routed on is
//! parsed; everything else stays the text that arrived, so unknown fields, key order
//! and number spelling pass through unchanged.

mod depth;
mod envelope;
mod error;
pub mod headers;
mod meta;
mod method;
mod object;
mod revision;
pub mod sse;
mod task;

pub use depth::is_deeper_than;
pub use envelope::{
    Answer, Body, EnvelopeError, Id, Message, Notification, Payload, Request, Response,
    encode_error, encode_notification, encode_request, encode_result, parse_body, parse_message,
};
pub use error::{RpcError, code};
pub use meta::{META_PREFIX, ModernMeta, TraceContext, key};
pub use method::Method;
pub use object::{RawObject, raw, raw_string, raw_value, text};
pub use revision::{Era, Revision};
pub use task::{
    TASKS_EXTENSION, Task, TaskStatus, tasks_capability, tasks_not_declared, without_extension,
};

pub use serde_json::value::RawValue;

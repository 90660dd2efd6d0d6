//! What a client says of itself as its session begins.

use mcp_protocol::{RawObject, RawValue, Revision};
use std::sync::Arc;

/// What a client said of itself in `initialize`, and what was agreed.
#[derive(Debug, Clone)]
pub(crate) struct Agreement {
    pub(crate) revision: Revision,
    pub(crate) capabilities: Arc<RawValue>,
    pub(crate) client: ClientInfo,
}

/// What a client calls itself, cut where it is too long to keep.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientInfo {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) version: Option<Arc<str>>,
}

impl ClientInfo {
    pub(super) fn of(info: &RawValue) -> Self {
        let info = RawObject::parse(info);
        let text = |key: &str| info.as_ref()?.get_str(key).map(|text| shortened(&text));
        Self { name: text("name"), version: text("version") }
    }
}

/// At most 200 characters of what a client says of itself.
pub(crate) fn shortened(text: &str) -> Arc<str> {
    text.chars().filter(|sign| !sign.is_control()).take(200).collect::<String>().into()
}

/// Where the client of a session came from, as its `initialize` said.
#[derive(Debug, Clone, Default)]
pub(crate) struct CameFrom {
    pub(crate) address: Option<Arc<str>>,
    pub(crate) user_agent: Option<Arc<str>>,
}

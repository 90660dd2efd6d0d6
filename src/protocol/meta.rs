//! `_meta`: what a modern request says of itself, and the trace context in any era.

use crate::{RawObject, RawValue, RpcError, code};

/// The prefix of the keys that the specification owns.
pub const META_PREFIX: &str = "io.modelcontextprotocol/";

/// Keys of `_meta` (2026-07-28 `basic/index.mdx`).
pub mod key {
    /// The revision a modern request speaks.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// Who sends it.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// What the sender can do.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// Which log messages the sender wants with this request.
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    /// Who answers.
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// Which `subscriptions/listen` a notification belongs to.
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
    /// Which request a progress notification belongs to.
    pub const PROGRESS_TOKEN: &str = "progressToken";
}

/// Whether params can have a `_meta` at all: most legacy calls have none, and need not be taken
/// apart to find out. A key may be spelled with escapes, so a backslash means maybe.
fn may_have_meta(params: &&RawValue) -> bool {
    let text = params.get();
    text.contains("\"_meta\"") || text.contains('\\')
}

/// What a modern request says of itself.
#[derive(Debug, Clone)]
pub struct ModernMeta {
    /// The revision's name, not yet checked.
    pub protocol_version: String,
    /// The client's capabilities: the text of a JSON object.
    pub client_capabilities: Box<RawValue>,
    /// `Implementation` of the client, if it said.
    pub client_info: Option<Box<RawValue>>,
    /// The lowest level of log messages it wants, if any.
    pub log_level: Option<String>,
}

impl ModernMeta {
    /// Reads the claim. `Ok(None)` when there is none, that is, no protocol version in `_meta`.
    ///
    /// # Errors
    /// `-32602` when there is a claim and a required key is missing or of the wrong type.
    pub fn of_params(params: Option<&RawValue>) -> Result<Option<Self>, RpcError> {
        let Some(params) = params.filter(may_have_meta).and_then(RawObject::parse) else {
            return Ok(None);
        };
        let Some(meta) = params.get("_meta").and_then(RawObject::parse) else { return Ok(None) };
        let Some(version) = meta.get(key::PROTOCOL_VERSION) else { return Ok(None) };
        let missing = |key: &str, what: &str| {
            RpcError::new(code::INVALID_PARAMS, format!("`_meta[\"{key}\"]` must be {what}"))
        };
        let protocol_version = serde_json::from_str(version.get())
            .map_err(|_| missing(key::PROTOCOL_VERSION, "the name of a revision"))?;
        let client_capabilities = meta
            .get(key::CLIENT_CAPABILITIES)
            .filter(|value| value.get().starts_with('{'))
            .ok_or_else(|| missing(key::CLIENT_CAPABILITIES, "an object"))?;
        Ok(Some(Self {
            protocol_version,
            client_capabilities: client_capabilities.to_owned(),
            client_info: meta.get(key::CLIENT_INFO).map(ToOwned::to_owned),
            log_level: meta.get_str(key::LOG_LEVEL),
        }))
    }

    /// Whether the client declared a top-level capability.
    #[must_use]
    pub fn has_capability(&self, name: &str) -> bool {
        RawObject::parse(&self.client_capabilities).is_some_and(|object| object.contains(name))
    }
}

/// W3C trace context as `_meta` carries it (SEP-414), in any revision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceContext {
    /// `traceparent`, not yet checked.
    pub traceparent: Option<String>,
    /// `tracestate`, not yet checked.
    pub tracestate: Option<String>,
}

impl TraceContext {
    /// Reads the context out of params.
    #[must_use]
    pub fn of_params(params: Option<&RawValue>) -> Self {
        let meta_of = |params: &RawObject<'_>| {
            let meta = params.get("_meta").and_then(RawObject::parse)?;
            Some(Self {
                traceparent: meta.get_str("traceparent"),
                tracestate: meta.get_str("tracestate"),
            })
        };
        let params = params.filter(may_have_meta).and_then(RawObject::parse);
        params.as_ref().and_then(meta_of).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(params: &str) -> Result<Option<ModernMeta>, RpcError> {
        ModernMeta::of_params(crate::raw(params).as_deref())
    }

    #[test]
    fn without_a_version_there_is_no_claim() {
        for params in
            ["{}", r#"{"_meta":{}}"#, r#"{"_meta":{"progressToken":1}}"#, r#"{"_meta":3}"#]
        {
            assert!(claim(params).expect("no error").is_none(), "{params}");
        }
    }

    #[test]
    fn a_claim_is_found_however_its_key_is_spelled() {
        let inner = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
        for key in ["_meta", "\\u005fmeta", "_m\\u0065ta"] {
            assert!(claim(&format!(r#"{{"{key}":{inner}}}"#)).is_err(), "{key}");
        }
    }

    #[test]
    fn a_claim_needs_capabilities_but_no_client_info() {
        let version = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
        assert!(claim(&format!(r#"{{"_meta":{{{version}}}}}"#)).is_err());
        let full = format!(
            r#"{{"_meta":{{{version},"io.modelcontextprotocol/clientCapabilities":{{"sampling":{{}}}}}}}}"#
        );
        let meta = claim(&full).expect("valid").expect("a claim");
        assert!(meta.has_capability("sampling") && !meta.has_capability("roots"));
    }
}

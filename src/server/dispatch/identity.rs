//! What we say of ourselves, in either era.

use mcp_protocol::{Era, RawObject, RawValue, Revision, TASKS_EXTENSION, key, raw_value};
use serde_json::{Value, json};

/// What the server says of itself.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// `serverInfo.name`.
    pub(crate) name: String,
    /// What a model should know of this server, if anything.
    pub(crate) instructions: Option<String>,
}

/// Our `Implementation` object.
pub(crate) fn server_info(identity: &Identity) -> Value {
    json!({ "name": identity.name, "title": "mcp-orchestrator", "version": env!("CARGO_PKG_VERSION") })
}

/// What we can do: everything that an upstream may bring, also before it has.
pub(crate) fn capabilities(era: Era) -> Value {
    let mut capabilities = json!({
        "tools": { "listChanged": true },
        "resources": { "listChanged": true, "subscribe": true },
        "prompts": { "listChanged": true },
        "completions": {},
    });
    if era == Era::Legacy {
        capabilities["logging"] = json!({});
    }
    capabilities
}

/// The result of `server/discover`. Only modern revisions are named: a client that chose a
/// legacy one from this list would send requests in a form that is refused.
pub(crate) fn discovery(identity: &Identity, serves_tasks: bool) -> Box<RawValue> {
    const TTL_MS: u64 = 3_600_000;
    let mut result = json!({
        "resultType": "complete",
        "supportedVersions": [Revision::LATEST_MODERN.as_str()],
        "capabilities": capabilities(Era::Modern),
        "ttlMs": TTL_MS,
        "cacheScope": "public",
    });
    if serves_tasks {
        result["capabilities"]["extensions"] = json!({ TASKS_EXTENSION: {} });
    }
    if let Some(instructions) = &identity.instructions {
        result["instructions"] = json!(instructions);
    }
    raw_value(&result)
}

/// Makes a result one that a modern client accepts: it says its type and who answers.
/// What is no object passes unchanged.
pub(crate) fn stamp(result: Box<RawValue>, server_info: &RawValue) -> Box<RawValue> {
    let Some(mut object) = RawObject::parse(&result) else { return result };
    if !object.contains("resultType") {
        object.set_value("resultType", &"complete");
    }
    let mut meta = object.get("_meta").and_then(RawObject::parse).unwrap_or_default();
    meta.set(key::SERVER_INFO, server_info.to_owned());
    let meta = meta.to_raw();
    object.set("_meta", meta);
    object.to_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_keeps_what_was_there_and_names_us() {
        let ours = mcp_protocol::raw(r#"{"name":"us"}"#).expect("JSON");
        let theirs = r#"{"content":[],"_meta":{"x":1.0,"io.modelcontextprotocol/serverInfo":{"name":"them"}}}"#;
        let stamped = stamp(mcp_protocol::raw(theirs).expect("JSON"), &ours);
        assert_eq!(
            stamped.get(),
            r#"{"content":[],"_meta":{"x":1.0,"io.modelcontextprotocol/serverInfo":{"name":"us"}},"resultType":"complete"}"#
        );
    }
}

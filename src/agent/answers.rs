//! From a line to what it asks for, in the era that it came in. No input or output.

use super::tools::{self, Call};
use mcp_protocol::{
    EnvelopeError, Era, Id, Message, Method, ModernMeta, Payload, RawObject, RawValue, Request,
    Revision, RpcError, code, key, parse_message, raw_value,
};
use serde_json::{Value, json};

/// How long a client may keep our lists, in milliseconds: they never change.
const TTL_MS: u64 = 3_600_000;

const INSTRUCTIONS: &str = "A worker that runs no model. It takes tasks, waits if asked, and \
     gives them back.";

/// What a line asks for.
pub(super) enum Asked {
    /// An answer that is known at once.
    Known(Option<Id>, Payload),
    /// A tool call.
    Call(Id, Call),
    /// That this call is given up.
    Withdrawn(Id),
    /// Nothing.
    Nothing,
}

/// Reads a line.
pub(super) fn read(line: &[u8]) -> Asked {
    match parse_message(line) {
        Err(EnvelopeError { id, error }) => Asked::Known(id, Err(error)),
        Ok(Message::Request(request)) => asked(request),
        Ok(Message::Notification(notification)) if notification.method == Method::Cancelled => {
            let params = RawObject::of_params(notification.params.as_deref());
            let id = params.and_then(|params| params.get("requestId").and_then(Id::parse));
            id.map_or(Asked::Nothing, Asked::Withdrawn)
        }
        Ok(Message::Notification(_) | Message::Response(_)) => Asked::Nothing,
    }
}

fn asked(request: Request) -> Asked {
    let params = request.params.as_deref();
    match era(&request).and_then(|era| Ok((era, answer(&request, era, params)?))) {
        Ok((_, Reply::Result(result))) => Asked::Known(Some(request.id), Ok(raw_value(&result))),
        Ok((era, Reply::Call)) => match Call::of(era, params) {
            Ok(call) => Asked::Call(request.id, call),
            Err(error) => Asked::Known(Some(request.id), Err(error)),
        },
        Err(error) => Asked::Known(Some(request.id), Err(error)),
    }
}

enum Reply {
    Result(Value),
    Call,
}

/// The era of a request, which must be one that we speak.
fn era(request: &Request) -> Result<Era, RpcError> {
    let claim = ModernMeta::of_params(request.params.as_deref())?;
    let era = match claim {
        None => Era::Legacy,
        Some(meta) if Revision::parse(&meta.protocol_version) == Some(Revision::LATEST_MODERN) => {
            Era::Modern
        }
        Some(meta) => {
            let data = json!({ "supported": supported(), "requested": meta.protocol_version });
            let text = "Unsupported protocol version";
            return Err(RpcError::new(code::UNSUPPORTED_PROTOCOL_VERSION, text).with_data(&data));
        }
    };
    if request.method.is_client_request(era) {
        Ok(era)
    } else {
        Err(RpcError::method_not_found(&request.name))
    }
}

fn answer(request: &Request, era: Era, params: Option<&RawValue>) -> Result<Reply, RpcError> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "we have nothing but tools")]
    let result = match request.method {
        Method::Initialize => initialize(params),
        Method::Ping => json!({}),
        Method::ServerDiscover => json!({
            "supportedVersions": supported(),
            "capabilities": { "tools": {} },
            "instructions": INSTRUCTIONS,
        }),
        Method::ToolsList => json!({ "tools": tools::definitions() }),
        Method::ToolsCall => return Ok(Reply::Call),
        _ => return Err(RpcError::method_not_found(&request.name)),
    };
    Ok(Reply::Result(dressed(result, era, request.method.is_cacheable())))
}

fn initialize(params: Option<&RawValue>) -> Value {
    let asked = RawObject::of_params(params).and_then(|params| params.get_str("protocolVersion"));
    json!({
        "protocolVersion": Revision::negotiate(&asked.unwrap_or_default()).as_str(),
        "capabilities": { "tools": {} },
        "serverInfo": server_info(),
        "instructions": INSTRUCTIONS,
    })
}

/// Adds what every modern result carries.
pub(super) fn dressed(mut result: Value, era: Era, is_cacheable: bool) -> Value {
    if era == Era::Modern {
        result["resultType"] = json!("complete");
        result["_meta"] = json!({ key::SERVER_INFO: server_info() });
        if is_cacheable {
            result["ttlMs"] = json!(TTL_MS);
            result["cacheScope"] = json!("public");
        }
    }
    result
}

/// What may be claimed in `_meta`; older revisions are agreed on by `initialize`.
fn supported() -> [&'static str; 1] {
    [Revision::LATEST_MODERN.as_str()]
}

fn server_info() -> Value {
    json!({ "name": "mcp-orchestrator-agent", "version": env!("CARGO_PKG_VERSION") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(line: &str) -> Value {
        match read(line.as_bytes()) {
            Asked::Known(_, Ok(result)) => serde_json::from_str(result.get()).unwrap(),
            Asked::Known(_, Err(error)) => json!({ "error": error.code }),
            Asked::Call(..) => json!("call"),
            Asked::Withdrawn(id) => json!({ "withdrawn": id.as_json() }),
            Asked::Nothing => Value::Null,
        }
    }

    fn modern(method: &str, version: &str) -> String {
        let meta = json!({ key::PROTOCOL_VERSION: version, key::CLIENT_CAPABILITIES: {} });
        let params = json!({ "_meta": meta, "name": "echo", "arguments": { "message": "x" } });
        json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
    }

    fn legacy(method: &str, params: Value) -> String {
        json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
    }

    #[test]
    fn each_era_is_answered_in_its_own_way() {
        let hello = known(&legacy("initialize", json!({ "protocolVersion": "2025-06-18" })));
        assert_eq!(hello["protocolVersion"], "2025-06-18");
        assert!(hello.get("resultType").is_none());
        let found = known(&modern("server/discover", "2026-07-28"));
        assert_eq!((&found["resultType"], &found["ttlMs"]), (&json!("complete"), &json!(TTL_MS)));
        assert_eq!(known(&legacy("tools/list", json!({})))["tools"].as_array().unwrap().len(), 3);
        assert_eq!(known(&modern("tools/call", "2026-07-28")), "call");
    }

    #[test]
    fn what_is_not_ours_is_refused_and_nothing_else_is_answered() {
        let error = |code: i64| json!({ "error": code });
        assert_eq!(known("{"), error(code::PARSE));
        assert_eq!(known(&legacy("prompts/list", json!({}))), error(code::METHOD_NOT_FOUND));
        assert_eq!(known(&modern("ping", "2026-07-28")), error(code::METHOD_NOT_FOUND));
        let unknown = error(code::UNSUPPORTED_PROTOCOL_VERSION);
        assert_eq!(known(&modern("tools/list", "2027-01-01")), unknown);
        assert_eq!(known(&legacy("tools/call", json!({ "name": 1 }))), error(code::INVALID_PARAMS));
        let cancelled =
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#;
        assert_eq!(known(cancelled), json!({ "withdrawn": "7" }));
        assert_eq!(known(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#), Value::Null);
    }
}

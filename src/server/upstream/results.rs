//! Results and errors on their way down, translated where caller and upstream are of
//! different eras. Within one era nothing is changed. Pure.

use crate::call::code as own;
use mcp_protocol::{Era, META_PREFIX, Method, RawObject, RawValue, RpcError, code, raw};
use mcp_telemetry::Outcome;

/// A modern result that says nothing to a legacy client: its `resultType`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Untranslatable(pub(super) String);

/// A result of an upstream that speaks `from`, for a caller that speaks `to`.
pub(super) fn translate(
    method: Method,
    from: Era,
    to: Era,
    result: Box<RawValue>,
) -> Result<Box<RawValue>, Untranslatable> {
    match (from, to) {
        (Era::Legacy, Era::Modern) => Ok(to_modern(method, result)),
        (Era::Modern, Era::Legacy) => to_legacy(&result),
        (Era::Legacy, Era::Legacy) | (Era::Modern, Era::Modern) => Ok(result),
    }
}

/// Adds what every modern result must say, in front; the rest stays untouched.
fn to_modern(method: Method, result: Box<RawValue>) -> Box<RawValue> {
    let Some(object) = RawObject::parse(&result) else { return result };
    let mut added = String::new();
    if !object.contains("resultType") {
        added.push_str(r#""resultType":"complete","#);
    }
    if method.is_cacheable() {
        if !object.contains("ttlMs") {
            added.push_str(r#""ttlMs":0,"#);
        }
        if !object.contains("cacheScope") {
            added.push_str(r#""cacheScope":"private","#);
        }
    }
    if object.is_empty() {
        added.pop();
    }
    let rest = result.get().strip_prefix('{').unwrap_or_default();
    raw(&format!("{{{added}{rest}")).unwrap_or(result)
}

/// Takes out what only the modern era knows.
fn to_legacy(result: &RawValue) -> Result<Box<RawValue>, Untranslatable> {
    let Some(mut object) = RawObject::parse(result) else { return Ok(result.to_owned()) };
    match object.get_str("resultType") {
        Some(kind) if kind != "complete" => return Err(Untranslatable(kind)),
        _ => {}
    }
    object.retain(|name| !matches!(name, "resultType" | "ttlMs" | "cacheScope"));
    let meta = object.get("_meta").map(ToOwned::to_owned);
    if let Some(mut meta) = meta.as_deref().and_then(RawObject::parse) {
        meta.retain(|name| !name.starts_with(META_PREFIX));
        if meta.is_empty() {
            object.remove("_meta");
        } else {
            object.set("_meta", meta.to_raw());
        }
    }
    Ok(object.to_raw())
}

/// An error of an upstream that speaks `from`, for a caller that speaks `to`. Codes that blame
/// our own request are ours, not the caller's.
pub(super) fn translate_error(method: Method, from: Era, to: Era, mut error: RpcError) -> RpcError {
    error.code = match (error.code, from, to) {
        (code::RESOURCE_NOT_FOUND, _, Era::Modern) => code::INVALID_PARAMS,
        (code::INVALID_PARAMS, Era::Modern, Era::Legacy) if method == Method::ResourcesRead => {
            code::RESOURCE_NOT_FOUND
        }
        (code::URL_ELICITATION_REQUIRED, _, Era::Modern)
        | (code::MISSING_CLIENT_CAPABILITY, Era::Modern, Era::Legacy) => own::NOT_BRIDGED,
        (code::HEADER_MISMATCH | code::UNSUPPORTED_PROTOCOL_VERSION, Era::Modern, _) => {
            code::INTERNAL
        }
        (code, _, _) => code,
    };
    error
}

/// Whether the error says that there is no such resource.
pub(super) fn is_not_found(from: Era, error: &RpcError) -> bool {
    match from {
        Era::Legacy => matches!(error.code, code::RESOURCE_NOT_FOUND | code::INVALID_PARAMS),
        Era::Modern => error.code == code::INVALID_PARAMS,
    }
}

/// What to count an answer of an upstream as.
pub(super) fn outcome(payload: &Result<Box<RawValue>, RpcError>) -> Outcome {
    match payload {
        Ok(result) if is_tool_error(result) => Outcome::ToolError,
        Ok(_) => Outcome::Ok,
        Err(error) if is_callers_fault(error.code) => Outcome::ClientError,
        Err(_) => Outcome::ServerError,
    }
}

/// Whether a result says `isError`.
fn is_tool_error(result: &RawValue) -> bool {
    result.get().contains("\"isError\"")
        && RawObject::parse(result)
            .is_some_and(|object| object.get("isError").is_some_and(|value| value.get() == "true"))
}

/// Errors that the caller made (OpenTelemetry's MCP conventions), and a capability it lacks.
fn is_callers_fault(code: i64) -> bool {
    matches!(
        code,
        code::PARSE
            | code::INVALID_REQUEST
            | code::METHOD_NOT_FOUND
            | code::INVALID_PARAMS
            | code::RESOURCE_NOT_FOUND
            | code::MISSING_CLIENT_CAPABILITY
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cross(method: Method, from: Era, to: Era, result: &str) -> Result<String, Untranslatable> {
        translate(method, from, to, raw(result).unwrap()).map(|result| result.get().to_owned())
    }

    #[test]
    fn a_legacy_result_becomes_a_modern_one() {
        let up = |method, result| cross(method, Era::Legacy, Era::Modern, result).unwrap();
        assert_eq!(
            up(Method::ToolsCall, r#"{"content":[ ],"x":1.0}"#),
            r#"{"resultType":"complete","content":[ ],"x":1.0}"#
        );
        assert_eq!(up(Method::ToolsCall, "{}"), r#"{"resultType":"complete"}"#);
        assert_eq!(
            up(Method::ResourcesRead, r#"{"contents":[]}"#),
            r#"{"resultType":"complete","ttlMs":0,"cacheScope":"private","contents":[]}"#
        );
    }

    #[test]
    fn a_modern_result_becomes_a_legacy_one() {
        let down = |result| cross(Method::ResourcesRead, Era::Modern, Era::Legacy, result);
        assert_eq!(
            down(r#"{"resultType":"complete","contents":[],"ttlMs":5,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{},"own":1}}"#).unwrap(),
            r#"{"contents":[],"_meta":{"own":1}}"#
        );
        assert_eq!(
            down(r#"{"resultType":"complete","contents":[],"_meta":{"io.modelcontextprotocol/serverInfo":{}}}"#).unwrap(),
            r#"{"contents":[]}"#
        );
        assert_eq!(
            down(r#"{"resultType":"input_required"}"#),
            Err(Untranslatable("input_required".into()))
        );
    }

    #[test]
    fn within_an_era_nothing_changes() {
        let text =
            r#"{"resultType":"complete",  "_meta":{"io.modelcontextprotocol/serverInfo":{}}}"#;
        assert_eq!(cross(Method::ToolsCall, Era::Modern, Era::Modern, text).unwrap(), text);
        assert_eq!(cross(Method::ToolsCall, Era::Legacy, Era::Legacy, text).unwrap(), text);
    }

    #[test]
    fn codes_of_one_era_never_reach_the_other() {
        let cross = |method, from, to, code| {
            translate_error(method, from, to, RpcError::new(code, "")).code
        };
        assert_eq!(cross(Method::ResourcesRead, Era::Legacy, Era::Modern, -32002), -32602);
        assert_eq!(cross(Method::ResourcesRead, Era::Modern, Era::Modern, -32002), -32602);
        assert_eq!(cross(Method::ResourcesRead, Era::Modern, Era::Legacy, -32602), -32002);
        assert_eq!(cross(Method::ToolsCall, Era::Modern, Era::Legacy, -32602), -32602);
        assert_eq!(cross(Method::ToolsCall, Era::Legacy, Era::Modern, -32042), own::NOT_BRIDGED);
        assert_eq!(cross(Method::ToolsCall, Era::Legacy, Era::Legacy, -32042), -32042);
        assert_eq!(cross(Method::ToolsCall, Era::Modern, Era::Modern, -32020), -32603);
        assert_eq!(cross(Method::ToolsCall, Era::Modern, Era::Modern, -32021), -32021);
    }

    #[test]
    fn outcomes() {
        let ok = |text: &str| outcome(&Ok(raw(text).unwrap()));
        assert_eq!(ok(r#"{"isError":true}"#), Outcome::ToolError);
        assert_eq!(ok(r#"{"isError":false}"#), Outcome::Ok);
        assert_eq!(ok(r#"{"content":["\"isError\":true"]}"#), Outcome::Ok);
        assert_eq!(outcome(&Err(RpcError::new(-32602, ""))), Outcome::ClientError);
        assert_eq!(outcome(&Err(RpcError::new(-32603, ""))), Outcome::ServerError);
    }
}

//! What is said in one era, in the words of the other; and what went wrong, in the agent's words.

use mcp_client::{ClientError, Ran};
use mcp_protocol::{
    Era, Method, Payload, RawObject, RawValue, Revision, RpcError, code, key, raw_string, raw_value,
};
use serde_json::json;

/// The server cannot be reached; the call did not run.
const UNAVAILABLE: i64 = 1001;
/// The answer was lost; the call may have run.
const OUTCOME_UNKNOWN: i64 = 1002;
/// The server wants something that the agent's era has no words for.
const NOT_BRIDGED: i64 = 1004;
/// How long a model should wait before it tries again, in milliseconds.
const RETRY_AFTER_MS: u64 = 1_000;

/// An answer of the server as the agent's era has it: results of the modern era say their type,
/// and how long they keep.
pub(super) fn answer_for(era: Era, method: Method, answer: Payload) -> Payload {
    let result = answer?;
    let Some(mut object) = RawObject::parse(&result) else { return Ok(result) };
    match (era, object.get_str("resultType")) {
        (Era::Modern, Some(_)) | (Era::Legacy, None) => return Ok(result),
        (Era::Modern, None) => complete(&mut object, method),
        (Era::Legacy, Some(kind)) if kind == "complete" => {
            object.retain(|key| !matches!(key, "resultType" | "ttlMs" | "cacheScope"));
        }
        (Era::Legacy, Some(kind)) => {
            let message = format!(
                "The server answers with `{kind}`, which a client of this revision does not know"
            );
            return Err(RpcError::new(NOT_BRIDGED, message));
        }
    }
    Ok(object.to_raw())
}

/// Adds what a complete modern result must say.
pub(super) fn complete(object: &mut RawObject<'_>, method: Method) {
    object.set("resultType", raw_string("complete"));
    if method.is_cacheable() {
        object.set_value("ttlMs", &0);
        object.set("cacheScope", raw_string("private"));
    }
}

/// The same, with who answers.
pub(super) fn signed(object: &mut RawObject<'_>, method: Method, info: &RawValue) {
    complete(object, method);
    object.set_value("_meta", &json!({ key::SERVER_INFO: info }));
}

/// Refuses a modern revision that is not ours.
pub(super) fn known_revision(name: &str) -> Result<(), RpcError> {
    if name == Revision::LATEST_MODERN.as_str() {
        return Ok(());
    }
    let data = json!({ "supported": [Revision::LATEST_MODERN.as_str()], "requested": name });
    let error = RpcError::new(code::UNSUPPORTED_PROTOCOL_VERSION, "Unsupported protocol version");
    Err(error.with_data(&data))
}

/// What the agent is told when there is no answer: a tool's result that tells the model whether it
/// may try again, or an error.
pub(super) fn no_answer(era: Era, method: Method, error: &ClientError) -> Payload {
    let ran = error.ran();
    let (number, name, advice) = match (error, ran) {
        (ClientError::Auth { .. }, Ran::No) => (
            UNAVAILABLE,
            "unauthorized",
            "It did not run. A person must give `mcp-orchestrator connect` a valid token.",
        ),
        (_, Ran::No) => (UNAVAILABLE, "unavailable", "It did not run; try again in a moment."),
        (_, Ran::Unknown) => {
            (OUTCOME_UNKNOWN, "outcome_unknown", "It may have run: find out before you try again.")
        }
    };
    let text = format!("There is no answer: {error}. {advice}");
    let retry = (ran == Ran::No && name == "unavailable").then_some(RETRY_AFTER_MS);
    if method != Method::ToolsCall {
        let data = json!({ "code": name, "retry_after_ms": retry });
        return Err(RpcError::new(number, text).with_data(&data));
    }
    let mut meta = json!({
        "mcp-orchestrator/code": name,
        "mcp-orchestrator/ran": if ran == Ran::No { "no" } else { "unknown" },
    });
    if let Some(retry) = retry {
        meta["mcp-orchestrator/retry_after_ms"] = retry.into();
    }
    let result =
        json!({ "content": [{ "type": "text", "text": text }], "isError": true, "_meta": meta });
    answer_for(era, method, Ok(raw_value(&result)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_client::Ending;
    use mcp_protocol::raw;

    fn answer(era: Era, method: Method, text: &str) -> Result<String, i64> {
        let answer = answer_for(era, method, Ok(raw(text).expect("JSON")));
        answer.map(|result| result.get().to_owned()).map_err(|error| error.code)
    }

    #[test]
    fn an_answer_says_what_the_agents_era_wants_and_no_more() {
        let (legacy, modern) = (
            r#"{"tools":[]}"#,
            r#"{"tools":[],"resultType":"complete","ttlMs":0,"cacheScope":"private"}"#,
        );
        let list = Method::ToolsList;
        assert_eq!(answer(Era::Legacy, list, legacy), Ok(legacy.to_owned()));
        assert_eq!(answer(Era::Legacy, list, modern), Ok(legacy.to_owned()));
        assert_eq!(answer(Era::Modern, list, legacy), Ok(modern.to_owned()));
        assert_eq!(answer(Era::Modern, list, modern), Ok(modern.to_owned()));
        let question = r#"{"resultType":"input_required","requestState":"x"}"#;
        assert_eq!(answer(Era::Legacy, Method::ToolsCall, question), Err(NOT_BRIDGED));
        assert_eq!(answer(Era::Modern, Method::ToolsCall, question), Ok(question.to_owned()));
    }

    #[test]
    fn a_model_is_told_whether_its_call_ran() {
        let lost = |sent| ClientError::Closed { sent, ending: Ending::Lost("cut".into()) };
        for (sent, code, ran) in
            [(false, "unavailable", "no"), (true, "outcome_unknown", "unknown")]
        {
            let result = no_answer(Era::Legacy, Method::ToolsCall, &lost(sent)).expect("a result");
            let result: serde_json::Value = serde_json::from_str(result.get()).expect("JSON");
            assert_eq!(result["isError"], true);
            assert_eq!(result["_meta"]["mcp-orchestrator/code"], code);
            assert_eq!(result["_meta"]["mcp-orchestrator/ran"], ran);
            let error =
                no_answer(Era::Legacy, Method::PromptsGet, &lost(sent)).expect_err("an error");
            assert!(!(-32_768..=-32_000).contains(&error.code));
        }
    }
}

//! Requests as scenarios make them, and what their answers mean.

use crate::{persona::Agent, result::Outcome};
use mcp_client::{ClientError, ErrorKind, OutCall, Ran, Unfinished};
use mcp_protocol::{Payload, RpcError, raw_value};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Most pages of a list that are read.
const MOST_PAGES: usize = 100;

/// How a request ended.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    /// Whether it is known that it did not run.
    pub(super) told_not_run: bool,
    /// What went wrong.
    pub(super) message: Option<String>,
    /// The result, if there is one.
    pub(super) result: Value,
}

/// Calls a tool once, as far as the persona does that.
pub(super) async fn call_tool(
    agent: &Agent,
    tool: &str,
    arguments: &Map<String, Value>,
    within: Duration,
    may_repeat: bool,
) -> Ended {
    let params = raw_value(&json!({ "name": tool, "arguments": arguments }));
    let call = OutCall::new("tools/call", params);
    read(Box::pin(agent.request(call, within, may_repeat)).await)
}

/// Reads the whole list of tools.
pub(super) async fn list_tools(agent: &Agent, within: Duration) -> Result<Vec<Value>, String> {
    let mut tools = Vec::new();
    let mut params = json!({});
    for _ in 0..MOST_PAGES {
        let call = OutCall::new("tools/list", raw_value(&params));
        let ended = read(Box::pin(agent.request(call, within, true)).await);
        if ended.outcome != Outcome::Ok {
            return Err(ended.message.unwrap_or_default());
        }
        tools.extend(ended.result["tools"].as_array().into_iter().flatten().cloned());
        match ended.result.get("nextCursor") {
            Some(cursor) if cursor.is_string() => params = json!({ "cursor": cursor }),
            _ => return Ok(tools),
        }
    }
    Err(format!("the list of tools has more than {MOST_PAGES} pages"))
}

fn read(answer: Result<Payload, ClientError>) -> Ended {
    match answer {
        Ok(Ok(result)) => of_result(serde_json::from_str(result.get()).unwrap_or_default()),
        Ok(Err(error)) => of_error(&error),
        Err(error) => Ended {
            outcome: of_failure(&error),
            told_not_run: error.ran() == Ran::No,
            message: Some(error.to_string()),
            result: Value::Null,
        },
    }
}

fn of_result(result: Value) -> Ended {
    if result["isError"] != json!(true) {
        return Ended { outcome: Outcome::Ok, told_not_run: false, message: None, result };
    }
    let outcome = match result["_meta"]["mcp-orchestrator/code"].as_str() {
        Some("unavailable") => Outcome::Unavailable,
        Some("outcome_unknown") => Outcome::OutcomeUnknown,
        Some("timeout") => Outcome::Timeout,
        Some("rate_limited") => Outcome::RateLimited,
        Some(_) | None => Outcome::ToolError,
    };
    let told_not_run = result["_meta"]["mcp-orchestrator/ran"] == json!("no");
    let message = crate::oracle::tools::first_text(&result).map(ToOwned::to_owned);
    Ended { outcome, told_not_run, message, result }
}

fn of_error(error: &RpcError) -> Ended {
    let outcome = match error.code {
        1001 | 1503 => Outcome::Unavailable,
        1002 => Outcome::OutcomeUnknown,
        1003 => Outcome::Timeout,
        1429 => Outcome::RateLimited,
        -32602..=-32600 | -32700 => Outcome::ClientError,
        _ => Outcome::ServerError,
    };
    let told_not_run =
        matches!(outcome, Outcome::Unavailable | Outcome::RateLimited | Outcome::ClientError);
    Ended { outcome, told_not_run, message: Some(error.to_string()), result: Value::Null }
}

fn of_failure(error: &ClientError) -> Outcome {
    if let ClientError::Unfinished(Unfinished::Unknown(why)) = error {
        let timed_out = of_failure(why) == Outcome::Timeout;
        return if timed_out { Outcome::Timeout } else { Outcome::OutcomeUnknown };
    }
    if matches!(error, ClientError::Unfinished(Unfinished::NoAnswer { .. })) {
        return Outcome::Timeout;
    }
    match error.kind() {
        ErrorKind::Timeout => Outcome::Timeout,
        ErrorKind::RateLimit => Outcome::RateLimited,
        ErrorKind::Protocol | ErrorKind::Server => Outcome::ServerError,
        ErrorKind::Authentication | ErrorKind::Config => Outcome::ClientError,
        ErrorKind::Network | ErrorKind::Tls => Outcome::Disconnected,
    }
}

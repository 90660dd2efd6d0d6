//! Calls that got no answer from their upstream, and what the client is told instead.

use super::Reply;
use crate::call::code;
use mcp_client::{ClientError, Ran};
use mcp_protocol::{Era, Method, Payload, RawValue, RpcError, raw_value};
use mcp_telemetry::{AttemptOutcome, Outcome};
use serde_json::json;
use std::time::Duration;

/// When to try again where nobody said otherwise.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a call got no answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Failure {
    /// It provably did not run.
    Unavailable {
        /// One clause for a person.
        why: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// It may have run.
    OutcomeUnknown {
        /// One clause for a person.
        why: String,
    },
    /// It took too long; it may have run.
    Timeout {
        /// How long we waited.
        after: Duration,
    },
}

impl Failure {
    /// The call did not run, for this reason.
    pub(super) fn unavailable(why: impl Into<String>) -> Self {
        Self::Unavailable { why: why.into(), retry_after: RETRY_AFTER }
    }

    /// What an error of the connection means for the call.
    pub(super) fn of_error(error: &ClientError) -> Self {
        match error.ran() {
            Ran::No => Self::Unavailable {
                why: error.to_string(),
                retry_after: error.retry_after().unwrap_or(RETRY_AFTER),
            },
            Ran::Unknown => Self::OutcomeUnknown { why: error.to_string() },
        }
    }

    /// The same of a call of which an earlier try may have run.
    pub(super) fn or_it_ran(self) -> Self {
        match self {
            Self::Unavailable { why, .. } => Self::OutcomeUnknown { why },
            Self::OutcomeUnknown { .. } | Self::Timeout { .. } => self,
        }
    }

    /// The reply: for a tool a result that the model can read, else an error.
    pub(super) fn into_reply(self, method: Method, era: Era, upstream: &str) -> Reply {
        let shown = self.shown(method, upstream);
        Reply { outcome: shown.outcome, payload: shown.payload(method, era) }
    }

    fn shown(self, method: Method, upstream: &str) -> Shown {
        let is_tool = method == Method::ToolsCall;
        match self {
            Self::Unavailable { why, retry_after } => Shown {
                outcome: Outcome::Unavailable,
                rpc_code: code::UNAVAILABLE,
                code: "unavailable",
                ran: "no",
                retry_after_ms: Some(millis(retry_after)),
                text: format!(
                    "The MCP server `{upstream}` is not available ({why}). The call did not run; \
                     it is safe to try again in {} s.",
                    retry_after.as_secs().max(1)
                ),
            },
            Self::OutcomeUnknown { why } => Shown {
                outcome: Outcome::OutcomeUnknown,
                rpc_code: code::OUTCOME_UNKNOWN,
                code: "outcome_unknown",
                ran: "unknown",
                retry_after_ms: None,
                text: unknown_text(&format!(
                    "The answer of the MCP server `{upstream}` was lost ({why})."
                )),
            },
            Self::Timeout { after } => Shown {
                outcome: if is_tool { Outcome::OutcomeUnknown } else { Outcome::Timeout },
                rpc_code: code::TIMEOUT,
                code: if is_tool { "outcome_unknown" } else { "timeout" },
                ran: "unknown",
                retry_after_ms: None,
                text: unknown_text(&format!(
                    "The MCP server `{upstream}` did not answer within {} s.",
                    after.as_secs_f32()
                )),
            },
        }
    }
}

/// What an attempt without an answer is counted as: what the upstream said instead, if anything,
/// else whether it may have run.
pub(super) const fn counted(error: &ClientError) -> AttemptOutcome {
    match error {
        ClientError::Auth { .. } => AttemptOutcome::Refused,
        ClientError::Http { status: 429, .. } => AttemptOutcome::RateLimited,
        ClientError::Http { status: 500.., .. } => AttemptOutcome::ServerError,
        ClientError::Http { .. } | ClientError::Protocol(_) | ClientError::TooLarge { .. } => {
            AttemptOutcome::ProtocolError
        }
        ClientError::Spawn { .. }
        | ClientError::Connect(_)
        | ClientError::Tls(_)
        | ClientError::Timeout { .. }
        | ClientError::Refused(_)
        | ClientError::SessionLost
        | ClientError::Invalid(_)
        | ClientError::Busy
        | ClientError::Closed { .. }
        | ClientError::Unfinished(_) => match error.ran() {
            Ran::No => AttemptOutcome::Unavailable,
            Ran::Unknown => AttemptOutcome::OutcomeUnknown,
        },
    }
}

/// The answer to a legacy call whose true answer was lost between us and the client.
pub(crate) fn answer_lost(method: Method, why: &str) -> Payload {
    let shown = Shown {
        outcome: Outcome::OutcomeUnknown,
        rpc_code: code::OUTCOME_UNKNOWN,
        code: "outcome_unknown",
        ran: "unknown",
        retry_after_ms: None,
        text: unknown_text(&format!("The answer was lost ({why}).")),
    };
    shown.payload(method, Era::Legacy)
}

fn unknown_text(what: &str) -> String {
    format!("{what} The call may or may not have run: check its effect before trying again.")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

struct Shown {
    outcome: Outcome,
    rpc_code: i64,
    code: &'static str,
    ran: &'static str,
    retry_after_ms: Option<u64>,
    text: String,
}

impl Shown {
    fn payload(self, method: Method, era: Era) -> Payload {
        if method == Method::ToolsCall {
            return Ok(self.result(era));
        }
        let data =
            json!({ "code": self.code, "ran": self.ran, "retry_after_ms": self.retry_after_ms });
        Err(RpcError::new(self.rpc_code, self.text).with_data(&data))
    }

    fn result(&self, era: Era) -> Box<RawValue> {
        let mut meta =
            json!({ "mcp-orchestrator/code": self.code, "mcp-orchestrator/ran": self.ran });
        if let Some(after) = self.retry_after_ms {
            meta["mcp-orchestrator/retry_after_ms"] = after.into();
        }
        let content = json!([{ "type": "text", "text": self.text }]);
        raw_value(&match era {
            Era::Legacy => json!({ "content": content, "isError": true, "_meta": meta }),
            Era::Modern => {
                json!({ "resultType": "complete", "content": content, "isError": true, "_meta": meta })
            }
        })
    }
}

impl Reply {
    /// A result of our own.
    pub(super) fn ok(result: Box<RawValue>) -> Self {
        Self { payload: Ok(result), outcome: Outcome::Ok }
    }

    /// An error that the caller made.
    pub(super) fn callers_fault(error: RpcError) -> Self {
        Self { payload: Err(error), outcome: Outcome::ClientError }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_client::Ending;
    use mcp_protocol::RawObject;

    #[test]
    fn a_tool_that_did_not_run_is_a_result_for_the_model() {
        let reply = Failure::unavailable("it is starting").into_reply(
            Method::ToolsCall,
            Era::Modern,
            "files",
        );
        assert_eq!(reply.outcome, Outcome::Unavailable);
        let result: serde_json::Value = serde_json::from_str(reply.payload.unwrap().get()).unwrap();
        assert_eq!(result["isError"], true);
        assert_eq!(result["resultType"], "complete");
        assert_eq!(result["_meta"]["mcp-orchestrator/code"], "unavailable");
        assert_eq!(result["_meta"]["mcp-orchestrator/ran"], "no");
        assert_eq!(result["_meta"]["mcp-orchestrator/retry_after_ms"], 1000);
    }

    #[test]
    fn a_tool_that_took_too_long_may_have_run() {
        let timeout = Failure::Timeout { after: Duration::from_secs(3) };
        let reply = timeout.into_reply(Method::ToolsCall, Era::Legacy, "files");
        assert_eq!(reply.outcome, Outcome::OutcomeUnknown);
        let result = reply.payload.unwrap();
        let result = RawObject::parse(&result).unwrap();
        assert!(!result.contains("resultType"));
        assert!(result.get("_meta").unwrap().get().contains(r#""mcp-orchestrator/ran":"unknown""#));
    }

    #[test]
    fn an_attempt_is_counted_as_what_the_upstream_said_else_by_whether_it_may_have_run() {
        let http = |status| ClientError::Http { status, retry_after: None };
        let closed = |sent| ClientError::Closed { sent, ending: Ending::Lost("reset".into()) };
        for (error, outcome) in [
            (ClientError::Auth { status: 401 }, AttemptOutcome::Refused),
            (http(429), AttemptOutcome::RateLimited),
            (http(503), AttemptOutcome::ServerError),
            (http(400), AttemptOutcome::ProtocolError),
            (ClientError::Protocol("no JSON".into()), AttemptOutcome::ProtocolError),
            (ClientError::SessionLost, AttemptOutcome::Unavailable),
            (closed(false), AttemptOutcome::Unavailable),
            (closed(true), AttemptOutcome::OutcomeUnknown),
        ] {
            assert_eq!(counted(&error), outcome, "{error}");
        }
    }

    #[test]
    fn anything_else_is_an_error_with_a_code_of_ours() {
        let timeout = Failure::Timeout { after: Duration::from_secs(3) };
        let reply = timeout.into_reply(Method::PromptsGet, Era::Legacy, "files");
        assert_eq!(reply.outcome, Outcome::Timeout);
        let error = reply.payload.unwrap_err();
        assert_eq!(error.code, code::TIMEOUT);
        assert!(error.data.unwrap().get().contains(r#""code":"timeout""#));
        assert!(!(-32768..=-32000).contains(&code::UNAVAILABLE));
    }
}

//! What is sent, and whether what comes back is the answer to it.

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

/// The revision asked for: the newest that has sessions.
pub(crate) const REVISION: &str = "2025-11-25";

const PAYLOAD: &str = "0123456789abcdef";

/// Ready-made messages.
#[derive(Clone)]
pub(crate) struct Messages {
    pub(crate) initialize: String,
    pub(crate) initialized: String,
    /// What follows a call's id.
    call_rest: String,
}

#[derive(Deserialize)]
struct Incoming<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

impl Messages {
    /// Messages that call `tool`.
    pub(crate) fn new(tool: &str) -> Self {
        let client = json!({ "name": "mcp-bench", "version": env!("CARGO_PKG_VERSION") });
        let initialize = json!({
            "jsonrpc": "2.0", "id": 0, "method": "initialize",
            "params": { "protocolVersion": REVISION, "capabilities": {}, "clientInfo": client },
        });
        let params = json!({ "name": tool, "arguments": { "message": PAYLOAD } });
        Self {
            initialize: initialize.to_string(),
            initialized: json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })
                .to_string(),
            call_rest: format!(r#","method":"tools/call","params":{params}}}"#),
        }
    }

    /// A call with this id.
    pub(crate) fn call(&self, id: u64) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":{id}{}"#, self.call_rest)
    }
}

/// Reads a message: the result if it answers `id`, `None` if it is another message.
///
/// # Errors
/// When it answers with an error, or is no message.
pub(crate) fn result_for(id: u64, message: &[u8]) -> anyhow::Result<Option<&str>> {
    let text = || String::from_utf8_lossy(message).chars().take(200).collect::<String>();
    let read: Incoming<'_> =
        serde_json::from_slice(message).with_context(|| format!("no message: {}", text()))?;
    if read.id.is_none_or(|read| read.get().parse() != Ok(id)) {
        return Ok(None);
    }
    match (read.result, read.error) {
        (Some(result), None) => Ok(Some(result.get())),
        (_, Some(error)) => bail!("answered with the error {error}"),
        (None, None) => bail!("neither result nor error: {}", text()),
    }
}

/// Checks that a call gave back what was sent.
pub(crate) fn check_echo(result: &str) -> anyhow::Result<()> {
    let is_right = result.contains(PAYLOAD) && !result.contains(r#""isError":true"#);
    ensure!(is_right, "not what was sent: {}", result.chars().take(200).collect::<String>());
    Ok(())
}

/// Checks what `initialize` gave.
pub(crate) fn check_welcome(result: &str) -> anyhow::Result<()> {
    ensure!(result.contains(REVISION), "{REVISION} was not agreed to: {result}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_known_by_its_id() {
        let answer = br#"{"jsonrpc":"2.0","id":7,"result":{"a":1}}"#;
        assert_eq!(result_for(7, answer).unwrap(), Some(r#"{"a":1}"#));
        assert_eq!(result_for(8, answer).unwrap(), None);
        assert_eq!(result_for(7, br#"{"jsonrpc":"2.0","method":"x"}"#).unwrap(), None);
        assert!(result_for(7, br#"{"jsonrpc":"2.0","id":7,"error":{"code":1}}"#).is_err());
        assert!(result_for(7, b"<html>").is_err());
    }

    #[test]
    fn a_wrong_echo_is_a_failure() {
        assert!(check_echo(r#"{"content":[{"type":"text","text":"0123456789abcdef"}]}"#).is_ok());
        assert!(check_echo(r#"{"content":[{"text":"0123456789abcdef"}],"isError":true}"#).is_err());
        assert!(check_echo(r#"{"content":[]}"#).is_err());
    }
}

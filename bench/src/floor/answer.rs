//! The least that answers MCP: the request is read once and borrowed from, the answer written
//! once. Shared by the HTTP and the WebSocket floor.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{borrow::Cow, collections::HashMap};

/// The one revision spoken.
pub(crate) const REVISION: &str = "2025-11-25";

const WELCOME: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"floor","version":"0"}}"#;
const TOOLS: &str = r#"{"tools":[{"name":"echo","description":"Gives the message back.","inputSchema":{"type":"object","properties":{"message":{"type":"string"}},"required":["message"]}}]}"#;
const METHOD_NOT_FOUND: &str = r#"{"code":-32601,"message":"Method not found"}"#;
const INVALID_PARAMS: &str = r#"{"code":-32602,"message":"Invalid params"}"#;

/// A message of JSON-RPC, as far as it is looked at.
#[derive(Deserialize)]
pub(crate) struct Incoming<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) method: Cow<'a, str>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

impl<'a> Incoming<'a> {
    /// Reads a message; `None` if it is none.
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    arguments: &'a RawValue,
}

#[derive(Deserialize)]
struct Echo<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
}

#[derive(Serialize)]
struct Outgoing<'a, T> {
    jsonrpc: &'static str,
    id: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<T>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolResult {
    content: [Text; 1],
    is_error: bool,
}

#[derive(Serialize)]
struct Text {
    r#type: &'static str,
    text: String,
}

/// A tool: arguments in, text out; `None` if the arguments are wrong.
type Tool = fn(&RawValue) -> Option<String>;

/// The tools by name.
pub(crate) struct Tools(HashMap<&'static str, Tool>);

impl Tools {
    pub(crate) fn new() -> Self {
        Self(HashMap::from([("echo", echo as Tool)]))
    }

    /// The answer to a request that has an id; notifications have none, and get none.
    pub(crate) fn answer(&self, message: &Incoming<'_>) -> Option<Vec<u8>> {
        let id = message.id?;
        match &*message.method {
            "tools/call" => match self.call(message.params) {
                Some(result) => encode(id, Some(result), None),
                None => fixed(id, None, Some(INVALID_PARAMS)),
            },
            "initialize" => fixed(id, Some(WELCOME), None),
            "tools/list" => fixed(id, Some(TOOLS), None),
            "ping" => fixed(id, Some("{}"), None),
            _ => fixed(id, None, Some(METHOD_NOT_FOUND)),
        }
    }

    fn call(&self, params: Option<&RawValue>) -> Option<ToolResult> {
        let call: Call<'_> = serde_json::from_str(params?.get()).ok()?;
        let text = self.0.get(&*call.name)?(call.arguments)?;
        Some(ToolResult { content: [Text { r#type: "text", text }], is_error: false })
    }
}

fn echo(arguments: &RawValue) -> Option<String> {
    let echo: Echo<'_> = serde_json::from_str(arguments.get()).ok()?;
    Some(echo.message.into_owned())
}

fn fixed(id: &RawValue, result: Option<&str>, error: Option<&str>) -> Option<Vec<u8>> {
    let raw = |text: Option<&str>| text.and_then(|text| RawValue::from_string(text.into()).ok());
    encode(id, raw(result), raw(error))
}

fn encode<T: Serialize>(id: &RawValue, result: Option<T>, error: Option<T>) -> Option<Vec<u8>> {
    serde_json::to_vec(&Outgoing { jsonrpc: "2.0", id, result, error }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Option<String> {
        let message = Incoming::parse(text.as_bytes()).unwrap();
        Tools::new().answer(&message).map(|answer| String::from_utf8(answer).unwrap())
    }

    #[test]
    fn a_call_is_answered_and_a_notification_is_not() {
        let call = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"message":"a\"b"}}}"#;
        let result = r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"a\"b"}],"isError":false}}"#;
        assert_eq!(answer(call).as_deref(), Some(result));
        assert_eq!(answer(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#), None);
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        let discover = answer(r#"{"jsonrpc":"2.0","id":1,"method":"server/discover"}"#).unwrap();
        assert!(discover.contains("-32601"), "{discover}");
        let call = answer(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#).unwrap();
        assert!(call.contains("-32602"), "{call}");
    }
}

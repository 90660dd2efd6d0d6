//! The JSON-RPC 2.0 envelope: read, told apart, written. Params and results stay raw.

use crate::{
    Method, RawValue, RpcError, code,
    object::{raw_value, text as text_of},
};
use serde::{Deserialize, Deserializer};
use std::{borrow::Cow, fmt, sync::Arc};

/// A request id: a JSON string or number, kept as the text it was sent in (numbers), or in
/// its one canonical spelling (strings), so that equal ids are equal text. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Id(Arc<str>);

impl Id {
    /// An integer id.
    #[must_use]
    pub fn number(value: u64) -> Self {
        Self(value.to_string().into())
    }

    /// A string id.
    #[must_use]
    pub fn string(value: &str) -> Self {
        Self(raw_value(value).get().into())
    }

    /// Reads an id; `None` for anything but a string or a number.
    #[must_use]
    pub fn parse(value: &RawValue) -> Option<Self> {
        let text = value.get();
        match text.as_bytes().first()? {
            b'"' if !text.contains('\\') => Some(Self(text.into())),
            b'"' => serde_json::from_str::<String>(text).ok().map(|text| Self::string(&text)),
            b'-' | b'0'..=b'9' => Some(Self(text.into())),
            _ => None,
        }
    }

    /// The JSON text.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// The same as a raw JSON value.
    #[must_use]
    pub fn to_raw(&self) -> Box<RawValue> {
        RawValue::from_string(self.0.as_ref().to_owned())
            .unwrap_or_else(|_| RawValue::NULL.to_owned())
    }
}

impl fmt::Display for Id {
    /// The id as a person would write it: a string id without its quotes.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.0.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        out.write_str(inner.unwrap_or(&self.0))
    }
}

/// A message that wants an answer.
#[derive(Debug, Clone)]
pub struct Request {
    /// What the answer must carry.
    pub id: Id,
    /// The method, if known.
    pub method: Method,
    /// The method's name as sent.
    pub name: Cow<'static, str>,
    /// The params: absent, or the text of a JSON object.
    pub params: Option<Box<RawValue>>,
}

/// A message that wants none.
#[derive(Debug, Clone)]
pub struct Notification {
    /// The method, if known.
    pub method: Method,
    /// The method's name as sent.
    pub name: Cow<'static, str>,
    /// The params: absent, or the text of a JSON object.
    pub params: Option<Box<RawValue>>,
}

/// A result, or an error.
pub type Payload = Result<Box<RawValue>, RpcError>;

/// The answer to a request, addressed.
pub type Answer = (Id, Payload);

/// An answer as it is read off the wire.
#[derive(Debug, Clone)]
pub struct Response {
    /// The request it answers; `None` where an error could not tell.
    pub id: Option<Id>,
    /// The result or error.
    pub payload: Payload,
}

/// One JSON-RPC message.
#[derive(Debug, Clone)]
pub enum Message {
    /// Wants an answer.
    Request(Request),
    /// Wants none.
    Notification(Notification),
    /// Is one.
    Response(Response),
}

/// Why a text is no message, and which request it would have been.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{error}")]
pub struct EnvelopeError {
    /// The id, if one could be read.
    pub id: Option<Id>,
    /// What to answer.
    pub error: RpcError,
}

/// A whole HTTP body or frame.
#[derive(Debug)]
pub enum Body {
    /// One message.
    One(Message),
    /// A JSON array of messages, each read on its own. Never empty.
    Batch(Vec<Result<Message, EnvelopeError>>),
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// Tells `"id": null` from no id at all.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads a body that may be a batch.
///
/// # Errors
/// `-32700` when it is no JSON, `-32600` when it is no message or an empty batch, `-32602`
/// when its params are no object.
pub fn parse_body(body: &[u8]) -> Result<Body, EnvelopeError> {
    let text = utf8(body)?;
    if text.trim_start().starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| not_json(&error))?;
        if items.is_empty() {
            return Err(invalid(None, "a batch must hold at least one message"));
        }
        return Ok(Body::Batch(items.into_iter().map(|item| parse_text(item.get())).collect()));
    }
    parse_text(text).map(Body::One)
}

/// Reads one message.
///
/// # Errors
/// As [`parse_body`]; a batch is `-32600`.
pub fn parse_message(body: &[u8]) -> Result<Message, EnvelopeError> {
    parse_text(utf8(body)?)
}

fn utf8(body: &[u8]) -> Result<&str, EnvelopeError> {
    std::str::from_utf8(body).map_err(|_| EnvelopeError {
        id: None,
        error: RpcError::new(code::PARSE, "Parse error: the body is not UTF-8"),
    })
}

fn not_json(error: &serde_json::Error) -> EnvelopeError {
    EnvelopeError { id: None, error: RpcError::new(code::PARSE, format!("Parse error: {error}")) }
}

fn invalid(id: Option<Id>, reason: &str) -> EnvelopeError {
    EnvelopeError {
        id,
        error: RpcError::new(code::INVALID_REQUEST, format!("Invalid request: {reason}")),
    }
}

fn parse_text(text: &str) -> Result<Message, EnvelopeError> {
    let no_message = || invalid(None, "the body is no JSON-RPC message");
    let wire: Wire<'_> = serde_json::from_str(text)
        .map_err(|error| if error.is_data() { no_message() } else { not_json(&error) })?;
    // Members without their names, in an array, would be read as well.
    if !text.trim_start().starts_with('{') {
        return Err(no_message());
    }
    let id = wire.id.and_then(Id::parse);
    if wire.jsonrpc.and_then(text_of).as_deref() != Some("2.0") {
        return Err(invalid(id, "`jsonrpc` must be \"2.0\""));
    }
    let Some(method) = wire.method else { return response(&wire, id) };
    let Some(method) = text_of(method) else {
        return Err(invalid(id, "`method` must be a string"));
    };
    let known = Method::parse(&method);
    let name = if known == Method::Other {
        Cow::Owned(method.into_owned())
    } else {
        Cow::Borrowed(known.as_str())
    };
    if wire.params.is_some_and(|params| !params.get().starts_with('{')) {
        return Err(EnvelopeError {
            id,
            error: RpcError::invalid_params("`params` must be an object"),
        });
    }
    let params = wire.params.map(ToOwned::to_owned);
    match (wire.id, id) {
        (None, _) => Ok(Message::Notification(Notification { method: known, name, params })),
        (Some(_), Some(id)) => Ok(Message::Request(Request { id, method: known, name, params })),
        (Some(_), None) => Err(invalid(None, "`id` must be a string or a number")),
    }
}

fn response(wire: &Wire<'_>, id: Option<Id>) -> Result<Message, EnvelopeError> {
    match (wire.result, wire.error) {
        (Some(result), None) if id.is_some() => {
            Ok(Message::Response(Response { id, payload: Ok(result.to_owned()) }))
        }
        (None, Some(error)) => match read_error(error) {
            Some(error) => Ok(Message::Response(Response { id, payload: Err(error) })),
            None => Err(invalid(id, "`error` must be an object with `code` and `message`")),
        },
        (Some(_), None) => Err(invalid(None, "a result needs an `id`")),
        (Some(_), Some(_)) => Err(invalid(id, "a response has `result` or `error`, not both")),
        (None, None) => Err(invalid(id, "a message has `method`, `result` or `error`")),
    }
}

fn read_error(error: &RawValue) -> Option<RpcError> {
    error.get().starts_with('{').then(|| serde_json::from_str(error.get()).ok()).flatten()
}

/// Line breaks in JSON stand only between tokens: a space serves as well, and keeps the
/// message on one line, as stdio and SSE want it.
fn one_line(text: &str) -> Cow<'_, str> {
    if text.as_bytes().contains(&b'\n') || text.as_bytes().contains(&b'\r') {
        Cow::Owned(text.replace(['\n', '\r'], " "))
    } else {
        Cow::Borrowed(text)
    }
}

/// Writes a successful response, on one line.
#[must_use]
pub fn encode_result(id: &Id, result: &RawValue) -> String {
    let result = one_line(result.get());
    let mut out = String::with_capacity(result.len() + id.0.len() + 40);
    out.push_str(r#"{"jsonrpc":"2.0","id":"#);
    out.push_str(&id.0);
    out.push_str(r#","result":"#);
    out.push_str(&result);
    out.push('}');
    out
}

/// Writes an error response, on one line; without an id it says `"id":null`.
#[must_use]
pub fn encode_error(id: Option<&Id>, error: &RpcError) -> String {
    let error = raw_value(error);
    let id = id.map_or("null", Id::as_json);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{}}}"#, one_line(error.get()))
}

/// Writes a request, on one line.
#[must_use]
pub fn encode_request(id: &Id, method: &str, params: Option<&RawValue>) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{},"method":{}{}}}"#,
        id.0,
        raw_value(method),
        params_member(params)
    )
}

/// Writes a notification, on one line.
#[must_use]
pub fn encode_notification(method: &str, params: Option<&RawValue>) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":{}{}}}"#, raw_value(method), params_member(params))
}

fn params_member(params: Option<&RawValue>) -> String {
    params.map_or_else(String::new, |params| format!(r#","params":{}"#, one_line(params.get())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code_of(body: &str) -> (i64, Option<String>) {
        match parse_body(body.as_bytes()) {
            Err(error) => (error.error.code, error.id.map(|id| id.to_string())),
            Ok(body) => panic!("{body:?}"),
        }
    }

    #[test]
    fn each_kind_of_bad_body_has_its_code_and_keeps_its_id() {
        assert_eq!(code_of("{"), (code::PARSE, None));
        assert_eq!(code_of(""), (code::PARSE, None));
        assert_eq!(code_of("[]"), (code::INVALID_REQUEST, None));
        assert_eq!(code_of("1"), (code::INVALID_REQUEST, None));
        assert_eq!(
            code_of(r#"{"id":7,"method":"ping"}"#),
            (code::INVALID_REQUEST, Some("7".into()))
        );
        assert_eq!(
            code_of(r#"{"jsonrpc":"2.0","id":"a","method":3}"#),
            (code::INVALID_REQUEST, Some("a".into()))
        );
        assert_eq!(
            code_of(r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#),
            (code::INVALID_REQUEST, None)
        );
        assert_eq!(
            code_of(r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#),
            (code::INVALID_REQUEST, None)
        );
        assert_eq!(
            code_of(r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#),
            (code::INVALID_PARAMS, Some("1".into()))
        );
        assert_eq!(
            code_of(r#"{"jsonrpc":"2.0","id":1}"#),
            (code::INVALID_REQUEST, Some("1".into()))
        );
    }

    #[test]
    fn members_without_names_are_no_message() {
        for text in [r#"["2.0",1,"ping"]"#, r#"["2.0",1,"ping",{}]"#, r#" ["2.0",null,"ping"]"#] {
            assert!(parse_message(text.as_bytes()).is_err(), "{text}");
            let Ok(Body::Batch(items)) = parse_body(format!("[{text}]").as_bytes()) else {
                panic!("a batch")
            };
            assert_eq!(items[0].as_ref().unwrap_err().error.code, code::INVALID_REQUEST);
        }
        let error = r#"{"jsonrpc":"2.0","id":1,"error":[-1,"m"]}"#;
        assert_eq!(code_of(error), (code::INVALID_REQUEST, Some("1".into())));
    }

    #[test]
    fn an_id_is_shown_without_its_own_quotes_only() {
        assert_eq!(Id::string("a").to_string(), "a");
        assert_eq!(Id::string("\"a\"").to_string(), r#"\"a\""#);
        assert_eq!(Id::number(7).to_string(), "7");
    }

    #[test]
    fn a_million_brackets_are_refused_or_passed_but_never_overflow_the_stack() {
        let deep = "[".repeat(1_000_000);
        assert!(parse_body(deep.as_bytes()).is_err());
        let open = r#"{"a":"#.repeat(100_000);
        let nested = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{open}1{}}}"#,
            "}".repeat(100_000)
        );
        assert!(parse_body(nested.as_bytes()).is_ok());
    }

    #[test]
    fn a_message_is_written_on_one_line() {
        let result = crate::raw("{\n \"a\":\r\n 1}").expect("JSON");
        assert_eq!(
            encode_result(&Id::number(1), &result),
            r#"{"jsonrpc":"2.0","id":1,"result":{  "a":   1}}"#
        );
    }

    #[test]
    fn a_big_number_is_echoed_as_it_came() {
        let body = br#"{"jsonrpc":"2.0","id":123456789012345678901234567890,"method":"ping"}"#;
        let Ok(Message::Request(request)) = parse_message(body) else { panic!("a request") };
        assert_eq!(request.id.as_json(), "123456789012345678901234567890");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _outcome = parse_body(&body);
        }

        #[test]
        fn a_string_id_is_the_same_however_it_is_escaped(text in ".*") {
            let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            let escaped = RawValue::from_string(format!("\"{escaped}\"")).expect("JSON");
            prop_assert_eq!(Id::parse(&escaped), Some(Id::string(&text)));
        }
    }
}

//! The header ladder of the modern era: headers must say what the body says
//! (2026-07-28 `basic/transports/streamable-http.mdx`, SEP-2243).

use crate::{Method, ModernMeta, RawObject, RawValue, Revision, RpcError, code};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{borrow::Cow, collections::HashSet};

/// `MCP-Protocol-Version`, in the case HTTP libraries want.
pub const PROTOCOL_VERSION: &str = "mcp-protocol-version";
/// `Mcp-Method`.
pub const METHOD: &str = "mcp-method";
/// `Mcp-Name`.
pub const NAME: &str = "mcp-name";
/// `Mcp-Session-Id`, legacy only.
pub const SESSION_ID: &str = "mcp-session-id";
/// Prefix of the headers that repeat arguments.
pub const PARAM_PREFIX: &str = "mcp-param-";

/// The largest integer that JSON readers agree on (2026-07-28 `server/tools.mdx`).
const LARGEST_SAFE: f64 = 9_007_199_254_740_991.0;

const ENCODED_START: &str = "=?base64?";
const ENCODED_END: &str = "?=";

/// What a message has under one header name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'a> {
    /// Nothing.
    None,
    /// One value.
    One(&'a [u8]),
    /// More than one: the first and the last reader would disagree.
    Many,
}

/// Looks a header up by its lower-case name.
pub type Lookup<'a> = dyn Fn(&str) -> Found<'a> + 'a;

/// Checks the headers of a modern request against its body, and that its revision is served.
///
/// # Errors
/// `-32020` for a missing, doubled, malformed or differing header; then `-32022` for a
/// revision that is not served.
pub fn check_request(
    lookup: &Lookup<'_>,
    method_name: &str,
    params: Option<&RawValue>,
    meta: &ModernMeta,
) -> Result<(), RpcError> {
    check_one(lookup, "MCP-Protocol-Version", PROTOCOL_VERSION, &meta.protocol_version)?;
    check_one(lookup, "Mcp-Method", METHOD, method_name)?;
    if let Some(param) = Method::parse(method_name).name_param() {
        let named = params.and_then(RawObject::parse).and_then(|params| params.get_str(param));
        if let Some(named) = named {
            check_one(lookup, "Mcp-Name", NAME, &named)?;
        }
    }
    check_revision(&meta.protocol_version)
}

/// Checks that a modern revision is served.
///
/// # Errors
/// `-32022`, naming those that are.
pub fn check_revision(name: &str) -> Result<(), RpcError> {
    match Revision::parse(name) {
        Some(revision) if revision.era() == crate::Era::Modern => Ok(()),
        _ => Err(RpcError::new(code::UNSUPPORTED_PROTOCOL_VERSION, "Unsupported protocol version").with_data(
            &serde_json::json!({ "supported": [Revision::LATEST_MODERN.as_str()], "requested": name }),
        )),
    }
}

fn mismatch(reason: String) -> RpcError {
    RpcError::new(code::HEADER_MISMATCH, format!("Header mismatch: {reason}"))
}

fn check_one(lookup: &Lookup<'_>, title: &str, name: &str, wanted: &str) -> Result<(), RpcError> {
    let value = required(lookup, title, name)?;
    if value == wanted {
        return Ok(());
    }
    let shown = |text: &str| text.chars().take(128).collect::<String>();
    Err(mismatch(format!(
        "{title} header value '{}' does not match body value '{}'",
        shown(&value),
        shown(wanted)
    )))
}

fn required<'a>(lookup: &Lookup<'a>, title: &str, name: &str) -> Result<Cow<'a, str>, RpcError> {
    match lookup(name) {
        Found::None => Err(mismatch(format!("the {title} header is missing"))),
        Found::Many => Err(mismatch(format!("the {title} header stands more than once"))),
        Found::One(value) => {
            decode_value(value).map_err(|reason| mismatch(format!("{title}: {reason}")))
        }
    }
}

/// Decodes a header value: plain visible text, or the base64 sentinel.
///
/// # Errors
/// A reason, when the sentinel holds no base64 of UTF-8 or plain text holds other bytes.
pub fn decode_value(value: &[u8]) -> Result<Cow<'_, str>, &'static str> {
    let text =
        std::str::from_utf8(value).map_err(|_| "the value is not text")?.trim_matches([' ', '\t']);
    let Some(encoded) =
        text.strip_prefix(ENCODED_START).and_then(|rest| rest.strip_suffix(ENCODED_END))
    else {
        let plain = text.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte));
        return if plain {
            Ok(Cow::Borrowed(text))
        } else {
            Err("the value holds characters that need base64")
        };
    };
    let bytes = STANDARD.decode(encoded).map_err(|_| "the base64 is malformed")?;
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| "the base64 holds no UTF-8")
}

/// Encodes a value for a header, with the sentinel where plain text would not survive.
#[must_use]
pub fn encode_value(value: &str) -> Cow<'_, str> {
    let visible = value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte));
    let edges = value.trim_matches([' ', '\t']).len() == value.len();
    let looks_encoded = value.starts_with(ENCODED_START) && value.ends_with(ENCODED_END);
    if visible && edges && !looks_encoded {
        return Cow::Borrowed(value);
    }
    Cow::Owned(format!("{ENCODED_START}{}{ENCODED_END}", STANDARD.encode(value)))
}

/// The JSON types that an argument in a header may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ParamType {
    Integer,
    String,
    Boolean,
}

/// An argument that a tool's schema wants repeated in a header (`x-mcp-header`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamHeader {
    /// The header's name in lower case, with the prefix.
    pub header: String,
    path: Vec<String>,
    kind: ParamType,
}

/// Finds the `x-mcp-header` annotations of an input schema.
///
/// # Errors
/// The reason why the tool must not be offered over HTTP: an annotation on another type, in a
/// place that is not reached by `properties` alone, doubled, or no HTTP token.
pub fn param_headers(schema: &RawValue) -> Result<Vec<ParamHeader>, String> {
    if !schema.get().contains("x-mcp-header") {
        return Ok(Vec::new());
    }
    let schema: serde_json::Value = serde_json::from_str(schema.get())
        .map_err(|_| "the schema is no JSON that can be read".to_owned())?;
    let mut found = Vec::new();
    walk(&schema, &mut Vec::new(), &mut found)?;
    if count_annotations(&schema) != found.len() {
        return Err("`x-mcp-header` stands where `properties` alone do not lead".to_owned());
    }
    let mut seen = HashSet::new();
    match found.iter().find(|param| !seen.insert(param.header.clone())) {
        Some(twice) => Err(format!("`x-mcp-header` names {} twice", twice.header)),
        None => Ok(found),
    }
}

fn walk(
    schema: &serde_json::Value,
    path: &mut Vec<String>,
    found: &mut Vec<ParamHeader>,
) -> Result<(), String> {
    if let Some(name) = schema.get("x-mcp-header") {
        found.push(annotation(name, schema, path)?);
    }
    let properties = schema.get("properties").and_then(serde_json::Value::as_object);
    for (key, inner) in properties.into_iter().flatten() {
        path.push(key.clone());
        walk(inner, path, found)?;
        path.pop();
    }
    Ok(())
}

fn annotation(
    name: &serde_json::Value,
    schema: &serde_json::Value,
    path: &[String],
) -> Result<ParamHeader, String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let name = name.as_str().filter(|name| !name.is_empty() && name.bytes().all(is_token));
    let Some(name) = name else { return Err("`x-mcp-header` must be an HTTP token".to_owned()) };
    let kind = match schema.get("type").and_then(serde_json::Value::as_str) {
        Some("integer") => ParamType::Integer,
        Some("string") => ParamType::String,
        Some("boolean") => ParamType::Boolean,
        _ => {
            return Err(format!(
                "`x-mcp-header` {name} must annotate an integer, string or boolean"
            ));
        }
    };
    if path.is_empty() {
        return Err(format!("`x-mcp-header` {name} must annotate a property"));
    }
    Ok(ParamHeader {
        header: format!("{PARAM_PREFIX}{}", name.to_ascii_lowercase()),
        path: path.to_vec(),
        kind,
    })
}

fn count_annotations(value: &serde_json::Value) -> usize {
    let own = value.get("x-mcp-header").is_some_and(|name| !name.is_object());
    let inner: usize = match (value.as_object(), value.as_array()) {
        (Some(map), _) => map.values().map(count_annotations).sum(),
        (_, Some(items)) => items.iter().map(count_annotations).sum(),
        (None, None) => 0,
    };
    usize::from(own) + inner
}

impl ParamHeader {
    /// The header's value for these arguments; `None` when the argument is absent or null.
    #[must_use]
    pub fn value(&self, arguments: Option<&RawValue>) -> Option<String> {
        let mut value: Box<RawValue> = arguments?.to_owned();
        for key in &self.path {
            let inner = RawObject::parse(&value)?.get(key)?.to_owned();
            value = inner;
        }
        match value.get() {
            "null" => None,
            text if text.starts_with('"') => serde_json::from_str(text).ok(),
            text => Some(text.to_owned()),
        }
    }

    fn agrees(&self, header: &str, body: &str) -> bool {
        header == body
            || (self.kind == ParamType::Integer
                && safe_integer(header).is_some_and(|number| safe_integer(body) == Some(number)))
    }
}

/// An integer however it is spelled; `None` for what has no one value in all readers.
fn safe_integer(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    (number.fract() == 0.0 && number.abs() <= LARGEST_SAFE).then_some(number)
}

/// Checks the `Mcp-Param-*` headers of a tool call against its arguments.
///
/// # Errors
/// `-32020`, naming the header.
pub fn check_params(
    lookup: &Lookup<'_>,
    wanted: &[ParamHeader],
    arguments: Option<&RawValue>,
) -> Result<(), RpcError> {
    for param in wanted {
        match (param.value(arguments), lookup(&param.header)) {
            (None, Found::None) => {}
            (None, _) => return Err(mismatch(format!("{} stands for no argument", param.header))),
            (Some(value), _) => {
                let header = required(lookup, &param.header, &param.header)?;
                if !param.agrees(&header, &value) {
                    return Err(mismatch(format!("{} does not match the argument", param.header)));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

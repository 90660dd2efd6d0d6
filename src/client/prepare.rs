//! A call as it goes on the wire: id, progress token, modern metadata, routing headers.

use crate::{ClientError, Departure, Identity, OutCall, Sink};
use http::{HeaderMap, HeaderName, HeaderValue};
use mcp_protocol::{
    Era, Id, META_PREFIX, Method, RawObject, RawValue, Revision, encode_request, headers, key,
    raw_string,
};
use std::{borrow::Cow, sync::Arc};

/// A call ready to be sent.
pub(crate) struct Outgoing {
    /// Its id, also its progress token.
    pub(crate) id: u64,
    /// Its method.
    pub(crate) method: Cow<'static, str>,
    /// The whole message, on one line.
    pub(crate) text: String,
    /// What HTTP sends along.
    pub(crate) headers: HeaderMap,
    /// Takes what belongs to this call alone.
    pub(crate) sink: Option<Arc<dyn Sink>>,
    /// Whether it asked for progress.
    pub(crate) progress: bool,
    /// Whether to tell the server when nobody waits for the answer any more.
    pub(crate) cancellable: bool,
    /// Told when it is written.
    pub(crate) departure: Departure,
}

impl Outgoing {
    /// Prepares a call of a user.
    pub(crate) fn new(
        id: u64,
        call: OutCall,
        era: Era,
        identity: &Identity,
    ) -> Result<Self, ClientError> {
        let params = RawObject::parse(&call.params)
            .ok_or_else(|| ClientError::Invalid("its params are no object".to_owned()))?;
        let mut headers = HeaderMap::new();
        if era == Era::Modern {
            headers = routing_headers(&call.method, &params)?;
            for (name, value) in &call.headers {
                insert(&mut headers, name, value)?;
            }
        }
        let params = with_meta(params, era, call.progress.then_some(id), identity);
        let text = encode_request(&Id::number(id), &call.method, Some(&params));
        let OutCall { method, sink, progress, departure, .. } = call;
        Ok(Self { id, method, text, headers, sink, progress, cancellable: true, departure })
    }

    /// Prepares a call of the handshake: it is never cancelled, as the specification wants it
    /// for `initialize`.
    pub(crate) fn handshake(
        id: u64,
        call: OutCall,
        era: Era,
        identity: &Identity,
    ) -> Result<Self, ClientError> {
        Ok(Self { cancellable: false, ..Self::new(id, call, era, identity)? })
    }
}

/// The headers that repeat what the body of a modern message says.
pub(crate) fn routing_headers(
    method: &str,
    params: &RawObject<'_>,
) -> Result<HeaderMap, ClientError> {
    let mut map = HeaderMap::new();
    insert(&mut map, headers::PROTOCOL_VERSION, Revision::LATEST_MODERN.as_str())?;
    insert(&mut map, headers::METHOD, method)?;
    if let Some(name) = Method::parse(method).name_param().and_then(|param| params.get_str(param)) {
        insert(&mut map, headers::NAME, &name)?;
    }
    Ok(map)
}

fn insert(map: &mut HeaderMap, name: &str, value: &str) -> Result<(), ClientError> {
    let invalid = || ClientError::Invalid(format!("`{name}` is no header that can be sent"));
    let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
    let value = HeaderValue::from_str(&headers::encode_value(value)).map_err(|_| invalid())?;
    map.insert(header, value);
    Ok(())
}

/// The params with our progress token, or none, and in the modern era with the three keys.
fn with_meta(
    mut params: RawObject<'_>,
    era: Era,
    token: Option<u64>,
    identity: &Identity,
) -> Box<RawValue> {
    let old = params.get("_meta").map(ToOwned::to_owned);
    let mut meta = old.as_deref().and_then(RawObject::parse).unwrap_or_default();
    let had_token = meta.remove(key::PROGRESS_TOKEN);
    if let Some(token) = token {
        meta.set_value(key::PROGRESS_TOKEN, &token);
    }
    if era == Era::Modern {
        let ours = [
            (key::PROTOCOL_VERSION, raw_string(Revision::LATEST_MODERN.as_str())),
            (key::CLIENT_INFO, identity.info.clone()),
            (key::CLIENT_CAPABILITIES, identity.capabilities.clone()),
        ];
        for (key, value) in ours {
            if !meta.contains(key) {
                meta.set(key, value);
            }
        }
    }
    let mut had_claim = false;
    if era == Era::Legacy {
        // What a modern sender says of itself would make a modern request of it.
        meta.retain(|key| !key.starts_with(META_PREFIX));
        had_claim = old.as_deref().is_some_and(|old| old.get().contains(META_PREFIX));
    }
    if had_token || had_claim || token.is_some() || era == Era::Modern {
        params.set("_meta", meta.to_raw());
    }
    params.to_raw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::raw;

    fn prepared(params: &str, era: Era, progress: bool) -> Outgoing {
        let identity = Identity {
            info: raw(r#"{"name":"us"}"#).expect("JSON"),
            capabilities: raw("{}").expect("JSON"),
        };
        let call = OutCall { progress, ..OutCall::new("tools/call", raw(params).expect("JSON")) };
        Outgoing::new(9, call, era, &identity).expect("valid")
    }

    #[test]
    fn what_need_not_be_touched_is_not() {
        let call =
            prepared(r#"{"name":"x","arguments":{"a" : 1.0},"_meta":{"k":1}}"#, Era::Legacy, false);
        let wanted = r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"x","arguments":{"a" : 1.0},"_meta":{"k":1}}}"#;
        assert_eq!(call.text, wanted);
        assert!(call.headers.is_empty());
    }

    #[test]
    fn a_token_of_someone_else_never_leaves() {
        let call =
            prepared(r#"{"name":"x","_meta":{"progressToken":3,"k":1}}"#, Era::Legacy, false);
        assert!(call.text.contains(r#""_meta":{"k":1}"#), "{}", call.text);
        let call = prepared(r#"{"name":"x","_meta":{"progressToken":3}}"#, Era::Legacy, true);
        assert!(call.text.contains(r#""_meta":{"progressToken":9}"#), "{}", call.text);
    }

    #[test]
    fn a_legacy_server_hears_no_modern_claim() {
        let meta = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","k":1}}"#;
        let call = prepared(meta, Era::Legacy, false);
        assert!(call.text.contains(r#""params":{"_meta":{"k":1}}"#), "{}", call.text);
    }

    #[test]
    fn a_modern_call_says_who_sends_it_unless_it_does_already() {
        let meta = r#"{"_meta":{"io.modelcontextprotocol/clientCapabilities":{"sampling":{}}},"name":"Grüße"}"#;
        let call = prepared(meta, Era::Modern, false);
        assert!(
            call.text.contains(r#""io.modelcontextprotocol/clientCapabilities":{"sampling":{}}"#),
            "{}",
            call.text
        );
        assert!(
            call.text.contains(r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#),
            "{}",
            call.text
        );
        assert!(
            call.text.contains(r#""io.modelcontextprotocol/clientInfo":{"name":"us"}"#),
            "{}",
            call.text
        );
        assert_eq!(call.headers["mcp-method"], "tools/call");
        assert_eq!(call.headers["mcp-protocol-version"], "2026-07-28");
        assert_eq!(call.headers["mcp-name"], headers::encode_value("Grüße").as_ref());
    }
}

//! What `initialize` says of resuming, there and back: an extension of ours (`WEBSOCKET.md`), which
//! a server that does not know it leaves unanswered.

use crate::{
    ClientError,
    inbox::our_id,
    incoming::{self, Incoming},
};
use mcp_protocol::{
    Id, Message, Payload, RawObject, RawValue, Response, RpcError, code, encode_request, raw_value,
};
use serde_json::{Value, json};
use std::time::Duration;

/// The key in `_meta`, of the request and of the result.
const KEY: &str = "mcp-orchestrator/resume";
/// The id under which a client comes back: of the handshake, which uses none of them twice.
const BACK: u64 = 9;

/// An `initialize` on its way.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) id: u64,
    params: Box<RawValue>,
}

/// A session that can be resumed.
#[derive(Debug)]
pub(super) struct Session {
    token: String,
    /// So long after its socket was lost.
    pub(super) window: Duration,
    params: Box<RawValue>,
}

/// What the server says to a client that comes back.
#[derive(Debug, PartialEq)]
pub(super) enum Welcome {
    /// The session goes on; it has so many of our frames, or does not know.
    GoesOn(Option<u64>),
    /// It does not.
    Gone,
    /// It cannot say now.
    NotNow(RpcError),
}

impl Asking {
    /// An `initialize`, and its text with the wish to be able to come back. `None` if it is none.
    pub(super) fn of(id: u64, text: &str) -> Option<(Self, String)> {
        let params = RawObject::parse_str(text)?.get("params")?.to_owned();
        let text = with_wish(id, &params, &json!({}))?;
        Some((Self { id, params }, text))
    }

    /// The session that the answer brings, if it can be resumed.
    pub(super) fn answered(self, payload: &Payload) -> Option<Session> {
        let told = told(payload.as_ref().ok()?)?;
        let token = told.get("token")?.as_str()?.to_owned();
        let window = Duration::from_millis(told.get("window_ms")?.as_u64()?);
        Some(Session { token, window, params: self.params })
    }
}

impl Session {
    /// What to send to come back to it, after so many frames of the server.
    pub(super) fn way_back(&self, received: u64) -> Option<String> {
        let wish = json!({ "token": self.token, "received": received });
        with_wish(BACK, &self.params, &wish)
    }
}

/// Reads the answer to who comes back; `None` if it is another message.
pub(super) fn welcome(text: &[u8]) -> Option<Result<Welcome, ClientError>> {
    let mut items = incoming::read(text).into_iter();
    let answer = items.find_map(|item| {
        let Incoming::Message(Message::Response(Response { id, payload })) = item else {
            return None;
        };
        (our_id(id.as_ref()) == Some(BACK)).then_some(payload)
    })?;
    Some(read(answer))
}

fn read(answer: Payload) -> Result<Welcome, ClientError> {
    let result = match answer {
        Ok(result) => result,
        // It does not understand us, now or ever.
        Err(error) if is_final(&error) => return Ok(Welcome::Gone),
        Err(error) => return Ok(Welcome::NotNow(error)),
    };
    let told = told(&result).unwrap_or_default();
    if told.get("resumed") != Some(&Value::Bool(true)) {
        return Ok(Welcome::Gone);
    }
    match told.get("received") {
        Some(Value::Null) => Ok(Welcome::GoesOn(None)),
        Some(count) if count.is_u64() => Ok(Welcome::GoesOn(count.as_u64())),
        _ => Err(ClientError::Protocol("a resumed session says not what it received".to_owned())),
    }
}

fn is_final(error: &RpcError) -> bool {
    [code::INVALID_PARAMS, code::INVALID_REQUEST, code::METHOD_NOT_FOUND].contains(&error.code)
}

fn told(result: &RawValue) -> Option<serde_json::Map<String, Value>> {
    let result = RawObject::parse(result)?;
    let meta = RawObject::parse(result.get("_meta")?)?;
    serde_json::from_str(meta.get(KEY)?.get()).ok()
}

fn with_wish(id: u64, params: &RawValue, wish: &Value) -> Option<String> {
    let mut params = RawObject::parse(params)?;
    let old = params.get("_meta").map(ToOwned::to_owned);
    let mut meta = old.as_deref().and_then(RawObject::parse).unwrap_or_default();
    meta.set(KEY, raw_value(wish));
    let meta = meta.to_raw();
    params.set("_meta", meta);
    Some(encode_request(&Id::number(id), "initialize", Some(&params.to_raw())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::raw;

    fn asking() -> (Asking, String) {
        let text = r#"{"jsonrpc":"2.0","id":3,"method":"initialize","params":{"protocolVersion":"2025-11-25","_meta":{"k":1}}}"#;
        Asking::of(3, text).expect("an initialize")
    }

    fn answer(told: &str) -> Payload {
        Ok(raw(&format!(r#"{{"protocolVersion":"2025-11-25","_meta":{{"{KEY}":{told}}}}}"#))
            .expect("JSON"))
    }

    fn back(payload: &str) -> Option<Result<Welcome, ClientError>> {
        welcome(format!(r#"{{"jsonrpc":"2.0","id":9,{payload}}}"#).as_bytes())
    }

    fn told_back(told: &str) -> Option<Result<Welcome, ClientError>> {
        back(&format!(r#""result":{{"_meta":{{"{KEY}":{told}}}}}"#))
    }

    #[test]
    fn the_wish_is_added_and_the_way_back_repeats_the_first_params() {
        let (asking, text) = asking();
        let wish = format!(r#""_meta":{{"k":1,"{KEY}":{{}}}}"#);
        assert!(text.contains(&wish) && text.contains(r#""id":3"#), "{text}");
        let session = asking.answered(&answer(r#"{"token":"t","window_ms":1500}"#));
        let session = session.expect("it can be resumed");
        assert_eq!(session.window, Duration::from_millis(1_500));
        let text = session.way_back(7).expect("a text");
        let wish = format!(r#""_meta":{{"k":1,"{KEY}":{{"token":"t","received":7}}}}"#);
        assert!(text.contains(&wish) && text.contains(r#""id":9"#), "{text}");
    }

    #[test]
    fn a_server_without_the_extension_gives_no_such_session() {
        for told in ["null", "{}", r#"{"token":1,"window_ms":1}"#, r#"{"token":"t"}"#, "[]"] {
            assert!(asking().0.answered(&answer(told)).is_none(), "{told}");
        }
        let plain = Ok(raw(r#"{"protocolVersion":"2025-11-25"}"#).expect("JSON"));
        assert!(asking().0.answered(&plain).is_none());
        assert!(asking().0.answered(&Err(RpcError::new(-32603, "x"))).is_none());
    }

    #[test]
    fn every_answer_to_who_comes_back_is_read() {
        let goes_on = |count| Some(Ok(Welcome::GoesOn(count)));
        assert_eq!(told_back(r#"{"resumed":true,"received":3}"#), goes_on(Some(3)));
        assert_eq!(told_back(r#"{"resumed":true,"received":null}"#), goes_on(None));
        assert_eq!(told_back(r#"{"resumed":false,"token":"n"}"#), Some(Ok(Welcome::Gone)));
        assert_eq!(back(r#""result":{}"#), Some(Ok(Welcome::Gone)), "it forgot the extension");
        for told in [r#"{"resumed":true}"#, r#"{"resumed":true,"received":-1}"#] {
            assert!(matches!(told_back(told), Some(Err(ClientError::Protocol(_)))), "{told}");
        }
        let error = |code| format!(r#""error":{{"code":{code},"message":"no"}}"#);
        assert_eq!(back(&error(-32602)), Some(Ok(Welcome::Gone)));
        assert!(matches!(back(&error(1503)), Some(Ok(Welcome::NotNow(_)))));
        assert_eq!(welcome(br#"{"jsonrpc":"2.0","id":8,"result":{}}"#), None);
        assert_eq!(welcome(br#"{"jsonrpc":"2.0","method":"notifications/message"}"#), None);
    }
}

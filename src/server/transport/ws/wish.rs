//! What an `initialize` over WebSocket asks for beyond MCP: a session that can be resumed.

use crate::pipeline::WayBack;
use mcp_protocol::{RawObject, RawValue, RpcError};
use serde_json::{Value, json};

/// The key in `_meta`, of the request and of the result.
pub(super) const KEY: &str = "mcp-orchestrator/resume";

/// What the client wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// A session as ever.
    Plain,
    /// A session that it can come back to.
    Resumable,
    /// To come back to one.
    Resume(WayBack),
}

impl Wish {
    /// Reads the params of `initialize`.
    ///
    /// # Errors
    /// `-32602` when the wish is not of its shape.
    pub(super) fn of(params: Option<&RawValue>) -> Result<Self, RpcError> {
        let params = RawObject::of_params(params).unwrap_or_default();
        let meta = params.get("_meta").and_then(RawObject::parse).unwrap_or_default();
        let Some(wish) = meta.get(KEY) else { return Ok(Self::Plain) };
        let Ok(Value::Object(wish)) = serde_json::from_str(wish.get()) else {
            return Err(invalid());
        };
        match (wish.get("token"), wish.get("received")) {
            (None, None) => Ok(Self::Resumable),
            (Some(Value::String(token)), Some(received)) => {
                let received = received.as_u64().ok_or_else(invalid)?;
                Ok(Self::Resume(WayBack { token: token.clone(), received }))
            }
            _ => Err(invalid()),
        }
    }
}

fn invalid() -> RpcError {
    RpcError::invalid_params(format!(
        "`_meta[\"{KEY}\"]` must be {{}}, or have the `token` of a session and in `received` the number of text \
         frames that came after its `initialize` result"
    ))
}

/// Adds what the client is told to the result of `initialize`.
pub(super) fn granted(result: &RawValue, told: &Value) -> Box<RawValue> {
    let mut result = RawObject::parse(result).unwrap_or_default();
    result.set_value("_meta", &json!({ KEY: told }));
    result.to_raw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::raw;

    fn of(wish: &str) -> Result<Wish, RpcError> {
        Wish::of(raw(&format!(r#"{{"_meta":{{"{KEY}":{wish}}}}}"#)).as_deref())
    }

    #[test]
    fn a_wish_is_read_or_refused_and_never_guessed() {
        assert_eq!(Wish::of(None), Ok(Wish::Plain));
        assert_eq!(Wish::of(raw(r#"{"_meta":{"x":1}}"#).as_deref()), Ok(Wish::Plain));
        assert_eq!(of("{}"), Ok(Wish::Resumable));
        let way = WayBack { token: "t".to_owned(), received: 7 };
        assert_eq!(of(r#"{"token":"t","received":7}"#), Ok(Wish::Resume(way)));
        for wish in [
            "null",
            "true",
            "[]",
            r#"{"token":"t"}"#,
            r#"{"received":1}"#,
            r#"{"token":1,"received":1}"#,
            r#"{"token":"t","received":-1}"#,
            r#"{"token":"t","received":1.5}"#,
            r#"{"token":"t","received":null}"#,
        ] {
            assert!(of(wish).is_err(), "{wish}");
        }
    }
}

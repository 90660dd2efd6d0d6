//! What a JSON-RPC message says, as far as faults ask.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

/// One JSON-RPC message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Its id, as JSON.
    pub(crate) id: Option<String>,
    /// Its method.
    pub(crate) method: Option<String>,
    /// Whether it answers a request.
    pub(crate) answers: bool,
}

#[derive(Deserialize)]
struct Read {
    id: Option<Value>,
    method: Option<String>,
    result: Option<IgnoredAny>,
    error: Option<IgnoredAny>,
}

/// What some JSON says: one message, a batch of them, or nothing.
pub(crate) fn said(json: &[u8]) -> Vec<Said> {
    let batch = json.trim_ascii_start().first() == Some(&b'[');
    let read: Vec<Read> = if batch {
        serde_json::from_slice(json).unwrap_or_default()
    } else {
        serde_json::from_slice(json).into_iter().collect()
    };
    let said = |read: Read| Said {
        answers: read.result.is_some() || read.error.is_some(),
        id: read.id.map(|id| id.to_string()),
        method: read.method,
    };
    read.into_iter().map(said).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_answers_and_batches_are_told_apart() {
        let asked = said(br#"{"jsonrpc":"2.0","id":"a","method":"tools/list","params":{}}"#);
        assert_eq!(asked[0].method.as_deref(), Some("tools/list"));
        let answered = said(br#" [{"id":1,"result":{}},{"id":2,"error":{}}]"#);
        assert!(answered.len() == 2 && answered.iter().all(|said| said.answers));
        assert_eq!(said(b"no JSON"), []);
    }
}

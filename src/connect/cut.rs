//! Who waits for an answer to a message that is too long to be read.

use mcp_protocol::{Id, RawObject, RawValue};

/// The request's id, if it can be seen in the two ends that were kept.
pub(super) fn id(head: &[u8], tail: &[u8]) -> Option<Id> {
    id_at_start(head).or_else(|| id_at_end(tail))
}

/// The id in front of the params: `{"jsonrpc":"2.0","id":1,…`.
fn id_at_start(head: &[u8]) -> Option<Id> {
    let text = String::from_utf8_lossy(head);
    let (before, _) = text.split_once("\"params\"")?;
    let object = format!("{}}}", before.trim_end().trim_end_matches(','));
    id_in(&object)
}

/// The id behind the params: `…},"jsonrpc":"2.0","id":1}`.
fn id_at_end(tail: &[u8]) -> Option<Id> {
    let text = String::from_utf8_lossy(tail);
    let members = &text[text.rfind('}').and_then(|last| text[..last].rfind('}'))? + 1..];
    id_in(&format!("{{{}", members.trim_start().trim_start_matches(',')))
}

fn id_in(object: &str) -> Option<Id> {
    let object: Box<RawValue> = serde_json::from_str(object.trim()).ok()?;
    RawObject::parse(&object)?.get("id").and_then(Id::parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_seen_at_either_end() {
        let start = br#"{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":"xxx"#;
        let end = br#"xxx"},"b":[{}]},"jsonrpc":"2.0","id":"z"}"#;
        assert_eq!(id(start, b"xxx\"}}"), Some(Id::number(7)));
        assert_eq!(id(br#"{"method":"m","params":{"a":"xxx"#, end), Some(Id::string("z")));
        assert_eq!(id(b"xxx", b"xxx"), None);
    }
}

//! The list of tools is empty, as that of a server which answers before it has gathered them.

use super::{Direction, Effect, Passing, Scene};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The list of tools is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmptyTools {}

impl Effect for EmptyTools {
    fn directions(&self) -> &'static [Direction] {
        &[Direction::Down]
    }

    fn strike(&self, _scene: &mut Scene<'_>, passing: &mut Passing) -> bool {
        passing.answers().iter().any(|method| method == "tools/list") && passing.rewrite(empty)
    }
}

/// Empties the list in a message, or in those of a batch that have one.
fn empty(message: &mut Value) -> bool {
    if let Value::Array(batch) = message {
        return batch.iter_mut().filter_map(|message| empty(message).then_some(())).count() > 0;
    }
    let Some(result) = message.get_mut("result").and_then(Value::as_object_mut) else {
        return false;
    };
    let Some(tools) = result.get_mut("tools") else { return false };
    *tools = json!([]);
    result.remove("nextCursor");
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        passing::testing::pass,
        wire::{Answer, Asked, Coding, Unit, View},
    };
    use bytes::Bytes;
    use std::sync::Arc;

    const LIST: &str =
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}],"nextCursor":"x","_meta":{}}}"#;
    const EMPTY: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[],"_meta":{}}}"#;

    fn asked() -> Arc<Asked> {
        let body = Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
        Arc::new(Asked { body, ..Asked::default() })
    }

    #[test]
    fn a_list_is_emptied_in_a_response_and_in_an_event() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 92\r\nServer: x\r\n\r\n";
        let bytes = Bytes::from(format!("{head}{LIST}"));
        let body = Some(bytes.slice(head.len()..));
        let answer = Answer { asked: asked(), session: None, head: head.len(), body };
        let event = Bytes::from(format!("id: 7\ndata: {LIST}\n\n"));
        let units = vec![
            Unit { bytes, view: View::Response(answer) },
            Unit { bytes: event.clone(), view: View::Event(asked(), event, Coding::Plain) },
        ];
        let passed = pass(&EmptyTools {}, units);
        let length = EMPTY.len();
        let response =
            format!("HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: {length}\r\n\r\n{EMPTY}");
        assert_eq!(passed[0].1.bytes, response);
        assert_eq!(passed[1].1.bytes, format!("id: 7\nevent: message\ndata: {EMPTY}\n\n"));
    }
}

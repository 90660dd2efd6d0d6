//! What was set in a session, so that it can be set in the next: log level and subscriptions.

use crate::OutCall;
use mcp_protocol::{RawObject, RawValue, raw_value};
use serde_json::json;
use std::collections::BTreeSet;

/// Most subscriptions that are remembered.
const SUBSCRIPTIONS: usize = 10_000;

/// What the user of a client has set.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    level: Option<String>,
    subscriptions: BTreeSet<String>,
}

impl Wishes {
    /// The server has granted a call.
    pub(super) fn granted(&mut self, method: &str, params: &RawValue) {
        let key = match method {
            "logging/setLevel" => "level",
            "resources/subscribe" | "resources/unsubscribe" => "uri",
            _ => return,
        };
        let Some(value) = RawObject::parse(params).and_then(|params| params.get_str(key)) else {
            return;
        };
        match method {
            "logging/setLevel" => self.level = Some(value),
            "resources/unsubscribe" => {
                self.subscriptions.remove(&value);
            }
            _ if self.subscriptions.len() < SUBSCRIPTIONS => {
                self.subscriptions.insert(value);
            }
            _ => {}
        }
    }

    /// The calls that set it all again.
    pub(super) fn calls(&self) -> Vec<OutCall> {
        let level = self.level.iter().map(|level| ("logging/setLevel", json!({ "level": level })));
        let subscriptions =
            self.subscriptions.iter().map(|uri| ("resources/subscribe", json!({ "uri": uri })));
        level
            .chain(subscriptions)
            .map(|(method, params)| OutCall::new(method, raw_value(&params)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts() {
        let mut wishes = Wishes::default();
        for (method, params) in [
            ("logging/setLevel", json!({ "level": "debug" })),
            ("resources/subscribe", json!({ "uri": "a:1" })),
            ("resources/subscribe", json!({ "uri": "b:2" })),
            ("resources/unsubscribe", json!({ "uri": "a:1" })),
            ("logging/setLevel", json!({ "level": "error" })),
            ("tools/call", json!({ "uri": "c:3" })),
        ] {
            wishes.granted(method, &raw_value(&params));
        }
        let calls: Vec<_> = wishes
            .calls()
            .iter()
            .map(|call| (call.method.clone(), call.params.to_string()))
            .collect();
        let expected = [
            ("logging/setLevel".into(), r#"{"level":"error"}"#.to_owned()),
            ("resources/subscribe".into(), r#"{"uri":"b:2"}"#.to_owned()),
        ];
        assert_eq!(calls, expected);
    }
}

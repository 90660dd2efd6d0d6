//! What was set in a session, so that it can be set in the next: log level and subscriptions.

use crate::OutCall;
use mcp_protocol::{RawObject, RawValue, raw_value};
use serde_json::json;
use std::collections::BTreeSet;

/// Most subscriptions that are remembered.
const SUBSCRIPTIONS: usize = 10_000;

/// A call that sets something which outlives the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// The log level.
    Level(String),
    /// To hear of changes of this resource.
    Subscribe(String),
    /// To hear of them no more.
    Unsubscribe(String),
}

impl Wish {
    /// What a call sets, if it does.
    pub(super) fn of(method: &str, params: &RawValue) -> Option<Self> {
        let (wish, key): (fn(String) -> Self, _) = match method {
            "logging/setLevel" => (Self::Level, "level"),
            "resources/subscribe" => (Self::Subscribe, "uri"),
            "resources/unsubscribe" => (Self::Unsubscribe, "uri"),
            _ => return None,
        };
        RawObject::parse(params)?.get_str(key).map(wish)
    }

    /// What it is about: of those about the same, the last one counts. The level is about nothing
    /// that has a URI.
    pub(super) fn subject(&self) -> &str {
        match self {
            Self::Level(_) => "",
            Self::Subscribe(uri) | Self::Unsubscribe(uri) => uri,
        }
    }
}

/// What the user of a client has set.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    level: Option<String>,
    subscriptions: BTreeSet<String>,
}

impl Wishes {
    /// The server has granted it.
    pub(super) fn granted(&mut self, wish: &Wish) {
        match wish {
            Wish::Level(level) => self.level = Some(level.clone()),
            Wish::Unsubscribe(uri) => {
                self.subscriptions.remove(uri);
            }
            Wish::Subscribe(uri) if self.subscriptions.len() < SUBSCRIPTIONS => {
                self.subscriptions.insert(uri.clone());
            }
            Wish::Subscribe(_) => {}
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
            if let Some(wish) = Wish::of(method, &raw_value(&params)) {
                wishes.granted(&wish);
            }
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

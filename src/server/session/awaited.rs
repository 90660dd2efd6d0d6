//! The requests that wait for an answer on a stream, written into its event ids and into the
//! store, so that whoever comes back for an answer that is lost is told so.

use crate::upstream::answer_lost;
use mcp_protocol::{Id, Method, RawValue, Request, encode_error, encode_result};

/// Requests without an answer yet. As JSON: an array of their ids, those of tool calls in an
/// array of their own each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Awaited(Vec<(Id, Method)>);

impl Awaited {
    /// Notes a request.
    pub(crate) fn add(&mut self, request: &Request) {
        self.note(request.id.clone(), request.method);
    }

    /// Notes a request by its id and method.
    pub(crate) fn note(&mut self, id: Id, method: Method) {
        self.0.push((id, method));
    }

    /// The JSON text.
    pub(crate) fn to_json(&self) -> String {
        let one = |(id, method): &(Id, Method)| {
            let id = id.as_json();
            if *method == Method::ToolsCall { format!("[{id}]") } else { id.to_owned() }
        };
        format!("[{}]", self.0.iter().map(one).collect::<Vec<_>>().join(","))
    }

    /// Reads the text back; what is none of ours is empty.
    pub(crate) fn parse(text: &str) -> Self {
        let items: Vec<Box<RawValue>> = serde_json::from_str(text).unwrap_or_default();
        let one = |item: Box<RawValue>| {
            let tool: Result<[Box<RawValue>; 1], _> = serde_json::from_str(item.get());
            match tool {
                Ok([id]) => Id::parse(&id).map(|id| (id, Method::ToolsCall)),
                Err(_) => Id::parse(&item).map(|id| (id, Method::Other)),
            }
        };
        Self(items.into_iter().filter_map(one).collect())
    }

    /// What to answer each of them when the answer is lost, as JSON-RPC texts.
    pub(crate) fn lost_answers(&self, why: &str) -> Vec<String> {
        let answer = |(id, method): &(Id, Method)| match answer_lost(*method, why) {
            Ok(result) => encode_result(id, &result),
            Err(error) => encode_error(Some(id), &error),
        };
        self.0.iter().map(answer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn tools_and_other_calls_are_told_in_their_own_way() {
        let request = |id: Id, method: Method| Request {
            id,
            method,
            name: Cow::Borrowed(method.as_str()),
            params: None,
        };
        let mut awaited = Awaited::default();
        awaited.add(&request(Id::string("a"), Method::ToolsCall));
        awaited.add(&request(Id::number(2), Method::PromptsGet));
        let text = awaited.to_json();
        assert_eq!(text, r#"[["a"],2]"#);
        let answers = Awaited::parse(&text).lost_answers("a restart");
        assert!(answers[0].contains(r#""id":"a""#) && answers[0].contains("outcome_unknown"));
        assert!(answers[0].contains("isError"), "{answers:?}");
        assert!(answers[1].contains(r#""id":2"#) && answers[1].contains(r#""error""#));
        for text in ["", "7", "[[]]", "[[1,2]]", "[null]", "[{}]"] {
            assert_eq!(Awaited::parse(text), Awaited::default(), "{text}");
        }
    }
}

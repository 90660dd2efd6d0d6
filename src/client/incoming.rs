//! What a server sent, read: messages, and texts that only look like some. Shared by all
//! transports.

use mcp_protocol::{
    Body, EnvelopeError, Id, Message, Notification, RawObject, RawValue, key, parse_body,
};

/// One thing a server sent.
pub(crate) enum Incoming {
    /// A message.
    Message(Message),
    /// No message.
    Bad {
        /// The call it was meant to answer, if that can be seen.
        answers: Option<Id>,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads a line, an event or a body, batches included.
pub(crate) fn read(bytes: &[u8]) -> Vec<Incoming> {
    match parse_body(bytes) {
        Ok(Body::One(message)) => vec![Incoming::Message(message)],
        Ok(Body::Batch(items)) => {
            items.into_iter().map(|item| item.map_or_else(bad, Incoming::Message)).collect()
        }
        Err(error) => vec![second_look(bytes, error)],
    }
}

/// Some servers write `"error": null` beside their result, or the other way round. And only
/// what has no method can be meant as an answer.
fn second_look(bytes: &[u8], error: EnvelopeError) -> Incoming {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let Some(mut object) = RawObject::parse_str(text) else { return bad(error) };
    if object.contains("method") {
        return bad(EnvelopeError { id: None, ..error });
    }
    let is_null =
        |name: &&str| object.get(name).is_some_and(|value: &RawValue| value.get() == "null");
    if let Some(unwanted) = ["error", "result"].into_iter().find(is_null) {
        object.remove(unwanted);
    }
    match parse_body(object.to_raw().get().as_bytes()) {
        Ok(Body::One(message)) => Incoming::Message(message),
        Ok(Body::Batch(_)) | Err(_) => bad(error),
    }
}

fn bad(error: EnvelopeError) -> Incoming {
    Incoming::Bad { answers: error.id, reason: error.error.message }
}

/// The number in an id of ours; `None` for any other id. Some servers make a string of it.
pub(crate) fn our_number(id: &Id) -> Option<u64> {
    id.as_json().trim_matches('"').parse().ok()
}

/// The call that a progress notification belongs to: we use the call's id as its token.
pub(crate) fn progress_of(notification: &Notification) -> Option<u64> {
    let params = RawObject::parse(notification.params.as_deref()?)?;
    params.get(key::PROGRESS_TOKEN)?.get().parse().ok()
}

/// The `subscriptions/listen` call that a notification belongs to.
pub(crate) fn subscription_of(notification: &Notification) -> Option<u64> {
    let params = notification.params.as_deref()?;
    if !params.get().contains(key::SUBSCRIPTION_ID) {
        return None;
    }
    let params = RawObject::parse(params)?;
    RawObject::parse(params.get("_meta")?)?.get(key::SUBSCRIPTION_ID)?.get().parse().ok()
}

/// The request that `notifications/cancelled` withdraws.
pub(crate) fn withdrawn_by(notification: &Notification) -> Option<Id> {
    let params = RawObject::parse(notification.params.as_deref()?)?;
    params.get("requestId").and_then(Id::parse)
}

/// At most 8 KiB of a line, as text, for [`Sink::log_line`](crate::Sink::log_line).
pub(crate) fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 8 << 10;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MOST)]);
    let mut end = text.len().min(MOST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Incoming {
        let mut all = read(text.as_bytes());
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    fn notification(text: &str) -> Notification {
        match one(text) {
            Incoming::Message(Message::Notification(notification)) => notification,
            Incoming::Message(_) | Incoming::Bad { .. } => panic!("no notification: {text}"),
        }
    }

    #[test]
    fn a_null_beside_the_answer_is_overlooked() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":null}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":null,"error":{"code":1,"message":"x"}}"#,
        ] {
            assert!(matches!(one(text), Incoming::Message(Message::Response(_))), "{text}");
        }
    }

    #[test]
    fn what_is_no_message_names_the_call_it_answers() {
        let Incoming::Bad { answers, .. } =
            one(r#"{"jsonrpc":"2.0","id":7,"result":1,"error":{}}"#)
        else {
            panic!("no message")
        };
        assert_eq!(answers.as_ref().and_then(our_number), Some(7));
        assert!(matches!(one("Server is ready"), Incoming::Bad { answers: None, .. }));
    }

    #[test]
    fn notifications_name_their_call() {
        let progress =
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":4}}"#;
        assert_eq!(progress_of(&notification(progress)), Some(4));
        let updated = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":5}}}"#;
        assert_eq!(subscription_of(&notification(updated)), Some(5));
        let cancelled =
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a"}}"#;
        assert_eq!(withdrawn_by(&notification(cancelled)), Some(Id::string("a")));
    }

    #[test]
    fn a_shown_line_is_short_text() {
        assert_eq!(shown(b"hello\r"), "hello");
        let line = [b"\xff".repeat(9_000), "ü".repeat(9_000).into_bytes()].concat();
        assert!(shown(&line).len() <= 8 << 10);
    }
}

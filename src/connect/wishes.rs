//! What the agent has set while the server was away: the log level, and what it wants to hear of. It
//! was told that it is set, so it is kept until it is, one after the other; of two words on the same
//! thing the later one counts.

use super::{bridge::Bridge, say, server::Server};
use mcp_client::{OutCall, State, Terms};
use mcp_protocol::{Method, RawObject, RpcError};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Most things that are kept.
const MOST: usize = 10_000;
/// Longest time that one of them waits for its turn at a server that is away.
const WAIT: Duration = Duration::from_secs(3_600);
/// As many as there may be.
const OVER_CAPACITY: i64 = 1503;

/// What waits, by what it is about.
#[derive(Default)]
pub(super) struct Wishes(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    wishes: BTreeMap<String, (OutCall, Terms)>,
    /// Somebody sends them.
    is_sending: bool,
}

/// Whether a method sets something that the next session is to have, too.
pub(super) const fn is_wish(method: Method) -> bool {
    matches!(
        method,
        Method::LoggingSetLevel | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe
    )
}

impl Wishes {
    /// Whether some have not been sent yet: then a further one has to stand behind them.
    pub(super) fn are_waiting(&self) -> bool {
        self.lock().is_sending
    }

    /// The next one; without one, nobody sends any more.
    fn next(&self) -> Option<(OutCall, Terms)> {
        let mut waiting = self.lock();
        let next = waiting.wishes.pop_first().map(|(_, wish)| wish);
        waiting.is_sending = next.is_some();
        next
    }

    /// Keeps one; whether somebody has to begin to send them.
    fn keep(&self, call: OutCall, terms: Terms) -> Result<bool, RpcError> {
        let subject = RawObject::parse(&call.params).and_then(|params| params.get_str("uri"));
        let subject = subject.unwrap_or_default();
        let mut waiting = self.lock();
        if waiting.wishes.len() >= MOST && !waiting.wishes.contains_key(&subject) {
            let sentence = "Too many subscriptions wait for the server already";
            return Err(RpcError::new(OVER_CAPACITY, sentence));
        }
        waiting.wishes.insert(subject, (call, terms));
        Ok(!std::mem::replace(&mut waiting.is_sending, true))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends it once the server is there, and again after each return: that is the client's.
///
/// # Errors
/// When there is no place for it.
pub(super) fn keep(
    bridge: &Arc<Bridge>,
    server: &Arc<Server>,
    call: OutCall,
    terms: Terms,
) -> Result<(), RpcError> {
    if !bridge.wishes.keep(call, terms)? {
        return Ok(());
    }
    let (all, server) = (Arc::clone(bridge), Arc::clone(server));
    bridge.tasks.spawn(async move {
        while let Some((call, terms)) = all.wishes.next() {
            let method = call.method.clone();
            let why = match server.client.call(call, Terms { deadline: WAIT, ..terms }).await {
                Ok(Ok(_)) => continue,
                Ok(Err(refused)) => refused.message.to_string(),
                Err(_) if server.client.state() == State::Disconnected => return,
                Err(error) => error.to_string(),
            };
            say(&format!("the server does not take `{method}`: {why}"));
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::raw_value;
    use serde_json::json;

    fn call(method: &'static str, params: &serde_json::Value) -> OutCall {
        OutCall::new(method, raw_value(params))
    }

    #[test]
    fn the_last_word_on_each_thing_is_sent_and_there_is_a_bound() {
        let wishes = Wishes::default();
        let keep = |call| wishes.keep(call, Terms::default());
        assert_eq!(keep(call("logging/setLevel", &json!({ "level": "debug" }))), Ok(true));
        for asked in [
            call("resources/subscribe", &json!({ "uri": "a:1" })),
            call("logging/setLevel", &json!({ "level": "error" })),
            call("resources/unsubscribe", &json!({ "uri": "a:1" })),
        ] {
            assert_eq!(keep(asked), Ok(false), "one sends them all");
        }
        let sent: Vec<_> = std::iter::from_fn(|| wishes.next())
            .map(|(call, _)| (call.method.to_string(), call.params.to_string()))
            .collect();
        let expected = [
            ("logging/setLevel".to_owned(), r#"{"level":"error"}"#.to_owned()),
            ("resources/unsubscribe".to_owned(), r#"{"uri":"a:1"}"#.to_owned()),
        ];
        assert_eq!(sent, expected);
        assert!(!wishes.are_waiting());
        for number in 0..MOST {
            let uri = json!({ "uri": format!("a:{number}") });
            assert_eq!(keep(call("resources/subscribe", &uri)), Ok(number == 0));
        }
        assert!(keep(call("resources/subscribe", &json!({ "uri": "b:1" }))).is_err());
        assert_eq!(keep(call("resources/unsubscribe", &json!({ "uri": "a:7" }))), Ok(false));
    }
}

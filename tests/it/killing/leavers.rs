//! Clients that leave a call as soon as they know how to come back to it, and fetch its result
//! later, maybe from another process.

use super::{Client, Kind, Tally};
use crate::support::{Messages, http};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{sleep, timeout};

const TAKES: u64 = 250;

/// Fails if a call that a client can come back to is not answered exactly once.
pub(super) async fn run(client: Client) -> (Kind, Tally) {
    let (http, mut tally) = (http(), Tally::default());
    for id in 1_u64.. {
        if client.is_over() {
            break;
        }
        let params = json!({"name": "fix__sleep", "arguments": {"ms": TAKES}});
        let Some(response) = client.call(&http, id, params).await else { continue };
        let mut stream = Messages::of(response);
        // An error may come at once, while the upstream starts.
        let early = timeout(Duration::from_millis(120), stream.try_next()).await;
        let answer = match (early, stream.ids.last().cloned()) {
            (Ok(Ok(Some(answer))), _) => answer,
            // It has nothing to come back with: it was cut off before it got a byte.
            (_, None) => {
                tally.unheard += 1;
                continue;
            }
            (_, Some(last)) => {
                drop(stream);
                sleep(Duration::from_millis(2 * TAKES)).await;
                fetched(&client, &http, last).await
            }
        };
        assert_eq!(answer["id"], id, "{answer}");
        tally.count(&answer, &format!("slept {TAKES} ms"));
    }
    (Kind::Leaver, tally)
}

/// The answer of the stream to which that event belongs, once.
async fn fetched(client: &Client, http: &reqwest::Client, mut last: String) -> Value {
    let (mut answer, first) = (None, last.clone());
    loop {
        let (messages, is_whole) = after(client, http, &mut last).await;
        for message in messages {
            assert!(message.get("method").is_none(), "{message}");
            assert!(answer.is_none(), "answered twice: {answer:?} {message}");
            answer = Some(message);
        }
        if is_whole {
            break;
        }
    }
    let answer = answer.unwrap_or_else(|| panic!("{last}: never silence"));
    // The word that a stream is gone has no place in it: asked again, it is said again.
    if last != first {
        let (messages, _) = after(client, http, &mut last).await;
        assert_eq!(messages, Vec::<Value>::new(), "it was read to its end");
    }
    answer
}

/// What comes after that event, which moves on, and whether the stream came to its end.
async fn after(client: &Client, http: &reqwest::Client, last: &mut String) -> (Vec<Value>, bool) {
    let request = http.get(format!("{}/mcp", client.base)).header("accept", "text/event-stream");
    let request = client.headers(request).header("last-event-id", &*last);
    let Ok(response) = request.send().await else {
        sleep(Duration::from_millis(20)).await;
        return (Vec::new(), false);
    };
    assert_eq!(response.status(), 200, "a live session is never unknown");
    let (mut stream, mut messages) = (Messages::of(response), Vec::new());
    let is_whole = loop {
        match stream.try_next().await {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    if let Some(newest) = stream.ids.last() {
        last.clone_from(newest);
    }
    (messages, is_whole)
}

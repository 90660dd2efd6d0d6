//! Many calls of a tool that must not run twice, each with a key of its own, over a wire that is
//! cut before, during and after the send. In a session that outlives its sockets, the count of
//! frames says what arrived: so every call ends in its result, and every key runs once.

use super::{
    call, client, config, server, stands, target,
    wire::{Cut, Wire},
};
use crate::support::{once_for_each_key, text};
use futures_util::{StreamExt, stream};
use mcp_client::State;
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

/// How many calls are on their way at once.
const AT_ONCE: usize = 8;
const CALLS: usize = 300;

/// Where the call with that key is cut: one in six is, each at most once.
fn plan(seed: u64) -> impl Fn(&str) -> Cut + Send + Sync {
    let thrown = once_for_each_key(seed);
    move |text| match thrown(text) {
        Some(0..4) => Cut::Before,
        Some(4..8) => Cut::During,
        Some(8..12) => Cut::After,
        Some(12..16) => Cut::InAnswer,
        _ => Cut::None,
    }
}

#[tokio::test]
async fn every_call_has_its_result_and_none_runs_twice_on_a_wire_that_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("ran");
    let server = server(&log).await;
    let wire = Wire::before(server.base(), plan(7));
    let (client, _) = client(config(target(&server, &wire.url())));
    // A handshake that is cut leaves a session that nobody can come back to.
    stands(&client, State::Connected).await;
    let one = async |number: usize| {
        let arguments = json!({"key": format!("key-{number}"), "ms": number % 3});
        let result = call(&client, "fix__record", arguments).await;
        let result = result.unwrap_or_else(|error| panic!("key-{number}: {error}"));
        assert_eq!(text(&result), format!("key-{number}"));
    };
    let calls = stream::iter(0..CALLS).map(one).buffer_unordered(AT_ONCE).collect::<Vec<_>>();
    let breaks = async {
        for _ in 0..3 {
            sleep(Duration::from_millis(150)).await;
            wire.down().await;
            sleep(Duration::from_millis(50)).await;
            wire.up();
        }
    };
    tokio::join!(calls, breaks);
    let ran = std::fs::read_to_string(&log).expect("something ran");
    let mut keys: Vec<_> = ran.lines().filter_map(|line| line.strip_prefix("ran key-")).collect();
    assert_eq!(keys.len(), CALLS, "one line for each call");
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), CALLS, "a key ran twice");
    let cuts = [Cut::Before, Cut::During, Cut::After, Cut::InAnswer].map(|like| wire.cuts(like));
    assert!(cuts.iter().all(|cuts| *cuts > 0), "{cuts:?}");
    let scrape = server.scrape().await;
    let resumed = [("side", "session"), ("outcome", "resumed")];
    let resumed = scrape.sum("mcp_reconnect_attempts_total", &resumed);
    assert_eq!(scrape.sum("mcp_connections_total", &[("transport", "websocket")]), 1.0);
    println!(
        "{CALLS} calls, {CALLS} results; cuts before, during, after, in the answer: {cuts:?}; resumed {resumed} times"
    );
    client.close().await;
}

//! Clients that may be asked back have sessions of their own at an upstream. One that cannot be
//! opened now is opened soon after, and the call waits for it.

use super::{far, listed, over, told};
use crate::support::{Cut, Legacy, Wire, text};
use serde_json::{Value, json};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// What a client says that gets sessions of its own; the shared ones say nothing of it.
const WORD: &str = "\"sampling\"";

fn asking() -> Value {
    json!({"elicitation": {}, "sampling": {}, "roots": {}})
}

/// Cuts the first handshakes for sessions of one client, and counts all of them.
fn first(cut: usize, count: &Arc<AtomicUsize>) -> impl Fn(&str) -> Cut + Send + Sync + use<> {
    let count = Arc::clone(count);
    move |request| {
        let is_own = request.contains("\"initialize\"") && request.contains(WORD);
        let is_cut = is_own && count.fetch_add(1, Ordering::SeqCst) < cut;
        if is_cut { Cut::After } else { Cut::None }
    }
}

#[tokio::test]
async fn a_session_of_a_clients_own_that_does_not_open_at_once_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let far = far(&dir.path().join("ran")).await;
    let count = Arc::default();
    let wire = Wire::before(far.base(), first(2, &count));
    let server = over(&wire, &far, "legacy").start().await;
    listed(&server, "far__record").await;
    let client = Legacy::with(&server, "2025-11-25", asking()).await;
    let result = client.call("far__record", json!({"key": "mine"})).await;
    assert_eq!(text(&result), "mine", "{result}");
    assert_eq!(count.load(Ordering::SeqCst), 3, "two that were cut and one that was not");
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn one_that_never_opens_is_told_of_once_the_wait_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let far = far(&dir.path().join("ran")).await;
    let count = Arc::default();
    let wire = Wire::before(far.base(), first(usize::MAX, &count));
    let server = over(&wire, &far, "legacy").set("limits.park", 1.0).start().await;
    listed(&server, "far__record").await;
    let client = Legacy::with(&server, "2025-11-25", asking()).await;
    let result = client.call("far__record", json!({"key": "mine"})).await;
    assert_eq!(told(&result), ("unavailable", "no"), "{result}");
    let tries = count.load(Ordering::SeqCst);
    assert!((1..=5).contains(&tries), "{tries} tries, a quarter of a second apart");
    client.close().await;
    server.finish().await;
}

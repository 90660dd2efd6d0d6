//! Nothing grows without bound, and what is old goes.

use crate::support::{START, at, close, event, flush, note, open, open_with, session};
use mcp_protocol::Method;
use mcp_store::{Change, Counts, MemoryStore, Noted, Retention, Store, StoreError};
use mcp_telemetry::Reason;
use rusqlite::Connection;
use std::{path::Path, sync::Arc, time::Duration};

fn count(dir: &Path, sql: &str) -> i64 {
    let connection = Connection::open(crate::support::file(dir)).expect("beside the store");
    connection.query_row(sql, [], |row| row.get(0)).expect("a count")
}

#[tokio::test(flavor = "multi_thread")]
async fn events_expire() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    store.insert_session(session("a")).await.expect("written");
    note(&store, "a", at(1), event(1, 1, "1"));
    note(&store, "a", at(1), Change::StreamClosed { stream: 1 });
    note(&store, "a", at(200), event(0, 1, "2"));
    flush(&store).await;
    let numbers = |now| {
        let store = &store;
        async move {
            let all = store.load_sessions(now).await.expect("read");
            all[0].streams.iter().map(|stream| (stream.stream, stream.events.len())).collect()
        }
    };
    let both: Vec<(u64, usize)> = numbers(at(300)).await;
    assert_eq!(both, [(0, 1), (1, 1)]);
    let one: Vec<(u64, usize)> = numbers(at(301)).await;
    assert_eq!(one, [(0, 1), (1, 0)], "not pruned yet, and left out all the same");
    store.alive(at(301));
    flush(&store).await;
    assert_eq!(count(dir.path(), "SELECT count(*) FROM events"), 1);
    let open_ones: Vec<(u64, usize)> = numbers(at(301)).await;
    assert_eq!(open_ones, [(0, 1)], "a stream that is closed and empty goes too");
    close(&store, at(302)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_goes_takes_what_came_after_its_end_with_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let durable = open(dir.path());
    let model = MemoryStore::new(Retention::default(), START);
    for store in [&durable as &dyn Store, &model] {
        store.insert_session(session("a")).await.expect("written");
        note(store, "a", at(1), Change::StreamClosed { stream: 1 });
        note(store, "a", at(2), event(1, 1, "late"));
    }
    flush(&durable).await;
    for store in [&durable as &dyn Store, &model] {
        store.alive(at(301));
    }
    flush(&durable).await;
    for store in [&durable as &dyn Store, &model] {
        note(store, "a", at(301), Change::StreamOpened { stream: 1, request: None });
    }
    flush(&durable).await;
    for store in [&durable as &dyn Store, &model] {
        let all = store.load_sessions(at(301)).await.expect("read");
        assert_eq!((all[0].streams.len(), all[0].streams[0].events.len()), (1, 0));
    }
    close(&durable, at(302)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_too_many_bytes_the_oldest_events_go_first_and_are_counted() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open_with(dir.path(), Retention { event_bytes: 1_000, ..Retention::default() });
    for id in ["a", "b"] {
        store.insert_session(session(id)).await.expect("written");
    }
    let text = "x".repeat(100);
    for number in 1..=20 {
        let id = if number % 2 == 0 { "a" } else { "b" };
        note(&store, id, at(1), event(0, number, &text));
        flush(&store).await;
    }
    assert_eq!(store.counts().events_dropped, 10);
    let all = store.load_sessions(at(2)).await.expect("read");
    let kept = |place: usize| {
        let stream = &all[place].streams[0];
        (stream.last, stream.events.iter().map(|event| event.number).collect::<Vec<_>>())
    };
    assert_eq!(kept(0), (20, vec![12, 14, 16, 18, 20]));
    assert_eq!(kept(1), (19, vec![11, 13, 15, 17, 19]));
    note(&store, "a", at(1), Change::Acknowledged { stream: 0, up_to: 20 });
    note(&store, "b", at(1), event(0, 21, &text));
    flush(&store).await;
    assert_eq!(store.counts().events_dropped, 10, "what was read makes room");
    close(&store, at(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_and_disconnected_sessions_are_pruned_and_active_ones_never() {
    let dir = tempfile::tempdir().expect("a directory");
    let retention = Retention { history: Duration::from_secs(1_000), ..Retention::default() };
    let store = open_with(dir.path(), retention);
    for id in ["active", "old", "newer"] {
        store.insert_session(session(id)).await.expect("written");
        note(&store, id, at(1), Change::StreamOpened { stream: 1, request: None });
        let request = "1".into();
        note(
            &store,
            id,
            at(1),
            Change::CallStarted { request, method: Method::Ping, stream: None },
        );
    }
    note(&store, "old", at(10), Change::Disconnected(Reason::ClientGone, None));
    note(&store, "newer", at(20), Change::Disconnected(Reason::ClientGone, None));
    store.alive(at(1_015));
    flush(&store).await;
    assert!(store.session("old").await.expect("read").is_none());
    let newer = store.session("newer").await.expect("read").expect("kept");
    assert_eq!(newer.history.len(), 1, "that it was opened is older than what is kept");
    let active = store.session("active").await.expect("read").expect("kept");
    assert!(active.history.is_empty());
    for table in ["streams", "calls"] {
        let left = count(dir.path(), &format!("SELECT count(*) FROM {table}"));
        assert_eq!(left, 2, "{table}");
    }
    close(&store, at(1_016)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_backlog_is_pruned_in_steps() {
    let dir = tempfile::tempdir().expect("a directory");
    let retention = Retention { history: Duration::from_secs(100), ..Retention::default() };
    let store = open_with(dir.path(), retention);
    for number in 0..5_000 {
        let id = format!("s{number}");
        note(&store, &id, at(1), Change::Disconnected(Reason::Error, None));
    }
    flush(&store).await;
    assert_eq!(count(dir.path(), "SELECT count(*) FROM history"), 5_000, "also of unknown ones");
    store.alive(at(200));
    flush(&store).await;
    assert_eq!(count(dir.path(), "SELECT count(*) FROM history"), 0);
    close(&store, at(201)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expired_gives_its_room_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    store.insert_session(session("a")).await.expect("written");
    for number in 1..=50 {
        note(&store, "a", at(1), event(0, number, &"x".repeat(20_000)));
    }
    close(&store, at(2)).await;
    let size = || std::fs::metadata(crate::support::file(dir.path())).expect("a file").len();
    assert!(size() > 1_000_000);
    let store = open(dir.path());
    store.alive(at(400));
    flush(&store).await;
    close(&store, at(401)).await;
    assert!(size() < 200_000, "{}", size());
}

#[tokio::test(flavor = "multi_thread")]
async fn activity_and_short_calls_cost_next_to_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    store.insert_session(session("a")).await.expect("written");
    let (lock, id) = (hold(dir.path()), Arc::<str>::from("a"));
    for number in 0..100_000u64 {
        let request: Arc<str> = number.to_string().into();
        for change in [
            Change::CallStarted { request: request.clone(), method: Method::Ping, stream: None },
            Change::Active(Counts { requests: number, ..Counts::default() }),
            Change::CallEnded { request },
        ] {
            assert_eq!(store.note(&id, at(1), change), Noted::Queued);
        }
    }
    assert!(store.counts().waiting < 10, "{:?}", store.counts());
    drop(lock);
    flush(&store).await;
    let found = store.session("a").await.expect("read").expect("there").session;
    assert_eq!(found.counts.requests, 99_999);
    close(&store, at(2)).await;
}

/// Locks the file against writing, as a slow disk would.
fn hold(dir: &Path) -> Connection {
    let connection = Connection::open(crate::support::file(dir)).expect("beside the store");
    connection.busy_timeout(Duration::from_secs(5)).expect("set");
    connection.execute_batch("BEGIN IMMEDIATE").expect("locked");
    connection
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_disk_holds_up_nobody_and_loses_events_before_ends() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut config = crate::support::config(dir.path());
    config.patience = Duration::from_millis(200);
    let telemetry = crate::support::telemetry();
    let store = mcp_store::SqliteStore::open(&config, START, &telemetry).expect("it opens");
    store.insert_session(session("a")).await.expect("written");
    let lock = hold(dir.path());
    assert_eq!(store.insert_session(session("b")).await, Err(StoreError::TimedOut));
    let id: Arc<str> = "a".into();
    let begun = tokio::time::Instant::now();
    let mut taken = 0u64;
    while store.note(&id, at(1), event(0, taken + 1, "{}")) == Noted::Queued {
        taken += 1;
    }
    assert!(taken > 10_000 && begun.elapsed() < Duration::from_secs(10), "{taken}");
    assert_eq!(store.fallen_behind(), [Arc::clone(&id)]);
    assert!(store.fallen_behind().is_empty(), "told once");
    note(&store, "a", at(2), Change::Disconnected(Reason::ClientDeleted, None));
    assert!(store.counts().notes_dropped >= 1);
    let errors = r#"mcp_store_errors_total{operation="event"}"#;
    let counted = telemetry.encode();
    assert!(counted.lines().any(|line| line.starts_with(errors) && !line.ends_with(" 0")));
    drop(lock);
    flush(&store).await;
    assert_eq!(store.health(), mcp_store::Health::Ok);
    let ended = store.find_disconnected("a", at(3)).await.expect("read").expect("there");
    assert!(ended.streams.is_empty());
    close(&store, at(4)).await;
}

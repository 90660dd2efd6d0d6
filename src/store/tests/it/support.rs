//! Stores, sessions and waits for the tests.

use bytes::Bytes;
use mcp_protocol::Revision;
use mcp_store::{
    Change, Counts, Noted, Retention, SessionRecord, SqliteConfig, SqliteStore, Status, Store,
    UtcMillis,
};
use mcp_telemetry::{Telemetry, Transport};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Long enough for anything that works.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// When the tests begin.
pub(crate) const START: UtcMillis = UtcMillis::from_millis(1_795_219_200_000);

pub(crate) fn at(seconds: u64) -> UtcMillis {
    START.after(Duration::from_secs(seconds))
}

pub(crate) fn telemetry() -> Telemetry {
    Telemetry::new().expect("a sound catalogue")
}

pub(crate) fn config(dir: &Path) -> SqliteConfig {
    SqliteConfig { patience: LONG, ..SqliteConfig::in_dir(dir) }
}

pub(crate) fn open(dir: &Path) -> SqliteStore {
    open_at(dir, START)
}

pub(crate) fn open_at(dir: &Path, now: UtcMillis) -> SqliteStore {
    SqliteStore::open(&config(dir), now, &telemetry()).expect("it opens")
}

pub(crate) fn open_with(dir: &Path, retention: Retention) -> SqliteStore {
    let config = SqliteConfig { retention, ..config(dir) };
    SqliteStore::open(&config, START, &telemetry()).expect("it opens")
}

pub(crate) fn file(dir: &Path) -> PathBuf {
    dir.join("store.db")
}

/// A session in which nothing has happened yet.
pub(crate) fn session(id: &str) -> SessionRecord {
    SessionRecord {
        id: id.into(),
        principal: "alice".into(),
        transport: Transport::Http,
        revision: Revision::V2025_11_25,
        client_name: Some("client".into()),
        client_version: Some("1.2.3".into()),
        user_agent: None,
        address: Some("127.0.0.1".into()),
        capabilities: r#"{"sampling":{},"roots":{"listChanged":true}}"#.into(),
        log_level: None,
        subscriptions: Vec::new(),
        created: START,
        last_activity: START,
        initialized: false,
        status: Status::Active,
        counts: Counts::default(),
        streams: 0,
        resume: None,
    }
}

pub(crate) fn event(stream: u64, number: u64, json: &str) -> Change {
    Change::Event { stream, number, json: Bytes::copy_from_slice(json.as_bytes()) }
}

/// Notes what must be taken.
pub(crate) fn note(store: &dyn Store, id: &str, at: UtcMillis, change: Change) {
    let id: Arc<str> = id.into();
    assert_eq!(store.note(&id, at, change), Noted::Queued);
}

pub(crate) async fn flush(store: &dyn Store) {
    store.flush(LONG).await.expect("written");
}

pub(crate) async fn close(store: &dyn Store, at: UtcMillis) {
    store.close(at, LONG).await.expect("closed");
}

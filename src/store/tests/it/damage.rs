//! What is damaged, newer or not ours is refused by name and left as it is.

use crate::support::{
    START, at, close, config, event, file, flush, note, open, session, telemetry,
};
use mcp_store::{
    Change, Health, MemoryStore, Retention, SqliteReader, SqliteStore, Store, StoreError,
};
use mcp_telemetry::Reason;
use rusqlite::Connection;
use std::{collections::BTreeMap, fs, path::Path};

/// The bytes of every file in a directory but the lock, which is empty.
fn bytes(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry"));
    let mut all: BTreeMap<String, Vec<u8>> = entries
        .map(|entry| {
            let name = entry.file_name().into_string().expect("a name");
            (name, fs::read(entry.path()).unwrap_or_default())
        })
        .collect();
    all.remove("store.lock");
    all
}

fn refused(dir: &Path) -> StoreError {
    let before = bytes(dir);
    let error = SqliteStore::open(&config(dir), START, &telemetry()).expect_err("refused");
    let mut after = bytes(dir);
    // A reader makes these beside a log, and they hold nothing of their own.
    for name in ["store.db-shm", "store.db-wal"] {
        if !before.contains_key(name) {
            assert!(
                after.remove(name).is_none_or(|bytes| name.ends_with("shm") || bytes.is_empty())
            );
        }
    }
    assert!(before == after, "it was touched: {:?} {:?}", before.keys(), after.keys());
    assert!(error.to_string().contains(dir.to_str().expect("text")), "{error}");
    error
}

async fn filled(dir: &Path) {
    let store = open(dir);
    for number in 0..200 {
        let id = format!("s{number}");
        store.insert_session(session(&id)).await.expect("written");
        note(&store, &id, at(1), event(0, 1, &"x".repeat(500)));
    }
    close(&store, at(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_found_and_left_for_whoever_repairs_it() {
    type Harm = fn(&mut Vec<u8>);
    let harms: [(&str, Harm); 5] = [
        ("random bytes", |bytes| {
            for (at, byte) in bytes.iter_mut().enumerate() {
                *byte = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[6];
            }
        }),
        ("a garbled header", |bytes| bytes[16..100].fill(0xa5)),
        ("a cut in the middle", |bytes| bytes.truncate(bytes.len() / 2)),
        ("a cut in the first page", |bytes| bytes.truncate(1_000)),
        ("garbled pages", |bytes| {
            let from = bytes.len() / 4096 / 3 * 4096;
            bytes[from..from + 8 * 4096].fill(0x5a);
        }),
    ];
    for (name, harm) in harms {
        let dir = tempfile::tempdir().expect("a directory");
        filled(dir.path()).await;
        let mut bytes = fs::read(file(dir.path())).expect("a file");
        harm(&mut bytes);
        fs::write(file(dir.path()), &bytes).expect("written");
        let error = refused(dir.path());
        assert!(matches!(error, StoreError::Corrupt { .. }), "{name}: {error}");
        let instead = MemoryStore::instead_of(error.clone(), Retention::default(), START);
        assert_eq!(instead.health(), Health::Degraded(error));
        instead.insert_session(session("a")).await.expect("served all the same");
        assert!(!instead.is_durable());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_programs_database_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let other = Connection::open(file(dir.path())).expect("made");
    other.execute_batch("CREATE TABLE theirs (x); PRAGMA application_id = 7").expect("made");
    drop(other);
    assert!(matches!(refused(dir.path()), StoreError::Corrupt { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_refused_undamaged() {
    let dir = tempfile::tempdir().expect("a directory");
    filled(dir.path()).await;
    let newer = Connection::open(file(dir.path())).expect("opened");
    newer.pragma_update(None, "user_version", 99).expect("raised");
    drop(newer);
    let error = refused(dir.path());
    let StoreError::Newer { found: 99, known, .. } = error else { panic!("{error}") };
    assert!(known < 99);
    assert!(matches!(SqliteReader::open(dir.path()), Err(StoreError::Newer { .. })));
}

/// The newer version may have been killed: then its number stands in the log alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_refused_undamaged_after_a_crash() {
    let dir = tempfile::tempdir().expect("a directory");
    filled(dir.path()).await;
    let crashed = tempfile::tempdir().expect("a directory");
    let newer = Connection::open(file(dir.path())).expect("opened");
    newer.pragma_update(None, "user_version", 99).expect("raised");
    newer.execute_batch("CREATE TABLE news (x)").expect("made");
    for name in ["store.db", "store.db-wal"] {
        fs::copy(dir.path().join(name), crashed.path().join(name)).expect("copied");
    }
    drop(newer);
    assert!(matches!(refused(crashed.path()), StoreError::Newer { found: 99, .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_schema_is_brought_up_to_date_with_what_is_in_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let old = Connection::open(file(dir.path())).expect("made");
    old.execute_batch(include_str!("../../sqlite/steps/0001_sessions.sql")).expect("step 1");
    old.execute_batch(
        "PRAGMA application_id = 1835233391; PRAGMA user_version = 1;
         INSERT INTO lives VALUES (41, 5, 6, 0);
         INSERT INTO sessions VALUES ('a', 'alice', 'websocket', '2025-06-18', NULL, NULL, NULL, NULL,
           '{}', NULL, '[]', 5, 6, 1, NULL, NULL, 3, 0, 0, NULL, 41);",
    )
    .expect("filled");
    drop(old);
    assert!(matches!(SqliteReader::open(dir.path()), Err(StoreError::Failed { .. })));
    let store = open(dir.path());
    assert_eq!(store.beginning().epoch.0, 42);
    note(&store, "a", at(1), event(0, 1, "{}"));
    flush(&store).await;
    let restored = store.load_sessions(at(2)).await.expect("read");
    assert_eq!((restored[0].session.counts.requests, restored[0].streams.len()), (3, 1));
    close(&store, at(3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_damaged_while_it_is_open_blocks_nobody() {
    let dir = tempfile::tempdir().expect("a directory");
    filled(dir.path()).await;
    let store = open(dir.path());
    let length = fs::metadata(file(dir.path())).expect("a file").len();
    fs::write(file(dir.path()), vec![0x5a; usize::try_from(length).expect("small")]).expect("harm");
    let inserted = store.insert_session(session("new")).await;
    let loaded = store.load_sessions(at(1)).await;
    assert!(inserted.is_err() && loaded.is_err(), "{inserted:?} {loaded:?}");
    let Health::Degraded(error) = store.health() else { panic!("it works") };
    assert!(error.to_string().contains("store.db"), "{error}");
    note(&store, "s1", at(2), Change::Disconnected(Reason::ClientGone, None));
    assert!(store.close(at(3), crate::support::LONG).await.is_err());
}

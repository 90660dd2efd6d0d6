//! What is kept of upstreams: it outlives the process, and it is bounded.

use crate::support::{START, at, close, config, file, flush, open, open_at, telemetry};
use mcp_protocol::Era;
use mcp_store::{
    CatalogueChange, ListKey, ListKind, MemoryStore, NamedKind, Noted, Retention, SqliteStore,
    Store, StoredList, StoredName,
};
use rusqlite::Connection;

fn list(upstream: &str, items: &str) -> StoredList {
    let key = ListKey { upstream: upstream.into(), era: Era::Legacy, kind: ListKind::Tools };
    StoredList { key, target: "t".into(), refreshed: at(1), stale_since: None, items: items.into() }
}

fn name(original: &str) -> StoredName {
    StoredName {
        kind: NamedKind::Tool,
        upstream: "up".into(),
        original: original.into(),
        public: format!("up__{original}").into(),
        rules: "1".into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_names_are_there_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let changes = [
        CatalogueChange::Listed(list("up", r#"[{"name":"t"}]"#)),
        CatalogueChange::Listed(list("gone", "[]")),
        CatalogueChange::Stale(list("up", "").key, at(5)),
        CatalogueChange::Stale(list("up", "").key, at(9)),
        CatalogueChange::Forgotten("gone".into(), None),
        CatalogueChange::Named([name("b"), name("a"), name("b")].into()),
    ];
    for change in changes {
        assert_eq!(store.note_catalogue(change), Noted::Queued);
    }
    close(&store, at(10)).await;
    let store = open_at(dir.path(), at(60));
    let kept = store.catalogue().await.expect("read");
    let up = StoredList { stale_since: Some(at(5)), ..list("up", r#"[{"name":"t"}]"#) };
    assert_eq!(kept.lists, [up], "the time at which it became stale stays");
    assert_eq!(kept.names, [name("b"), name("a")]);
    close(&store, at(61)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_the_schema_before_is_brought_up_to_date() {
    let dir = tempfile::tempdir().expect("a directory");
    close(&open(dir.path()), START).await;
    let before = Connection::open(file(dir.path())).expect("ours");
    before
        .execute_batch(
            "DROP TABLE lists; DROP TABLE names; DROP TABLE agents; DROP TABLE tasks; PRAGMA user_version = 2",
        )
        .expect("as it was");
    drop(before);
    let store = open_at(dir.path(), at(1));
    assert_eq!(store.catalogue().await.expect("read"), Default::default());
    assert_eq!(store.load_work(at(1)).await.expect("read"), Default::default());
    assert_eq!(store.note_catalogue(CatalogueChange::Listed(list("up", "[]"))), Noted::Queued);
    flush(&store).await;
    assert_eq!(store.catalogue().await.expect("read").lists.len(), 1);
    close(&store, at(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_bounded() {
    let dir = tempfile::tempdir().expect("a directory");
    let (durable, memory) = (open(dir.path()), MemoryStore::new(Retention::default(), START));
    let stores: [&dyn Store; 2] = [&durable, &memory];
    let large = "x".repeat((32 << 20) + 1);
    for store in stores {
        let named = |range: std::ops::Range<u32>| {
            CatalogueChange::Named(range.map(|number| name(&number.to_string())).collect())
        };
        assert_eq!(
            store.note_catalogue(CatalogueChange::Listed(list("up", &large))),
            Noted::Dropped
        );
        assert_eq!(store.note_catalogue(named(0..40_001)), Noted::Dropped);
        assert_eq!(store.note_catalogue(named(0..40_000)), Noted::Queued);
        assert_eq!(store.note_catalogue(named(40_000..40_010)), Noted::Queued);
        for number in 0..8_193 {
            let list = list(&format!("up{number:05}"), "[]");
            assert_eq!(store.note_catalogue(CatalogueChange::Listed(list)), Noted::Queued);
        }
        flush(store).await;
        let kept = store.catalogue().await.expect("read");
        assert_eq!(kept.names.len(), 40_000);
        assert_eq!(&*kept.names[0].original, "10", "the oldest go");
        assert_eq!(kept.lists.len(), 8_192);
    }
    close(&durable, at(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_is_skipped_and_reported_and_the_rest_is_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let names = CatalogueChange::Named([name("a"), name("b"), name("c")].into());
    let lists = ["one", "three", "two"].map(|name| CatalogueChange::Listed(list(name, "[]")));
    for change in lists.into_iter().chain([names]) {
        assert_eq!(store.note_catalogue(change), Noted::Queued);
    }
    close(&store, at(10)).await;
    let damaged = Connection::open(file(dir.path())).expect("ours");
    let spoil = "UPDATE lists SET items = CAST(x'ff00' AS TEXT) WHERE upstream = 'one'; \
        UPDATE lists SET era = 'future' WHERE upstream = 'two'; \
        UPDATE names SET public = CAST(x'ff00' AS TEXT) WHERE original = 'b';";
    damaged.execute_batch(spoil).expect("spoilt");
    drop(damaged);
    let telemetry = telemetry();
    let store = SqliteStore::open(&config(dir.path()), at(60), &telemetry).expect("opened");
    let kept = store.catalogue().await.expect("the rest");
    assert_eq!(kept.lists, [list("three", "[]")]);
    assert_eq!(kept.names, [name("a"), name("c")]);
    let errors = telemetry.encode();
    let counted = errors.lines().find(|line| {
        line.starts_with("mcp_store_errors_total") && line.contains(r#"operation="read""#)
    });
    assert!(counted.is_some_and(|line| line.ends_with(" 2")), "one for each table: {counted:?}");
    close(&store, at(61)).await;
}

//! A disk that is full or cannot be written to. These mount file systems, so they need root.

use crate::support::{
    LONG, START, at, close, config, event, flush, note, open, session, telemetry,
};
use mcp_store::{Health, SqliteStore, Store, StoreError};
use std::{fs, path::Path, process::Command, time::Duration};

/// A mounted file system, unmounted when dropped.
struct Mount(tempfile::TempDir);

impl Mount {
    /// `None`, with the reason on the terminal, where that may not be done.
    fn make(test: &str, arguments: &[&str]) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a directory");
        let done = Command::new("mount").args(arguments).arg(dir.path()).output();
        match done {
            Ok(output) if output.status.success() => Some(Self(dir)),
            Ok(output) => {
                println!("skipped: {test}: {}", String::from_utf8_lossy(&output.stderr).trim());
                None
            }
            Err(error) => {
                println!("skipped: {test}: mount: {error}");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
        assert!(done.is_ok_and(|status| status.success()), "still mounted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_new_sessions_their_row_and_nothing_else() {
    let options = ["-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs"];
    let Some(mount) = Mount::make("a full disk", &options) else { return };
    let store = open(mount.path());
    for number in 0..50 {
        store.insert_session(session(&format!("s{number}"))).await.expect("written");
    }
    fs::write(mount.path().join("filler"), vec![0u8; 8 << 20]).expect_err("full");
    let error = loop {
        // What SQLite has reserved already is used up first.
        note(&store, "s1", at(1), event(0, 1, &"x".repeat(100_000)));
        if let Err(error) = store.insert_session(session("late")).await {
            break error;
        }
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert_eq!(store.health(), Health::Degraded(error));
    let loaded = store.load_sessions(at(2)).await.expect("reads go on");
    assert!(loaded.len() >= 50, "what was stored before is there");
    fs::remove_file(mount.path().join("filler")).expect("room again");
    let mut tries = 0;
    while store.insert_session(session("later")).await.is_err() {
        tries += 1;
        assert!(tries < 100, "{:?}", store.health());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(store.health(), Health::Ok, "it went on by itself");
    close(&store, at(3)).await;
    let store = open(mount.path());
    let ids: Vec<_> = store.load_sessions(at(4)).await.expect("read");
    assert!(ids.iter().any(|restored| &*restored.session.id == "later"));
    close(&store, at(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_is_refused_by_name() {
    let options = ["-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs"];
    let Some(mount) = Mount::make("a read-only disk", &options) else { return };
    let store = open(mount.path());
    store.insert_session(session("a")).await.expect("written");
    close(&store, at(1)).await;
    let remount = ["-o", "remount,ro"];
    let done = Command::new("mount").args(remount).arg(mount.path()).status();
    assert!(done.is_ok_and(|status| status.success()), "remounted");
    let error = SqliteStore::open(&config(mount.path()), START, &telemetry()).expect_err("refused");
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
    assert!(error.to_string().contains("store.db"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_in_its_place_and_a_missing_one_are_named() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::create_dir(dir.path().join("store.db")).expect("made");
    for dir in [dir.path(), &dir.path().join("nowhere")] {
        let error = SqliteStore::open(&config(dir), START, &telemetry()).expect_err("refused");
        assert!(matches!(error, StoreError::Failed { .. }), "{error}");
        assert!(error.to_string().contains("store.db"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_say_what_was_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let telemetry = telemetry();
    let store = SqliteStore::open(&config(dir.path()), START, &telemetry).expect("it opens");
    store.insert_session(session("a")).await.expect("written");
    note(&store, "a", at(1), event(0, 1, "{}"));
    flush(&store).await;
    store.flush(LONG).await.expect("written");
    let text = telemetry.encode();
    for operation in ["open", "insert", "session", "history", "event", "commit", "flush"] {
        let series =
            format!(r#"mcp_store_write_duration_seconds_count{{operation="{operation}"}} 0"#);
        assert!(!text.contains(&series), "{operation}");
        let errors = format!(r#"mcp_store_errors_total{{operation="{operation}"}} 0"#);
        assert!(text.contains(&errors), "{operation}");
    }
    close(&store, at(2)).await;
}

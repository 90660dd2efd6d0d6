//! What is written is there after a reopening; changes are merged on their way.

use crate::support::{LONG, START, at, close, event, file, flush, note, open, open_at, session};
use mcp_protocol::Method;
use mcp_store::{
    Change, Counts, Epoch, Happening, Return, SessionFilter, SqliteReader, Status, StatusCounts,
    StatusWord, Store, StoreError,
};
use mcp_telemetry::Reason;
use std::{fs, os::unix::fs::PermissionsExt as _};

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_there_again_with_all_that_was_noted() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    store.insert_session(session("a")).await.expect("written");
    for change in [
        Change::Initialized,
        Change::LogLevel("warning".into()),
        Change::Subscriptions(vec!["file:///one".into(), "file:///two".into()]),
        Change::Active(Counts { requests: 2, errors: 1 }),
        Change::Resume(Some(r#"{"token":"x"}"#.into())),
        Change::StreamOpened { stream: 3, request: Some("\"r-1\"".into()) },
        event(3, 1, r#"{"n":1}"#),
        event(3, 2, r#"{"n":2}"#),
        Change::Acknowledged { stream: 3, up_to: 1 },
        Change::StreamClosed { stream: 3 },
        event(0, 7, "{}"),
        Change::CallStarted { request: "9".into(), method: Method::ToolsCall, stream: Some(4) },
    ] {
        note(&store, "a", at(5), change);
    }
    close(&store, at(6)).await;

    let store = open_at(dir.path(), at(60));
    let beginning = *store.beginning();
    let previous = beginning.previous.expect("a life before");
    assert_eq!((beginning.epoch, previous.epoch), (Epoch(2), Epoch(1)));
    assert_eq!((previous.started, previous.last_alive), (START, at(6)));
    assert!(previous.stopped_cleanly);
    let restored = store.load_sessions(at(60)).await.expect("read").pop().expect("one");
    let found = &restored.session;
    assert!(found.initialized && found.status == Status::Active);
    assert_eq!(found.log_level.as_deref(), Some("warning"));
    assert_eq!(found.subscriptions, ["file:///one".into(), "file:///two".into()]);
    assert_eq!((found.last_activity, found.counts.requests, found.streams), (at(5), 2, 3));
    assert_eq!(found.capabilities, session("a").capabilities);
    assert_eq!(found.resume.as_deref(), Some(r#"{"token":"x"}"#));
    let [general, answer] = &restored.streams[..] else { panic!("{:?}", restored.streams) };
    assert_eq!((general.stream, general.last, general.closed), (0, 7, None));
    assert_eq!((answer.stream, answer.last, answer.acknowledged), (3, 2, 1));
    assert_eq!((answer.request.as_deref(), answer.closed), (Some("\"r-1\""), Some(at(5))));
    assert_eq!(answer.events.len(), 1);
    assert_eq!((answer.events[0].number, &answer.events[0].json[..]), (2, &br#"{"n":2}"#[..]));
    let call = &restored.calls[0];
    assert_eq!((&*call.request, call.method, call.started), ("9", Method::ToolsCall, at(5)));
    close(&store, at(61)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_that_was_not_closed_is_known_as_such() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    store.alive(at(7));
    flush(&store).await;
    drop(store);
    // The threads of a store that is dropped end by themselves, a little later.
    let mut tries = 0;
    let store = loop {
        let config = crate::support::config(dir.path());
        match mcp_store::SqliteStore::open(&config, at(9), &crate::support::telemetry()) {
            Ok(store) => break store,
            Err(StoreError::InUse { .. }) if tries < 200 => tries += 1,
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let previous = store.beginning().previous.expect("a life before");
    assert_eq!((previous.last_alive, previous.stopped_cleanly), (at(7), false));
    close(&store, at(9)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_status_is_a_row_and_a_disconnected_session_is_revived_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    store.insert_session(session("a")).await.expect("written");
    note(&store, "a", at(1), Change::Initialized);
    note(&store, "a", at(2), Change::Happened(Return::Resumed, Some("after event 0-3".into())));
    let gone = Change::Disconnected(Reason::TimeoutNoActivity, Some("300 s".into()));
    note(&store, "a", at(3), gone);
    let found = store.find_disconnected("a", at(4)).await.expect("read").expect("noted before");
    let status = Status::Disconnected { at: at(3), reason: Reason::TimeoutNoActivity };
    assert_eq!(found.session.status, status);
    assert!(store.load_sessions(at(4)).await.expect("read").is_empty());
    let (one, other) = tokio::join!(store.revive("a", at(5)), store.revive("a", at(5)));
    assert_eq!([one, other].into_iter().filter(|revived| *revived == Ok(true)).count(), 1);
    assert_eq!(store.revive("unknown", at(5)).await, Ok(false));
    assert!(store.find_disconnected("a", at(6)).await.expect("read").is_none());
    let history = store.session("a").await.expect("read").expect("there").history;
    let rows: Vec<_> = history.iter().map(|row| (row.what, row.at, row.reason)).collect();
    assert_eq!(
        rows,
        [
            (Happening::Opened, START, None),
            (Happening::Initialized, at(1), None),
            (Happening::Resumed, at(2), None),
            (Happening::Disconnected, at(3), Some(Reason::TimeoutNoActivity)),
            (Happening::Revived, at(5), None),
        ]
    );
    assert_eq!(history[2].detail.as_deref(), Some("after event 0-3"));
    close(&store, at(7)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_deleted_is_forgotten_but_not_that_it_was() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    for id in ["a", "b"] {
        store.insert_session(session(id)).await.expect("written");
        note(&store, id, at(1), event(1, 1, "\"a result that nobody else may read\""));
        note(
            &store,
            id,
            at(1),
            Change::CallStarted { request: "1".into(), method: Method::Ping, stream: None },
        );
    }
    flush(&store).await;
    note(&store, "a", at(2), Change::Disconnected(Reason::ClientDeleted, None));
    note(&store, "b", at(2), Change::Disconnected(Reason::ClientGone, None));
    let deleted = store.find_disconnected("a", at(3)).await.expect("read").expect("there");
    assert!(deleted.streams.is_empty() && deleted.calls.is_empty());
    let gone = store.find_disconnected("b", at(3)).await.expect("read").expect("there");
    assert_eq!((gone.streams.len(), gone.streams[0].events.len(), gone.calls.len()), (1, 1, 1));
    close(&store, at(4)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_written_again_is_replaced_and_opened_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    store.insert_session(session("a")).await.expect("written");
    note(&store, "a", at(1), Change::LogLevel("debug".into()));
    let mut newer = session("a");
    newer.log_level = Some("error".into());
    newer.counts.requests = 12;
    store.insert_session(newer.clone()).await.expect("written");
    let found = store.session("a").await.expect("read").expect("there");
    assert_eq!(found.session, newer, "what was noted before is in the whole record");
    assert_eq!(found.history.len(), 1);
    close(&store, at(2)).await;
    assert_eq!(store.insert_session(session("b")).await, Err(StoreError::Closed));
    assert_eq!(store.flush(LONG).await, Err(StoreError::Closed));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_a_second_process_may_read_them() {
    let dir = tempfile::tempdir().expect("a directory");
    assert!(matches!(SqliteReader::open(dir.path()), Err(StoreError::Missing { .. })));
    let store = open(dir.path());
    for number in 0..5u64 {
        let mut one = session(&format!("s{number}"));
        (one.created, one.last_activity) = (at(number), at(number));
        one.principal = if number == 4 { "bob".into() } else { "alice".into() };
        store.insert_session(one).await.expect("written");
    }
    note(&store, "s1", at(9), Change::Disconnected(Reason::ClientClosed, None));
    flush(&store).await;
    let reader = SqliteReader::open(dir.path()).expect("beside the server");
    let ids = |filter: SessionFilter, limit| {
        let found = reader.sessions(&filter, limit).expect("read");
        found.iter().map(|session| session.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ids(SessionFilter::default(), 3), ["s4", "s3", "s2"]);
    let active = SessionFilter { status: Some(StatusWord::Active), principal: None };
    assert_eq!(ids(active, 99), ["s4", "s3", "s2", "s0"]);
    let gone =
        SessionFilter { status: Some(StatusWord::Disconnected), principal: Some("alice".into()) };
    assert_eq!(ids(gone, 99), ["s1"]);
    let counts = reader.status_counts().expect("read");
    assert_eq!(counts, StatusCounts { active: 4, disconnected: 1 });
    assert_eq!(reader.session("s1").expect("read").expect("there").history.len(), 2);
    for name in ["store.db", "store.db-wal", "store.db-shm", "store.lock"] {
        assert_eq!(mode(&dir.path().join(name)), 0o600, "{name}");
    }
    close(&store, at(10)).await;
    drop(reader);
    let alone = SqliteReader::open(dir.path()).expect("without a server");
    assert_eq!(alone.status_counts().expect("read"), counts);
    assert_eq!(mode(&file(dir.path())), 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_writer_is_refused_by_name_and_readers_are_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let config = crate::support::config(dir.path());
    let refused = mcp_store::SqliteStore::open(&config, START, &crate::support::telemetry())
        .expect_err("held");
    assert!(matches!(refused, StoreError::InUse { .. }), "{refused}");
    assert!(refused.to_string().contains(dir.path().to_str().expect("text")), "{refused}");
    close(&store, at(1)).await;
    close(&open(dir.path()), at(2)).await;
}

/// Whoever writes it whole may not know yet that it has ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_has_ended_stays_so_when_it_is_written_whole() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    for (id, pauses) in [("at once", false), ("later", true)] {
        store.insert_session(session(id)).await.expect("written");
        note(&store, id, at(1), Change::Disconnected(Reason::ClientDeleted, None));
        if pauses {
            flush(&store).await;
        }
        store.insert_session(session(id)).await.expect("written");
        flush(&store).await;
        let found = store.session(id).await.expect("read").expect("it is there").session;
        let ended = Status::Disconnected { at: at(1), reason: Reason::ClientDeleted };
        assert_eq!(found.status, ended, "{id}");
    }
    assert!(store.load_sessions(at(2)).await.expect("read").is_empty());
    close(&store, at(3)).await;
}

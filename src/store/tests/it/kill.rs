//! A process that is killed loses no session that it was told is safe.

use crate::support::{at, close, event, open, open_at, session};
use mcp_store::{Change, SqliteReader, Store};
use std::{
    collections::HashSet,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    sync::Arc,
};

const DIR: &str = "MCP_STORE_TEST_DIR";
const ROUND: &str = "MCP_STORE_TEST_ROUND";

/// The process that is killed: this test binary, started anew with a directory to write to.
#[test]
#[ignore = "started by the test below"]
fn writes_until_it_is_killed() {
    let (Ok(dir), Ok(round)) = (std::env::var(DIR), std::env::var(ROUND)) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async move {
        let store = Arc::new(open(dir.as_ref()));
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..8 {
            let (store, round) = (Arc::clone(&store), round.clone());
            writers.spawn(async move {
                for number in 0u64.. {
                    let id = format!("{round}-{writer}-{number}");
                    store.insert_session(session(&id)).await.expect("written");
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "safe {id}").and_then(|()| out.flush()).expect("told");
                    drop(out);
                    crate::support::note(&*store, &id, at(1), Change::Initialized);
                    crate::support::note(&*store, &id, at(1), event(0, 1, "{}"));
                }
            });
        }
        writers.join_all().await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_loses_no_session_that_was_safe() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut safe = HashSet::new();
    for round in 0..5 {
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", "kill::writes_until_it_is_killed", "--ignored", "--nocapture"])
            .env(DIR, dir.path())
            .env(ROUND, round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let before = safe.len();
        while safe.len() < before + 500 {
            let line = lines.next().expect("it writes on").expect("text");
            safe.extend(line.split_once("safe ").map(|(_, id)| id.to_owned()));
        }
        child.kill().expect("killed");
        // What it had said before it was killed counts too, but for a last line cut in two.
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        let whole = rest.iter().take(rest.len().saturating_sub(1));
        safe.extend(whole.filter_map(|line| line.split_once("safe ")).map(|(_, id)| id.to_owned()));
        child.wait().expect("gone");

        let reader = SqliteReader::open(dir.path()).expect("also without a server");
        let seen = reader.status_counts().expect("read").active;
        assert!(seen >= safe.len() as u64, "{seen} of {}", safe.len());
        drop(reader);
        let store = open_at(dir.path(), at(100));
        assert!(!store.beginning().previous.expect("a life before").stopped_cleanly);
        let all = store.load_sessions(at(100)).await.expect("read");
        let there: HashSet<String> =
            all.iter().map(|restored| restored.session.id.to_string()).collect();
        let lost: Vec<&String> = safe.difference(&there).collect();
        assert!(lost.is_empty(), "round {round}: {} of {} lost: {lost:?}", lost.len(), safe.len());
        close(&store, at(101)).await;
    }
    assert!(safe.len() >= 2_500);
}

//! How a child process starts and ends, and how the handshake copes with it.

use crate::support::{Folder, Memory, call, identity, open, options, script, until};
use mcp_client::{ClientError, Connection, Ending, Ran, Secret, Target};
use mcp_protocol::Era;
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};
use tokio::time::Instant;

async fn refused(target: &Target, era: Option<Era>) -> ClientError {
    match Connection::open(target, era, &identity(), Arc::new(Memory::default()), &options()).await
    {
        Ok(_) => panic!("this must not open"),
        Err(error) => error,
    }
}

fn is_alive(pid: &str) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.trim()).join("status"))
        .unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

#[tokio::test]
async fn a_server_that_does_not_know_discover_and_is_silent_is_legacy() {
    let start = Instant::now();
    let body = r#"while read -r line; do case "$line" in *initialize\"*) ok "$INIT";; *tools/list*) ok '{}';; esac; done"#;
    let (connection, _) = open(&script(body)).await;
    assert_eq!(connection.era(), Era::Legacy);
    assert!(start.elapsed() >= options().discover_timeout);
    connection.call(call("tools/list", "{}")).await.expect("an answer").expect("a result");
}

#[tokio::test]
async fn a_server_that_dies_of_discover_is_started_again() {
    let folder = Folder::new("dies");
    let log = folder.path("starts");
    for answer in ["", "bad;"] {
        let body = format!(
            r#"echo start >> {log}; read -r line; case "$line" in *server/discover*) {answer} exit 3;; esac
            ok "$INIT"; read -r line; read -r line"#
        );
        let (connection, _) = open(&script(&body)).await;
        assert_eq!(connection.era(), Era::Legacy);
    }
    assert_eq!(folder.read("starts").lines().count(), 4);
}

#[tokio::test]
async fn a_modern_server_that_is_slow_to_start_is_still_found() {
    let body = r#"sleep 0.6; read -r line; read -r line; bad; discover; read -r line"#;
    let (connection, _) = open(&script(body)).await;
    assert_eq!(connection.era(), Era::Modern);
}

#[tokio::test]
async fn the_era_that_is_asked_for_is_the_only_one_tried() {
    let folder = Folder::new("only");
    let log = folder.path("log");
    let body = format!(r#"while read -r line; do printf '%s\n' "$line" >> {log}; bad; done"#);
    for (era, other) in [(Era::Legacy, "server/discover"), (Era::Modern, "initialize")] {
        let error = refused(&script(&body), Some(era)).await;
        assert!(matches!(error, ClientError::Refused(_)), "{error}");
        assert_eq!(folder.read("log").lines().count(), 1);
        assert!(!folder.read("log").contains(other));
        std::fs::remove_file(folder.0.join("log")).expect("a log");
    }
}

#[tokio::test]
async fn an_unknown_revision_is_refused() {
    let body = r#"read -r line; bad; read -r line; ok '{"protocolVersion":"2031-01-01","capabilities":{}}'; read -r line"#;
    let error = refused(&script(body), None).await;
    assert!(error.to_string().contains("2031-01-01"), "{error}");
}

#[tokio::test]
async fn a_process_that_exits_ends_its_calls_and_says_how() {
    let (connection, _) = open(&script("shake; read -r line; exit 7")).await;
    let error =
        connection.call(call("tools/call", r#"{"name":"x"}"#)).await.expect_err("no answer");
    assert!(
        matches!(&error, ClientError::Closed { sent: true, ending: Ending::Exited(how) } if how.contains('7')),
        "{error}"
    );
    assert_eq!(error.ran(), Ran::Unknown);
    assert!(matches!(
        connection.closed().await,
        ClientError::Closed { ending: Ending::Exited(_), .. }
    ));
    let later = connection.call(call("tools/list", "{}")).await.expect_err("dead");
    assert_eq!(later.ran(), Ran::No);
    assert!(connection.notify("notifications/roots/list_changed", None).await.is_err());
}

#[tokio::test]
async fn the_last_words_of_a_process_are_heard() {
    let (connection, _) = open(&script("shake; read -r line; ok '{\"last\":1}'; exit 0")).await;
    let answer =
        connection.call(call("tools/list", "{}")).await.expect("an answer").expect("a result");
    assert_eq!(answer.get(), r#"{"last":1}"#);
}

#[tokio::test]
async fn a_process_that_only_closes_its_stdout_is_as_good_as_dead() {
    let folder = Folder::new("closes");
    let pid = folder.path("pid");
    let (connection, _) =
        open(&script(&format!("echo $$ > {pid}; shake; exec >&-; exec sleep 60"))).await;
    assert!(matches!(
        connection.closed().await,
        ClientError::Closed { ending: Ending::Lost(_), .. }
    ));
    until("it is ended", || !is_alive(&folder.read("pid"))).await;
}

#[tokio::test]
async fn closing_is_gentle_first_and_then_not() {
    let folder = Folder::new("stubborn");
    let (own, child) = (folder.path("own"), folder.path("child"));
    let body = format!(
        "trap '' TERM; echo $$ > {own}; shake; sleep 60 & echo $! > {child}; while :; do sleep 0.1; done"
    );
    let (connection, _) = open(&script(&body)).await;
    until("its child is there", || !folder.read("child").is_empty()).await;
    let start = Instant::now();
    connection.close().await;
    assert!(start.elapsed() >= Duration::from_secs(3) && start.elapsed() < Duration::from_secs(6));
    until("both are gone", || !is_alive(&folder.read("own")) && !is_alive(&folder.read("child")))
        .await;
    connection.close().await;
}

#[tokio::test]
async fn a_well_behaved_process_ends_when_its_stdin_does() {
    let folder = Folder::new("gentle");
    let done = folder.path("done");
    let (connection, _) =
        open(&script(&format!("shake; while read -r line; do :; done; echo ended > {done}"))).await;
    connection.close().await;
    assert_eq!(folder.read("done").trim(), "ended");
}

#[tokio::test]
async fn dropping_the_connection_kills_the_whole_group() {
    let folder = Folder::new("dropped");
    let (own, child) = (folder.path("own"), folder.path("child"));
    let body = format!("echo $$ > {own}; shake; sleep 60 & echo $! > {child}; wait");
    let (connection, _) = open(&script(&body)).await;
    until("its child is there", || !folder.read("child").is_empty()).await;
    assert!(is_alive(&folder.read("own")) && is_alive(&folder.read("child")));
    drop(connection);
    until("both are gone", || !is_alive(&folder.read("own")) && !is_alive(&folder.read("child")))
        .await;
}

#[tokio::test]
async fn what_cannot_be_started_is_named_without_its_secrets() {
    let env = BTreeMap::from([("KEY".to_owned(), Secret::from("hunter2"))]);
    let target = Target::stdio("/no/such/program".into(), vec![], env.clone(), None);
    let error = refused(&target, None).await;
    assert!(matches!(error, ClientError::Spawn { .. }));
    assert_eq!(error.ran(), Ran::No);
    let shown = format!("{error} {error:?} {target} {target:?}");
    assert!(shown.contains("/no/such/program") && !shown.contains("hunter2"), "{shown}");
    let target = Target::stdio("/bin/sh".into(), vec![], env, Some("/no/such/folder".into()));
    assert!(refused(&target, None).await.to_string().contains("/no/such/folder"));
}

#[tokio::test]
async fn a_child_gets_its_variables_and_none_of_ours() {
    const OURS: &str = "MCP_ORCHESTRATOR_TOKEN";
    if std::env::var_os(OURS).is_none() {
        // The same test again, in a process that has such a variable.
        let mut again = std::process::Command::new(std::env::current_exe().expect("this program"));
        again
            .args(["--exact", "stdio_ends::a_child_gets_its_variables_and_none_of_ours"])
            .env(OURS, "secret");
        assert!(again.status().expect("this program runs").success());
        return;
    }
    let folder = Folder::new("env");
    let log = folder.path("log");
    let env = BTreeMap::from([("KEY".to_owned(), Secret::from("hunter2"))]);
    let Target::Stdio(mut target) = script(&format!("env > {log}; shake; read -r line")) else {
        panic!("stdio")
    };
    target.env = env;
    let (_connection, _) = open(&Target::Stdio(target)).await;
    assert!(folder.read("log").contains("KEY=hunter2"));
    assert!(!folder.read("log").contains("MCP_ORCHESTRATOR_"));
}

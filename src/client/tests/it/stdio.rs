//! Messages over the pipes of a child process.

use crate::support::{Folder, Memory, call, identity, open, open_with, options, script, until};
use mcp_client::{ClientError, Connection, Options, OutCall, Ran};
use mcp_protocol::{Era, Revision};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::timeout;

/// Answers every request with `{"n":<id>}`.
const ECHO: &str = r#"while read -r line; do id; ok "{\"n\":$id}"; done"#;

#[tokio::test]
async fn a_legacy_server_is_found_out_and_answers() {
    let (connection, _) = open(&script(&format!("shake; {ECHO}"))).await;
    assert_eq!((connection.era(), connection.revision()), (Era::Legacy, Revision::V2025_06_18));
    assert_eq!(connection.server().capabilities.get(), r#"{"tools":{}}"#);
    let calls = (0..50).map(|_| connection.call(call("tools/list", "{}")));
    for answer in futures_util::future::join_all(calls).await {
        assert!(answer.expect("an answer").expect("a result").get().starts_with(r#"{"n":"#));
    }
    connection.close().await;
}

#[tokio::test]
async fn a_modern_server_is_found_out_and_told_who_calls() {
    let folder = Folder::new("modern");
    let log = folder.path("log");
    let (connection, _) = open(&script(&format!(
        r#"discover; read -r line; printf '%s\n' "$line" > {log}; ok '{{"resultType":"complete"}}'; read -r line"#
    )))
    .await;
    assert_eq!((connection.era(), connection.revision()), (Era::Modern, Revision::V2026_07_28));
    assert_eq!(connection.server().info.as_ref().map(|info| info.get()), Some(r#"{"name":"sh"}"#));
    connection.call(call("tools/list", "{}")).await.expect("an answer").expect("a result");
    let sent = folder.read("log");
    assert!(
        sent.contains(r#""io.modelcontextprotocol/clientCapabilities":{"roots":{}}"#),
        "{sent}"
    );
    connection.close().await;
}

#[tokio::test]
async fn garbage_on_stdout_is_reported_and_harms_nobody() {
    let body = format!("echo starting up; echo '{{\"half\":'; shake; echo ready; echo; {ECHO}");
    let (connection, memory) = open(&script(&body)).await;
    connection.call(call("ping", "{}")).await.expect("an answer").expect("a result");
    assert!(memory.logged("starting up") && memory.logged("ready"));
    assert_eq!(memory.lines.lock().expect("no panic").len(), 3);
}

#[tokio::test]
async fn stderr_comes_by_lines() {
    let body = format!("echo one >&2; echo two >&2; shake; {ECHO}");
    let (_connection, memory) = open(&script(&body)).await;
    until("both lines are logged", || memory.logged("one") && memory.logged("two")).await;
}

#[tokio::test]
async fn an_answer_that_is_too_long_fails_its_call_alone() {
    let body = format!(
        r#"shake; read -r line; id; printf '{{"result":"%s","jsonrpc":"2.0","id":%s}}\n' "$(head -c 300000 /dev/zero | tr '\0' x)" "$id"; {ECHO}"#
    );
    let options = Options { max_message: 100_000, ..options() };
    let (connection, memory) = open_with(&script(&body), &options).await;
    let error =
        connection.call(call("tools/call", r#"{"name":"big"}"#)).await.expect_err("too large");
    assert_eq!(error, ClientError::TooLarge { limit: 100_000 });
    assert_eq!(error.ran(), Ran::Unknown);
    assert!(memory.logged("skipped"));
    connection.call(call("tools/list", "{}")).await.expect("an answer").expect("a result");
}

#[tokio::test]
async fn an_answer_that_is_no_message_fails_its_call() {
    let body = r#"shake; read -r line; id; printf '{"jsonrpc":"2.0","id":%s,"result":1,"error":2}\n' $id; read -r line"#;
    let (connection, _) = open(&script(body)).await;
    let error = connection.call(call("tools/list", "{}")).await.expect_err("no message");
    assert!(matches!(error, ClientError::Protocol(_)), "{error}");
}

#[tokio::test]
async fn dropping_a_call_tells_the_server_and_a_late_answer_is_ignored() {
    let folder = Folder::new("cancel");
    let log = folder.path("log");
    let body = format!(
        r#"shake; read -r line; first="$line"; read -r cancel; printf '%s\n%s\n' "$first" "$cancel" > {log}; line="$first"; ok '{{"late":1}}'; {ECHO}"#
    );
    let (connection, _) = open(&script(&body)).await;
    let slow = connection.call(call("tools/call", r#"{"name":"slow"}"#));
    assert!(timeout(Duration::from_millis(200), slow).await.is_err());
    until("the server is told", || folder.read("log").contains("notifications/cancelled")).await;
    let sent = folder.read("log");
    let id = sent.split(r#""id":"#).nth(1).and_then(|rest| rest.split(',').next()).expect("an id");
    assert!(sent.contains(&format!(r#""requestId":{id}"#)), "{sent}");
    let answer =
        connection.call(call("tools/list", "{}")).await.expect("an answer").expect("a result");
    assert!(!answer.get().contains("late"));
}

#[tokio::test]
async fn a_call_that_was_never_written_is_neither_sent_nor_cancelled() {
    let (connection, _) = open(&script("shake; exec sleep 60")).await;
    let params = format!(r#"{{"name":"x","fill":"{}"}}"#, "x".repeat(200_000));
    let calls = (0..300)
        .map(|_| timeout(Duration::from_millis(300), connection.call(call("tools/call", &params))));
    assert!(futures_util::future::join_all(calls).await.iter().all(Result::is_err));
    let last = connection.call(call("tools/list", "{}"));
    let ((), error) = tokio::join!(connection.close(), last);
    assert_eq!(error.expect_err("closed").ran(), Ran::No, "the pipe was full all the time");
}

#[tokio::test]
async fn questions_are_answered_and_withdrawn() {
    let folder = Folder::new("questions");
    let log = folder.path("log");
    let body = format!(
        r#"shake
        echo '{{"jsonrpc":"2.0","id":"q1","method":"roots/list"}}'; read -r line; printf '%s\n' "$line" >> {log}
        echo '{{"jsonrpc":"2.0","id":7,"method":"ping"}}'; read -r line; printf '%s\n' "$line" >> {log}
        read -r line; ok '{{}}'
        echo '{{"jsonrpc":"2.0","id":"q2","method":"sampling/createMessage","params":{{}}}}'
        read -r line; ok '{{}}'
        echo '{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":"q2"}}}}'
        {ECHO}"#
    );
    let memory = Arc::new(Memory::default());
    *memory.answer.lock().expect("no panic") = Some(crate::support::json(r#"{"roots":[]}"#));
    let sink = Arc::clone(&memory);
    let connection = Connection::open(&script(&body), None, &identity(), sink, &options())
        .await
        .expect("a connection");
    until("two answers are written", || folder.read("log").lines().count() == 2).await;
    let answers = folder.read("log");
    assert!(answers.contains(r#"{"jsonrpc":"2.0","id":"q1","result":{"roots":[]}}"#), "{answers}");
    assert!(answers.contains(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#), "{answers}");
    *memory.answer.lock().expect("no panic") = None;
    connection.call(call("tools/list", "{}")).await.expect("an answer").expect("a result");
    until("the question came", || memory.asked() == 2).await;
    connection.call(call("tools/list", "{}")).await.expect("an answer").expect("a result");
    until("the question is dropped", || memory.dropped.load(Ordering::SeqCst) == 1).await;
    assert!(memory.names().is_empty(), "the withdrawal is no news for the sink");
}

#[tokio::test]
async fn progress_goes_to_its_call_and_all_else_to_the_connection() {
    let body = r#"shake; read -r line; id
        printf '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":1}}\n' "$id"
        echo '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":99,"progress":1}}'
        echo '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'
        ok '{}'; read -r line"#;
    let (connection, memory) = open(&script(body)).await;
    let own = Arc::new(Memory::default());
    let sink: Arc<dyn mcp_client::Sink> = Arc::clone(&own) as _;
    let slow =
        OutCall { progress: true, sink: Some(sink), ..call("tools/call", r#"{"name":"slow"}"#) };
    connection.call(slow).await.expect("an answer").expect("a result");
    assert_eq!(own.names(), ["notifications/progress"]);
    assert_eq!(memory.names(), ["notifications/tools/list_changed"]);
}

#[tokio::test]
async fn a_subscription_has_its_own_sink_and_may_be_ended_by_the_server() {
    let body = r#"discover; read -r line; id; sub=$id
        printf '{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":%s}}}\n' "$sub"
        echo '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'
        printf '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%s}}\n' "$sub"
        read -r line"#;
    let (connection, memory) = open(&script(body)).await;
    let own = Arc::new(Memory::default());
    let sink: Arc<dyn mcp_client::Sink> = Arc::clone(&own) as _;
    let listen =
        OutCall { sink: Some(sink), ..call("subscriptions/listen", r#"{"notifications":{}}"#) };
    let error = connection.call(listen).await.expect_err("ended");
    assert!(
        matches!(error, ClientError::Closed { ending: mcp_client::Ending::Withdrawn, .. }),
        "{error}"
    );
    assert_eq!((own.names().len(), memory.names().len()), (1, 1));
}

#[tokio::test]
async fn too_many_calls_are_refused_before_they_are_sent() {
    let options = Options { max_calls: 1, ..options() };
    let (connection, _) = open_with(&script("shake; read -r line; exec sleep 60"), &options).await;
    let first = timeout(Duration::from_millis(200), connection.call(call("tools/list", "{}")));
    let second = async {
        tokio::task::yield_now().await;
        connection.call(call("tools/list", "{}")).await
    };
    let (first, second) = tokio::join!(first, second);
    assert!(first.is_err());
    assert_eq!(second.expect_err("busy"), ClientError::Busy);
}

//! One trace tells of a call whose client and whose upstream were both lost on the way, and a log
//! line leads to it.

use super::{Span, receiver, recording, span_of};
use crate::support::{Legacy, Server, connect, descendants, head, kill_all, until};
use serde_json::{Value, json};
use std::path::Path;
use tokio::io::AsyncWriteExt as _;

/// The newest log line of that event, with the ids of the span it belongs to.
fn line_of(server: &Server, event: &str) -> Option<Value> {
    let log = server.log();
    let lines = log.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.into_iter().find(|line| line["event"] == event)
}

async fn logged(server: &Server, event: &str) -> Value {
    until(&format!("{event} is logged"), || async { line_of(server, event).is_some() }).await;
    line_of(server, event).unwrap()
}

#[tokio::test]
async fn one_trace_shows_the_call_both_losses_both_returns_and_the_answer() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("ran");
    let (receiver, grpc, _http) = receiver().await;
    let server = recording(&log, grpc, "debug").await;
    let client = Legacy::open(&server).await;
    let params = json!({"name": "fix__record", "arguments": {"key": "k", "ms": 1_500}});
    // Its connection is cut as soon as it knows how to come back.
    let seen = client.start("tools/call", params).await.primed().await;
    let lost = logged(&server, "client_lost").await;
    until("the call runs", || async { log.exists() }).await;
    kill_all(&descendants(server.pid()));
    server.upstreams(&["fix"], "connected").await;
    let answer = client.resume(&seen).await.answer().await;
    assert_eq!(answer["result"]["content"][0]["text"], "k");
    let session = client.session.clone();
    client.close().await;
    let ended = logged(&server, "call_finished").await;
    logged(&server, "connection_ended").await;
    server.finish().await;

    let name = "tools/call fix__record";
    let call = span_of(&receiver, name, |span| span.name == name).await;
    assert!(call.kind.contains("SERVER") && !call.attributes.contains_key("error.type"));
    assert_eq!(call.attributes["mcp.session.id"], session);
    for line in [lost, ended] {
        assert_eq!(line["trace_id"], call.trace, "a log line leads to its trace: {line}");
        assert_eq!(line["span_id"], call.id, "{line}");
    }
    for (name, kind) in [
        ("client lost", "INTERNAL"),
        ("wait for upstream", "INTERNAL"),
        ("client back", "INTERNAL"),
        ("tools/call record", "CLIENT"),
    ] {
        span_of(&receiver, name, |span| {
            (span.name.as_str(), span.parent.as_str()) == (name, call.id.as_str())
                && span.trace == call.trace
                && span.kind.contains(kind)
        })
        .await;
    }
    for failed in [true, false] {
        span_of(&receiver, "the attempt that was lost and the one after it", |span| {
            span.parent == call.id
                && span.kind.contains("CLIENT")
                && span.attributes.contains_key("error.type") == failed
        })
        .await;
    }
    let again = span_of(&receiver, "the reconnect", |span| span.name == "reconnect upstream").await;
    assert_eq!(again.attributes["mcp_orchestrator.upstream.name"], "fix");
    assert_eq!(again.attributes["mcp_orchestrator.cause"], "exited");
    let life = span_of(&receiver, "the session", |span| span.name == "session").await;
    assert_eq!(life.attributes["mcp.session.id"], session);
    assert_eq!(life.attributes["mcp_orchestrator.reason"], "client_deleted");
}

/// How often a client tries to be gone before its answer is a stream.
const MOST_TRIES: usize = 10;

/// How many streams there have been.
async fn streams(server: &Server) -> f64 {
    let scrape = server.scrape().await;
    scrape.sum("mcp_streams_active", &[]) + scrape.sum("mcp_stream_duration_seconds_count", &[])
}

/// How many calls of tools are said to have ended.
fn ended(server: &Server) -> usize {
    let log = server.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is_end = |line: &Value| line["event"] == "call_finished";
    lines.filter(|line| is_end(line) && line["mcp.method.name"] == "tools/call").count()
}

/// A call whose client goes as soon as it runs; waits until it has ended. On a busy machine its
/// answer is a stream by the time its client goes.
async fn gone_in_mid_call(server: &Server, session: &str, log: &Path, number: usize) {
    let _earlier = std::fs::remove_file(log);
    let params = json!({"name": "fix__record", "arguments": {"key": "k", "ms": 500}});
    let body = json!({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params});
    let body = body.to_string();
    let lines = format!("Content-Length: {}\r\nMcp-Session-Id: {session}\r\n", body.len());
    let mut socket = connect(server).await;
    server.sent("tools/call");
    socket.write_all((head(server, &lines) + &body).as_bytes()).await.unwrap();
    until("the call runs", || async { log.exists() }).await;
    drop(socket);
    until("its end is logged", || async { ended(server) == number }).await;
}

#[tokio::test]
async fn a_client_that_is_gone_before_its_answer_streams_is_in_the_trace_of_its_call() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("ran");
    let (receiver, grpc, _http) = receiver().await;
    let server = recording(&log, grpc, "debug").await;
    let client = Legacy::open(&server).await;
    for number in 1.. {
        assert!(number <= MOST_TRIES, "each time a stream began before the client was gone");
        let before = streams(&server).await;
        gone_in_mid_call(&server, &client.session, &log, number).await;
        if streams(&server).await == before {
            break;
        }
    }
    let lost = logged(&server, "client_lost").await;
    client.close().await;
    server.finish().await;

    let name = "tools/call fix__record";
    let trace = lost["trace_id"].as_str().unwrap();
    let of_it = |span: &Span| (span.name.as_str(), span.trace.as_str()) == (name, trace);
    let call = span_of(&receiver, name, of_it).await;
    assert!(!call.attributes.contains_key("error.type"), "it runs on to its end: {call:?}");
    assert_eq!(lost["span_id"], call.id);
    span_of(&receiver, "client lost", |span| {
        (span.name.as_str(), span.parent.as_str()) == ("client lost", call.id.as_str())
    })
    .await;
}

//! Coming back to a stream with `Last-Event-ID`: what was missed comes once and in order, and what
//! is gone is told.
//!
//! Sessions of other servers have these defects; each has tests here that fail on a server with it.
//!
//! | Defect | Tests |
//! |---|---|
//! | A: a result that came while its client was away is lost | `a_result_that_came_while_the_client_was_away_is_there_when_it_comes_back`, `killing`, `sdk_clients_whose_stream_is_cut_in_mid_call_get_the_result` |
//! | B: an event that was read comes again | `what_was_missed_comes_once_in_order_and_without_a_hole`, `killing`, `websocket_resume::away` |
//! | C: a gap without a word | `a_hole_in_the_general_stream_is_told_as_a_change_of_every_list`, `a_stream_that_is_no_longer_kept_says_that_its_answer_is_lost` |
//! | D: the idle timer ends a long call, or an open stream | `a_long_call_and_an_open_stream_outlive_the_idle_timer`, `sessions::a_session_without_activity_is_put_away_and_one_in_use_is_not` |
//! | E: a stream nobody reads blocks its session | `a_client_that_reads_none_of_its_streams_holds_up_nobody_its_own_session_included` |
//! | F: sessions leak, without a bound | `churn`, `sessions::a_session_too_many_is_refused_and_counted` |
//! | G: a modern client that goes does not cancel its call | `cancelling::a_modern_call_whose_client_goes_is_cancelled_upstream_too` |
//! | Errors in plain text, or none | `malformed` |
//! | One event id for two events | `no_two_events_of_a_session_have_one_id` |
//! | Sessions that anybody may use | `a_stream_of_one_session_is_nobody_elses`, `session_model`, `reconnecting` |

use crate::support::{Cutter, Legacy, Server, Setup, run_plan, text, until};
use serde_json::{Value, json};

async fn server(setup: Setup) -> Server {
    let server = setup.fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    server
}

fn sleep(ms: u64) -> Value {
    json!({"name": "fix__sleep", "arguments": {"ms": ms}})
}

/// All messages until the stream ends.
async fn all(client: &Legacy<'_>, last: &str) -> (Vec<Value>, Vec<String>) {
    let mut stream = client.resume(last).await;
    let mut messages = Vec::new();
    while let Some(message) = stream.next().await {
        messages.push(message);
    }
    (messages, stream.ids)
}

async fn ended(server: &Server, method: &str, count: f64) {
    until("the call has ended", || async {
        server.scrape().await.sum("mcp_requests_total", &[("method", method)]) >= count
    })
    .await;
}

#[tokio::test]
async fn a_result_that_came_while_the_client_was_away_is_there_when_it_comes_back() {
    let server = server(Setup::new()).await;
    let client = Legacy::open(&server).await;
    let primed = client.start("tools/call", sleep(700)).await.primed().await;
    ended(&server, "tools/call", 1.0).await;
    let (messages, ids) = all(&client, &primed).await;
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(text(&messages[0]["result"]), "slept 700 ms");
    // Asked again it comes again, and after it nothing.
    assert_eq!(all(&client, &primed).await.0, messages);
    let last = ids.last().expect("an id");
    assert_eq!(all(&client, last).await.0, Vec::<Value>::new());
    let resumed = [("side", "session"), ("outcome", "resumed")];
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("mcp_reconnect_attempts_total", &resumed), 3.0);
    assert_eq!(scrape.sum("mcp_stream_gap_total", &[]), 0.0);
    assert_eq!(scrape.sum("mcp_stream_replayed_events_total", &[]), 2.0);
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn what_was_missed_comes_once_in_order_and_without_a_hole() {
    let server = server(Setup::new()).await;
    let client = Legacy::open(&server).await;
    let arguments = json!({"steps": 40, "delay_ms": 20});
    let params = json!({"name": "fix__count_progress", "arguments": arguments, "_meta": {"progressToken": "p"}});
    let mut stream = client.start("tools/call", params).await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(stream.next().await.expect("progress"));
    }
    let mut last = stream.ids.last().expect("an id").clone();
    drop(stream);
    // Three cuts more.
    for _ in 0..3 {
        let mut stream = client.resume(&last).await;
        for _ in 0..5 {
            seen.push(stream.next().await.expect("progress"));
        }
        last = stream.ids.last().expect("an id").clone();
    }
    seen.extend(all(&client, &last).await.0);
    let (answer, progress) = seen.split_last().expect("messages");
    assert!(answer.get("result").is_some(), "{answer}");
    let steps: Vec<u64> =
        progress.iter().map(|message| message["params"]["progress"].as_u64().unwrap()).collect();
    assert_eq!(steps, (1..=40).collect::<Vec<_>>());
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn a_stream_that_is_no_longer_kept_says_that_its_answer_is_lost() {
    let server = server(Setup::new().set("limits.result_ttl", 0.2)).await;
    let client = Legacy::open(&server).await;
    let mut stream = client.start("tools/call", sleep(300)).await;
    let answer = stream.answer().await;
    let ids = stream.ids.clone();
    drop(stream);
    let lost = || async { all(&client, &ids[0]).await.0 };
    until("the stream is forgotten", || async {
        let lost = lost().await;
        assert_eq!(lost.len(), 1, "never silence: {lost:?}");
        lost[0] != answer
    })
    .await;
    let lost = lost().await;
    assert_eq!(lost[0]["id"], answer["id"]);
    assert_eq!(lost[0]["result"]["isError"], true, "{lost:?}");
    assert_eq!(lost[0]["result"]["_meta"]["mcp-orchestrator/code"], "outcome_unknown");
    // Whoever has seen the last event waits for nothing.
    assert_eq!(all(&client, ids.last().expect("an id")).await.0, Vec::<Value>::new());
    assert!(server.scrape().await.sum("mcp_stream_gap_total", &[]) >= 1.0);
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn a_hole_in_the_general_stream_is_told_as_a_change_of_every_list() {
    let server = server(Setup::new().set("limits.stream_events", 4)).await;
    let client = Legacy::open(&server).await;
    let mut stream = client.stream().await;
    client.call("fix__add_tool", json!({"name": "first"})).await;
    stream.method("notifications/tools/list_changed").await;
    let last = stream.ids.last().expect("an id").clone();
    drop(stream);
    client.ask("resources/subscribe", json!({"uri": "test://watched-resource"})).await;
    for _ in 0..12 {
        client.call("fix__touch_resource", json!({"uri": "test://watched-resource"})).await;
    }
    let mut stream = client.resume(&last).await;
    for method in ["tools", "prompts", "resources"] {
        let told = stream.next().await.expect("news");
        assert_eq!(told["method"], format!("notifications/{method}/list_changed"));
    }
    for _ in 0..4 {
        let told = stream.next().await.expect("what was kept");
        assert_eq!(told["method"], "notifications/resources/updated");
    }
    assert_eq!(server.scrape().await.sum("mcp_stream_gap_total", &[]), 8.0);
    drop(stream);
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn a_stream_of_one_session_is_nobody_elses() {
    let server = server(Setup::new()).await;
    let (owner, other) = (Legacy::open(&server).await, Legacy::open(&server).await);
    let mut stream = owner.start("tools/call", sleep(300)).await;
    stream.answer().await;
    let messages = all(&other, &stream.ids[0]).await.0;
    assert!(!messages.iter().any(|message| message.to_string().contains("slept")), "{messages:?}");
    for foreign in ["", "x", "17", "1-1-!!", "ffffffffffffffffff-1"] {
        assert_eq!(all(&other, foreign).await.0, Vec::<Value>::new(), "{foreign}");
    }
    drop(stream);
    owner.close().await;
    other.close().await;
    server.finish().await;
}

#[tokio::test]
async fn a_client_that_reads_none_of_its_streams_holds_up_nobody_its_own_session_included() {
    let server = server(Setup::new()).await;
    let client = Legacy::open(&server).await;
    let params = json!({"name": "fix__big", "arguments": {"bytes": 3_000_000}});
    let mut unread = Vec::new();
    for _ in 0..6 {
        unread.push(client.start("tools/call", params.clone()).await);
    }
    assert!(client.ask("ping", json!({})).await.get("result").is_some());
    drop(unread);
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn sdk_clients_whose_stream_is_cut_in_mid_call_get_the_result() {
    let server = server(Setup::new()).await;
    for script in ["sdk.mjs", "client.mjs", "client.py"] {
        let cutter = Cutter::before(server.base(), 1).await;
        let call = json!({"name": "fix__sleep", "arguments": {"ms": 1_200}});
        let plan = json!({"url": cutter.url(), "era": "legacy", "calls": [call]});
        let report = run_plan(&server, script, plan).await;
        assert_eq!(cutter.left(), 0, "{script}: its stream was cut");
        assert_eq!(text(&report["results"][0]), "slept 1200 ms", "{script}: {report}");
    }
    let resumed = [("side", "session"), ("outcome", "resumed")];
    assert!(server.scrape().await.sum("mcp_reconnect_attempts_total", &resumed) >= 3.0);
    server.finish().await;
}

#[tokio::test]
async fn a_long_call_and_an_open_stream_outlive_the_idle_timer() {
    let setup = Setup::new().set("limits.session_idle", 2.0).set("limits.session_sweep", 0.1);
    let server = server(setup).await;
    let (calling, streaming) = (Legacy::open(&server).await, Legacy::open(&server).await);
    let mut stream = streaming.stream().await;
    let mut call = calling.start("tools/call", sleep(4_000)).await;
    assert_eq!(text(&call.answer().await["result"]), "slept 4000 ms");
    drop(call);
    // The stream was silent all the while, and is the same one still.
    calling.call("fix__add_tool", json!({"name": "late"})).await;
    stream.method("notifications/tools/list_changed").await;
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("mcp_disconnections_total", &[]), 0.0);
    assert_eq!(scrape.sum("mcp_sessions_restored_total", &[]), 0.0, "nor was any revived");
    drop(stream);
    calling.close().await;
    streaming.close().await;
    server.finish().await;
}

#[tokio::test]
async fn no_two_events_of_a_session_have_one_id() {
    let server = server(Setup::new()).await;
    let client = Legacy::open(&server).await;
    let mut general = client.stream().await;
    let (mut one, mut other) = tokio::join!(
        client.start("tools/call", sleep(300)),
        client.start("tools/call", sleep(350))
    );
    tokio::join!(one.answer(), other.answer());
    client.call("fix__add_tool", json!({"name": "new"})).await;
    general.method("notifications/tools/list_changed").await;
    let ids = [&general.ids[..], &one.ids, &other.ids].concat();
    let different: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert!(ids.len() >= 5 && different.len() == ids.len(), "{ids:?}");
    drop((general, one, other));
    client.close().await;
    server.finish().await;
}

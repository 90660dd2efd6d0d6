//! `/metrics` as a real Prometheus sees it.

use crate::support::{Legacy, Modern, Peer, Port, Server, Setup, head, http, rest, until};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use std::{fs, io::Write, ops::Range, process::Stdio};
use tokio::{io::AsyncWriteExt, net::TcpSocket, process::Command};

/// A Prometheus that scrapes the server four times a second.
async fn prometheus(server: &Server) -> (Peer, String) {
    let port = Port::reserve();
    let target = server.base().trim_start_matches("http://");
    let config = format!(
        "global:\n  scrape_interval: 250ms\n  scrape_timeout: 200ms\nscrape_configs:\n  \
         - job_name: orchestrator\n    static_configs:\n      - targets: ['{target}']\n"
    );
    let file = server.dir().join("prometheus.yml");
    fs::write(&file, config).unwrap();
    let mut command = Command::new("prometheus");
    command.arg(format!("--config.file={}", file.display()));
    command.arg(format!("--storage.tsdb.path={}", server.dir().join("prometheus").display()));
    command.arg(format!("--web.listen-address={}", port.address()));
    let base = format!("http://{}", port.address());
    (Peer::start(command, vec![port]).await, base)
}

/// The single value that Prometheus answers to a query.
async fn query(base: &str, promql: &str) -> Option<f64> {
    let url = reqwest::Url::parse_with_params(&format!("{base}/api/v1/query"), [("query", promql)])
        .unwrap();
    let answer: Value = http().get(url).send().await.ok()?.json().await.ok()?;
    answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
}

async fn answers(base: &str, promql: &str, expected: f64) {
    until(&format!("{promql} is {expected}"), || async {
        query(base, promql).await == Some(expected)
    })
    .await;
}

#[tokio::test]
async fn prometheus_answers_each_of_the_six_metrics_with_the_true_count() {
    let server = Setup::new().fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    let (peer, base) = prometheus(&server).await;

    let first = Legacy::open(&server).await;
    let second = Legacy::open(&server).await;
    for number in 0..3 {
        first.call("echo", json!({"message": number.to_string()})).await;
    }
    first.call("fix__test_simple_text", json!({})).await;
    second.call("fix__test_error_handling", json!({})).await;
    second.ask("tools/call", json!({"name": "nobody"})).await;
    Modern::new(&server).call("echo", json!({"message": "modern"})).await;
    let refused = http().post(server.url()).bearer_auth("wrong").body("{}").send().await.unwrap();
    assert_eq!(refused.status(), 401);
    first.close().await;
    second.close().await;

    answers(&base, "sum(mcp_connections_total{status='accepted'})", 3.0).await;
    answers(&base, "sum(mcp_connections_total{status='unauthorized'})", 1.0).await;
    answers(&base, "sum(mcp_disconnections_total{reason='client_deleted'})", 2.0).await;
    answers(&base, "sum(mcp_disconnections_total)", 3.0).await;
    answers(&base, "sum(mcp_reconnect_attempts_total)", 0.0).await;
    answers(&base, "sum(mcp_requests_total{method='tools/call',status='ok'})", 5.0).await;
    answers(&base, "sum(mcp_requests_total{method='tools/call',status='tool_error'})", 1.0).await;
    answers(&base, "sum(mcp_requests_total{method='tools/call',status='client_error'})", 1.0).await;
    answers(&base, "sum(mcp_requests_total)", 9.0).await;
    answers(&base, "sum(mcp_request_duration_seconds_count)", 9.0).await;
    answers(&base, "sum(mcp_session_duration_seconds_count)", 2.0).await;
    drop(peer);
    server.finish().await;
}

#[tokio::test]
async fn promtool_has_nothing_to_say() {
    let server = Setup::new().fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    Modern::new(&server).call("echo", json!({"message": "x"})).await;
    let text = server.metrics_text().await;
    let mut promtool = std::process::Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
    server.finish().await;
}

#[tokio::test]
async fn closed_label_sets_are_there_from_the_first_scrape() {
    let server = Setup::new().start().await;
    let scrape = server.scrape().await;
    let statuses = scrape.by("mcp_connections_total", "status");
    for status in [
        "accepted",
        "unauthorized",
        "rejected_origin",
        "rate_limited",
        "over_capacity",
        "protocol_error",
    ] {
        assert_eq!(statuses.get(status), Some(&0.0), "{statuses:?}");
    }
    for name in ["mcp_disconnections_total", "mcp_reconnect_attempts_total", "mcp_requests_total"] {
        assert!(scrape.names().contains(name), "{name}");
    }
    for name in [
        "mcp_request_duration_seconds_count",
        "mcp_session_duration_seconds_count",
        "mcp_build_info",
    ] {
        assert!(scrape.names().contains(name), "{name}");
    }
    server.finish().await;
}

/// Unknown methods, tools, resources and prompts of those numbers, a hundred in a message.
async fn unknown_names(server: &Server, numbers: Range<usize>) {
    let client = Legacy::with(server, "2025-03-26", json!({})).await;
    let numbers: Vec<usize> = numbers.collect();
    for batch in numbers.chunks(25) {
        let asked = batch.iter().flat_map(|number| {
            [
                (format!("unknown/{number}"), json!({})),
                ("tools/call".to_owned(), json!({"name": format!("fix__no_{number}")})),
                ("resources/read".to_owned(), json!({"uri": format!("nowhere://{number}")})),
                ("prompts/get".to_owned(), json!({"name": format!("none_{number}")})),
            ]
        });
        let batch: Vec<Value> = asked
            .enumerate()
            .map(|(id, (method, params))| {
                server.sent(&method);
                json!({"jsonrpc": "2.0", "id": id + 1, "method": method, "params": params})
            })
            .collect();
        let answer = client.post().json(&batch).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.bytes().await.expect("a body");
    }
    client.close().await;
}

/// Requests of sessions that nobody knows, each from an address of its own.
async fn unknown_sessions(server: &Server, numbers: Range<usize>) {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let ask = async |number: usize| {
        let socket = TcpSocket::new_v4().expect("a socket");
        let [high, low] = [(number / 250) as u8 + 1, (number % 250) as u8 + 1];
        socket.bind(([127, 1, high, low], 0).into()).expect("an address of this machine");
        let (_, address) = server.base().split_once("://").expect("a URL");
        let mut socket = socket.connect(address.parse().expect("one")).await.expect("it accepts");
        let lines = format!(
            "Mcp-Session-Id: 00000000-0000-4000-8000-{number:012}\r\nConnection: close\r\n\
             MCP-Protocol-Version: 2025-11-25\r\nContent-Length: {}\r\n",
            body.len()
        );
        let request = head(server, &lines) + body;
        socket.write_all(request.as_bytes()).await.expect("sent");
        let answer = rest(&mut socket).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    };
    let asked = stream::iter(numbers.map(ask)).buffer_unordered(16);
    let asked = asked.collect::<Vec<()>>().await;
    server.sent_times("ping", asked.len() as u64);
}

#[tokio::test]
async fn a_flood_of_ten_thousand_unknown_names_sessions_and_addresses_adds_no_series() {
    let server = Setup::new().fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    let flood = async |numbers: Range<usize>| {
        unknown_names(&server, numbers.clone()).await;
        unknown_sessions(&server, numbers.clone()).await;
        let modern = Modern::with(&server, &format!("c{}", numbers.start), json!({}));
        modern.ask(&format!("unheard/{}", numbers.start), json!({})).await;
        server.scrape().await
    };
    let few = flood(0..2).await;
    let many = flood(2..10_002).await;
    let new: Vec<_> = many.names().difference(&few.names()).map(ToString::to_string).collect();
    assert_eq!(few.series(), many.series(), "new names: {new:?}");
    let counted =
        many.sum("mcp_requests_total", &[("method", "_OTHER"), ("status", "client_error")]);
    assert_eq!(counted, 10_004.0);
    let refused = [("side", "session"), ("outcome", "refused")];
    assert_eq!(many.sum("mcp_reconnect_attempts_total", &refused), 10_002.0);
    server.finish().await;
}

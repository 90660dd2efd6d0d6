//! Everything that dashboards and rules ask, asked of a real Prometheus that scrapes a server with
//! clients, while the lab injects faults into it and tells of that.

use super::{
    files::{dashboards, path},
    promql::{compared, filled},
};
use crate::support::{
    Legacy, Modern, Port, Prometheus, Server, Setup, assert_sums, descendants, http, job, until,
};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use std::{cell::Cell, collections::BTreeMap, process::Stdio, time::Duration};
use tokio::{
    process::{Child, Command},
    task::JoinSet,
    time::Instant,
};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

/// What has no answer when all is well, and why: the beginning of the place, then a part of the
/// expression.
const EMPTY: [(&str, &str, &str); 7] = [
    ("", "mcp_certificate_expiry_timestamp_seconds", "there is no series without TLS"),
    ("", "absent(up", "says something only when there is no server"),
    ("", "instance=~\".*\"}[1m]) > 0", "the server was not started again"),
    ("mcp-calls: In flight by method", "> 0", "every call was answered"),
    ("mcp-calls: Oldest in flight", "> 0", "every call was answered"),
    ("mcp-upstreams: Sent again", "mcp_replays_total", "every try got an answer"),
    ("mcp-upstreams: Tools away, by cause", "> 0", "the loss was shorter than calls wait"),
];
/// The times of the lab are short enough for a test.
const RULES: [&str; 2] =
    ["deploy/prometheus/lab/availability.yml", "deploy/prometheus/lab/alerts.yml"];

/// A Prometheus with the rules of the lab. It scrapes the server, and the lab.
async fn prometheus(server: &Server, lab: &Port) -> Prometheus {
    let jobs = [
        job("mcp-orchestrator", &[server.base().trim_start_matches("http://").to_owned()]),
        job("mcp-lab", &[lab.address().to_string()]),
    ];
    Prometheus::start(server.dir(), 1, &jobs, &RULES.map(path)).await
}

/// Whether there is an answer with a number in it; an error fails the test.
async fn has_data(prometheus: &Prometheus, place: &str, expression: &str) -> bool {
    let answer = prometheus.api("query", &[("query", expression)]).await;
    assert_eq!(answer["status"], "success", "{place}: {expression}: {answer}");
    let results = answer["data"]["result"].as_array().unwrap();
    results.iter().any(|result| result["value"][1].as_str().is_some_and(|value| value != "NaN"))
}

/// What every client does in a short while.
async fn load(server: &Server) {
    let legacy = Legacy::open(server).await;
    legacy.call("echo", json!({"message": "hello"})).await;
    legacy.call("fix__test_simple_text", json!({})).await;
    legacy.call("fix__test_error_handling", json!({})).await;
    legacy.ask("tools/call", json!({"name": "nobody"})).await;
    let stream = legacy.stream().await;
    Modern::new(server).call("fix__test_simple_text", json!({})).await;
    let refused = http().post(server.url()).bearer_auth("wrong").body("{}").send().await.unwrap();
    assert_eq!(refused.status(), 401);
    drop(stream);
    legacy.close().await;
}

/// A run of the lab against the server: a bad network, then lost sessions.
fn lab_run(server: &Server, metrics: &Port) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-orchestrator"));
    command.args(["lab", "run", "network-chaos", "session-loss", "--quick", "--seed", "7"]);
    command.args(["--target", &server.url(), "--metrics", &metrics.address().to_string()]);
    command.env("MCP_ORCHESTRATOR_TOKEN", server.token()).current_dir(server.dir());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.kill_on_drop(true).spawn().unwrap()
}

/// A WebSocket that stays open, so that it is asked whether it is there.
async fn websocket(server: &Server) -> JoinSet<()> {
    let url = format!("{}/ws", server.base().replacen("http", "ws", 1));
    let mut request = url.into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("authorization", format!("Bearer {}", server.token()).parse().unwrap());
    headers.insert("sec-websocket-protocol", "mcp".parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "socket", "version": "1"}});
    for message in [
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
    ] {
        socket.send(Message::text(message.to_string())).await.unwrap();
    }
    server.sent("initialize");
    let mut reader = JoinSet::new();
    // Whoever reads answers pings too.
    reader.spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
    reader
}

/// Expressions by their place: of dashboards and, taken apart, of alerts and records.
async fn questions(prometheus: &Prometheus) -> BTreeMap<(String, String), bool> {
    let mut all = BTreeMap::new();
    for dashboard in dashboards() {
        for expression in dashboard.expressions() {
            all.insert((expression.place, filled(&expression.text)), false);
        }
    }
    let rules = prometheus.api("rules", &[]).await;
    for rule in rules["data"]["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["rules"].as_array().expect("rules"))
    {
        let name = rule["name"].as_str().unwrap();
        for part in compared(rule["query"].as_str().unwrap()) {
            all.insert((name.to_owned(), part), false);
        }
    }
    all
}

fn excuse(place: &str, expression: &str) -> Option<&'static str> {
    let excused = |(start, part, _): &&(&str, &str, &str)| {
        place.starts_with(start) && expression.contains(part)
    };
    EMPTY.iter().find(excused).map(|(_, _, reason)| *reason)
}

/// Ends the upstream's process and waits until there is another.
async fn lose_upstream(server: &Server) {
    for pid in descendants(server.pid()) {
        let killed = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        assert!(killed.unwrap().success());
    }
    until("the upstream was started anew", || async {
        server.scrape().await.sum("mcp_upstream_restarts_total", &[]) > 0.0
    })
    .await;
    server.upstreams(&["fix"], "connected").await;
}

/// Asks until all have an answer that are not excused.
async fn ask_all(prometheus: &Prometheus, questions: &mut BTreeMap<(String, String), bool>) {
    let end = Instant::now() + Duration::from_secs(100);
    loop {
        let mut missing = Vec::new();
        for ((place, expression), found) in questions.iter_mut().filter(|(_, found)| !**found) {
            *found = has_data(prometheus, place, expression).await;
            if !*found && excuse(place, expression).is_none() {
                missing.push(format!("{place}: {expression}"));
            }
        }
        if missing.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "no answer to\n{}", missing.join("\n"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn every_expression_has_an_answer_while_the_lab_injects_faults() {
    let server = Setup::new().fixture("fix", json!({})).set("limits.heartbeat", 0.3).start().await;
    server.upstreams(&["fix"], "connected").await;
    let metrics = Port::reserve();
    let prometheus = prometheus(&server, &metrics).await;
    let mut questions = questions(&prometheus).await;
    assert!(questions.len() > 150, "{}", questions.len());
    let socket = websocket(&server).await;
    let is_done = Cell::new(false);
    let clients = async {
        load(&server).await;
        // What is there at the first scrape is no increase.
        until("the series have two samples", || {
            has_data(
                &prometheus,
                "scrapes",
                "count_over_time(mcp_upstream_restarts_total[30s]) > 1",
            )
        })
        .await;
        lose_upstream(&server).await;
        let mut lab = lab_run(&server, &metrics);
        while !is_done.get() {
            load(&server).await;
            if lab.try_wait().unwrap().is_some() {
                lab = lab_run(&server, &metrics);
            }
        }
    };
    let asking = async {
        ask_all(&prometheus, &mut questions).await;
        is_done.set(true);
    };
    tokio::join!(clients, asking);
    let excused: Vec<_> = questions.iter().filter(|(_, found)| !**found).collect();
    println!("{} questions, {} empty for a reason", questions.len(), excused.len());
    let rules = prometheus.api("rules", &[]).await;
    assert!(!rules.to_string().contains("\"health\":\"err\""), "{rules}");
    drop((prometheus, socket));
    // What the lab sent is not known here.
    assert_sums(&server.scrape().await);
}

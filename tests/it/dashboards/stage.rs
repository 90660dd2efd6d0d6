//! A real Prometheus with the rules of the lab, and what clients and upstreams do before its eyes.

use super::files::path;
use crate::support::{
    Legacy, Modern, Port, Prometheus, Server, descendants, http, job, kill_all, until,
};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use std::process::Stdio;
use tokio::{
    process::{Child, Command},
    task::JoinSet,
};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

/// The times of the lab are short enough for a test.
const RULES: [&str; 2] =
    ["deploy/prometheus/lab/availability.yml", "deploy/prometheus/lab/alerts.yml"];

/// A Prometheus with the rules of the lab. It scrapes the server, and the lab.
pub(super) async fn prometheus(server: &Server, lab: &Port) -> Prometheus {
    let jobs = [
        job("mcp-orchestrator", &[server.base().trim_start_matches("http://").to_owned()]),
        job("mcp-lab", &[lab.address().to_string()]),
    ];
    Prometheus::start(server.dir(), 1, &jobs, &RULES.map(path)).await
}

/// Whether there is an answer with a number in it; an error fails the test.
pub(super) async fn has_data(prometheus: &Prometheus, place: &str, expression: &str) -> bool {
    answers(prometheus, place, &[("query", expression)]).await
}

/// The same at a moment, in seconds since 1970.
pub(super) async fn had_data(prometheus: &Prometheus, expression: &str, at: u64) -> bool {
    answers(prometheus, "then", &[("query", expression), ("time", &at.to_string())]).await
}

async fn answers(prometheus: &Prometheus, place: &str, parameters: &[(&str, &str)]) -> bool {
    let answer = prometheus.api("query", parameters).await;
    assert_eq!(answer["status"], "success", "{place}: {parameters:?}: {answer}");
    let results = answer["data"]["result"].as_array().unwrap();
    results.iter().any(|result| result["value"][1].as_str().is_some_and(|value| value != "NaN"))
}

/// What every client does in a short while.
pub(super) async fn load(server: &Server) {
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
pub(super) fn lab_run(server: &Server, metrics: &Port) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-orchestrator"));
    command.args(["lab", "run", "network-chaos", "session-loss", "--quick", "--seed", "7"]);
    command.args(["--target", &server.url(), "--metrics", &metrics.address().to_string()]);
    command.env("MCP_ORCHESTRATOR_TOKEN", server.token()).current_dir(server.dir());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.kill_on_drop(true).spawn().unwrap()
}

/// A WebSocket that stays open, so that it is asked whether it is there.
pub(super) async fn websocket(server: &Server) -> JoinSet<()> {
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

/// Ends the upstream's process and waits until there is another.
pub(super) async fn lose_upstream(server: &Server) {
    kill_all(&descendants(server.pid()));
    until("the upstream was started anew", || async {
        server.scrape().await.sum("mcp_upstream_restarts_total", &[]) > 0.0
    })
    .await;
    server.upstreams(&["fix"], "connected").await;
}

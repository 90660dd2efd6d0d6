//! The server as a library: own tools, port 0, start, stop, handshakes in figures.

use crate::support::{Messages, Scrape, fixture_path, http, modern_meta, text, within};
use mcp_server::{
    Config, OrchestratorServer, ServerError, Tool, ToolInput, ToolOutput, async_trait,
    config::AuthConfig,
};
use serde_json::{Value, json};
use std::{process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

/// A tool that does what its argument says.
struct Moody;

#[async_trait]
impl Tool for Moody {
    fn name(&self) -> &'static str {
        "moody"
    }
    fn description(&self) -> &'static str {
        "Does what it is told."
    }
    fn input_schema(&self) -> Value {
        json!({"type": "object", "properties": {"mood": {"enum": ["fine", "panic", "slow"]}}, "required": ["mood"]})
    }
    fn timeout(&self) -> Option<Duration> {
        Some(Duration::from_millis(300))
    }
    async fn call(&self, input: ToolInput) -> ToolOutput {
        match input.arguments["mood"].as_str().unwrap_or_default() {
            "panic" => panic!("in a very bad mood"),
            "slow" => tokio::time::sleep(Duration::from_secs(60)).await,
            _ => {}
        }
        ToolOutput::text("fine")
    }
}

async fn started() -> (OrchestratorServer, String) {
    let auth = AuthConfig { disabled: true, ..AuthConfig::default() };
    let config = Config { listen: ([127, 0, 0, 1], 0).into(), auth, ..Config::default() };
    let mut server = OrchestratorServer::builder().config(config).tool(Moody).build().unwrap();
    let address = server.start().await.unwrap();
    assert_ne!(address.port(), 0);
    (server, format!("http://{address}/mcp"))
}

async fn ask(url: &str, mood: &str) -> Value {
    call(url, "moody", json!({"mood": mood})).await
}

async fn call(url: &str, tool: &str, arguments: Value) -> Value {
    let meta = modern_meta("embedder", &json!({}));
    let params = json!({"name": tool, "arguments": arguments, "_meta": meta});
    let request = http().post(url).header("accept", "application/json, text/event-stream");
    let request =
        request.header("mcp-protocol-version", "2026-07-28").header("mcp-method", "tools/call");
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let response = request.header("mcp-name", tool).json(&body).send().await.unwrap();
    Messages::of(response).answer().await["result"].clone()
}

#[tokio::test]
async fn a_tool_of_an_embedder_is_called_and_its_panic_is_a_tool_error() {
    let (mut server, url) = started().await;
    assert_eq!(text(&ask(&url, "fine").await), "fine");
    let panicked = ask(&url, "panic").await;
    assert_eq!(panicked["isError"], true, "{panicked}");
    assert_eq!(text(&ask(&url, "fine").await), "fine", "the server lives on");
    let wrong = ask(&url, "angry").await;
    assert!(wrong["isError"] == true && text(&wrong).contains("mood"), "{wrong}");
    server.stop().await;
}

#[tokio::test]
async fn a_tool_has_a_timeout_of_its_own() {
    let (mut server, url) = started().await;
    let slow = ask(&url, "slow").await;
    assert_eq!(slow["isError"], true, "{slow}");
    let scrape = Scrape::parse(&server.telemetry().encode());
    assert_eq!(scrape.sum("mcp_requests_total", &[("status", "timeout")]), 1.0);
    server.stop().await;
}

#[tokio::test]
async fn handshakes_are_told_in_figures_and_a_stopped_server_refuses_connections() {
    let (mut server, url) = started().await;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "e", "version": "1"}}});
    let post = || http().post(&url).header("accept", "application/json, text/event-stream");
    for _ in 0..5 {
        let welcome = post().json(&body).send().await.unwrap();
        assert_eq!(welcome.status(), 200);
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let request = post().header("mcp-session-id", &welcome.headers()["mcp-session-id"]);
        assert_eq!(request.json(&ready).send().await.unwrap().status(), 202);
    }
    let figures = server.handshake_metrics();
    assert_eq!((figures.total, figures.succeeded, figures.failed), (5, 5, 0));
    assert!(figures.median_ms > 0.0 && figures.median_ms <= figures.max_ms);
    server.stop().await;
    assert!(http().get(&url).send().await.is_err());
    let scrape = Scrape::parse(&server.telemetry().encode());
    assert_eq!(scrape.sum("mcp_disconnections_total", &[("reason", "server_shutdown")]), 5.0);
    assert_eq!(scrape.sum("mcp_active_sessions", &[]), 0.0);
}

#[tokio::test]
async fn an_embedder_gives_a_running_server_another_configuration() {
    let auth = || AuthConfig { disabled: true, ..AuthConfig::default() };
    let config =
        || Config { listen: ([127, 0, 0, 1], 0).into(), auth: auth(), ..Config::default() };
    let mut unstarted = OrchestratorServer::builder().config(config()).build().unwrap();
    assert!(matches!(unstarted.reload(config()), Err(ServerError::NotRunning)));
    let (mut server, url) = started().await;
    let mut other = config();
    other.builtins.enabled = false;
    let changes = server.reload(other.clone()).unwrap();
    assert_eq!((changes.sections, changes.at_next_start), (vec!["builtins"], vec![]));
    assert_eq!(text(&ask(&url, "fine").await), "fine", "its own tools stay");
    assert!(call(&url, "echo", json!({"message": "x"})).await.is_null());
    other.limits.sessions = 0;
    assert!(matches!(server.reload(other), Err(ServerError::Zero("limits.sessions"))));
    let scrape = Scrape::parse(&server.telemetry().encode());
    let reloads = |outcome| scrape.sum("mcp_config_reloads_total", &[("outcome", outcome)]);
    assert_eq!((reloads("ok"), reloads("refused")), (1.0, 1.0));
    server.stop().await;
}

#[test]
fn two_servers_in_one_process_share_nothing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let ((mut first, url), (mut second, _)) = (started().await, started().await);
        ask(&url, "fine").await;
        let calls = |server: &OrchestratorServer| {
            Scrape::parse(&server.telemetry().encode()).sum("mcp_requests_total", &[])
        };
        assert_eq!((calls(&first), calls(&second)), (1.0, 0.0));
        first.stop().await;
        second.stop().await;
    });
}

#[tokio::test]
async fn the_example_adds_a_tool_of_its_own_in_under_forty_lines() {
    let source = include_str!("../../examples/embed.rs");
    assert!(source.lines().count() < 40, "{} lines", source.lines().count());
    let path = fixture_path().with_file_name("embed");
    let mut child = Command::new(path).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = within(10, "the example listens", lines.next_line()).await.unwrap().unwrap();
    let (_, rest) =
        first.split_once("http://").unwrap_or_else(|| panic!("no address in `{first}`"));
    let url = format!("http://{}/mcp", rest.split('/').next().unwrap_or_default());
    let rolled = call(&url, "dice", json!({"sides": 6})).await;
    assert!((1..=6).contains(&text(&rolled).parse::<u64>().unwrap()), "{rolled}");
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-s", "INT", &pid]).status().await.unwrap().success());
    assert!(within(10, "the example ends", child.wait()).await.unwrap().success());
}

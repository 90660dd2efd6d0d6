//! Our own restart with clients of every SDK attached: the next call of each succeeds.

use crate::support::{Server, Setup, http, planned, text};
use rmcp::{
    ClientLifecycleMode, ClientServiceExt,
    model::{CallToolRequestParams, ProtocolVersion},
    transport::{
        StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::{Value, json};

const ANSWER: &str = "This is a simple text response for testing.";

async fn server() -> Server {
    let server = Setup::new().fixture("fix", json!({})).set("drain", 0.5).start().await;
    server.upstreams(&["fix"], "connected").await;
    server
}

async fn clients_of_every_sdk_go_on(signal: &str) {
    let clients = [
        ("sdk.mjs", "legacy"),
        ("client.mjs", "legacy"),
        ("client.mjs", "modern"),
        ("client.py", "legacy"),
        ("client.py", "modern"),
    ];
    let mut server = server().await;
    let dir = tempfile::tempdir().unwrap();
    let pause = |at: usize| dir.path().join(at.to_string()).display().to_string();
    let running = clients.iter().enumerate().map(|(at, (script, era))| {
        let calls = json!([{"name": "fix__test_simple_text"}]);
        let plan = json!({"era": era, "calls": calls, "pause": pause(at)});
        planned(&server, script, plan)
    });
    let running = futures_util::future::join_all(running.collect::<Vec<_>>());
    let restarting = async {
        let all_done = || async {
            (0..clients.len()).all(|at| std::path::Path::new(&(pause(at) + ".done")).exists())
        };
        until_done(all_done).await;
        server.start_again(signal).await;
        (0..clients.len()).for_each(|at| std::fs::write(pause(at) + ".go", "").unwrap());
    };
    let (reports, ()) = tokio::join!(running, restarting);
    for (report, (script, era)) in reports.iter().zip(clients) {
        let again = &report["again"];
        assert_eq!(text(&again["results"][0]), ANSWER, "{signal} {script} {era}: {report}");
        assert_eq!(again["tools"], report["tools"], "{signal} {script} {era}");
    }
}

#[tokio::test]
async fn clients_of_every_sdk_go_on_after_a_stop() {
    clients_of_every_sdk_go_on("TERM").await;
}

#[tokio::test]
async fn clients_of_every_sdk_go_on_after_a_kill() {
    clients_of_every_sdk_go_on("KILL").await;
}

async fn until_done<F: Future<Output = bool>>(done: impl FnMut() -> F) {
    crate::support::until_within(60, "every client did its first part", done).await;
}

#[tokio::test]
async fn the_rust_sdk_goes_on_after_a_restart() {
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    for lifecycle in
        [ClientLifecycleMode::Initialize, ClientLifecycleMode::Discover { preferred_versions }]
    {
        let mut server = server().await;
        let config =
            StreamableHttpClientTransportConfig::with_uri(server.url()).auth_header(server.token());
        let transport = StreamableHttpClientTransport::with_client(http(), config);
        let client = ().serve_with_lifecycle(transport, lifecycle).await.unwrap();
        let call = async || -> Value {
            let params = CallToolRequestParams::new("fix__test_simple_text");
            serde_json::to_value(client.call_tool(params).await.unwrap()).unwrap()
        };
        assert_eq!(text(&call().await), ANSWER);
        let tools = client.list_all_tools().await.unwrap().len();
        server.start_again("KILL").await;
        assert_eq!(text(&call().await), ANSWER);
        assert_eq!(client.list_all_tools().await.unwrap().len(), tools);
        client.cancel().await.unwrap();
    }
}

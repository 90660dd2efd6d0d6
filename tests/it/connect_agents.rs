//! Real agents behind `connect`: the stdio clients of the official SDKs, while the server is killed
//! and the network cut. Not one tool is lost, and no call hangs.

use crate::support::{Cutter, Server, Setup, run_script, until_within};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path};

/// How long an agent may take to start and call, in seconds: on a busy machine Python needs most of it.
const START_AND_CALL: u64 = 60;
/// How often the server is killed.
const RESTARTS: usize = 10;
/// No call may take longer, in milliseconds; the bridge gives calls up after 20 s.
const SLOWEST_MS: u64 = 25_000;

/// Where lines are counted when coverage is measured: SDKs hand on few variables but those named.
fn counted() -> BTreeMap<String, String> {
    std::env::vars().filter(|(name, _)| name == "LLVM_PROFILE_FILE").collect()
}

fn plan(sdk: u8, era: &str, url: &str, server: &Server, home: &Path) -> Value {
    let data = home.join("bridge");
    json!({
        "sdk": sdk,
        "era": era,
        "command": env!("CARGO_BIN_EXE_mcp-orchestrator"),
        "env": counted(),
        "args": ["connect", url, "--token", server.token(), "--data-dir", data, "--timeout", "20"],
        "until": home.join("enough"),
        "calls": [
            {"name": "echo", "arguments": {"message": "m"}},
            {"name": "fix__test_simple_text", "arguments": {}},
            {"name": "fix__sleep", "arguments": {"ms": 150, "key": "k"}},
        ],
    })
}

async fn server() -> Server {
    let server = Setup::new().fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    server
}

/// Kills and starts the server again, each time after a call of its upstream's has succeeded.
async fn restart_often(server: &mut Server, enough: &Path) {
    for restart in 0..=RESTARTS {
        until_within(START_AND_CALL, "a call succeeds", || async {
            let ok = [("upstream", "fix"), ("outcome", "ok")];
            server.scrape().await.sum("mcp_upstream_attempts_total", &ok) >= 1.0
        })
        .await;
        if restart < RESTARTS {
            server.start_again(if restart % 2 == 0 { "KILL" } else { "TERM" }).await;
        }
    }
    fs::write(enough, "").unwrap();
}

async fn survives_restarts(script: &str, sdk: u8, era: &str) {
    let home = tempfile::tempdir().unwrap();
    let mut server = server().await;
    let plan = plan(sdk, era, &server.url(), &server, home.path());
    let enough = home.path().join("enough");
    let (report, ()) = tokio::join!(
        run_script(script, &plan, 100, String::new),
        restart_often(&mut server, &enough)
    );
    judge(&report);
    let outcomes = report["outcomes"].as_object().unwrap();
    for outcome in outcomes.keys() {
        assert!(["ok", "unavailable", "outcome_unknown"].contains(&outcome.as_str()), "{report}");
    }
    let (rounds, slowest) = (&report["rounds"], &report["slowestMs"]);
    let outcomes = &report["outcomes"];
    eprintln!(
        "{script} {sdk} {era}: {RESTARTS} restarts, {rounds} rounds, {outcomes}, slowest {slowest} ms"
    );
}

/// Nothing was lost, nothing failed, nothing hung, and in the end all is well.
fn judge(report: &Value) {
    assert!(
        report["tools"].as_array().unwrap().contains(&json!("fix__test_simple_text")),
        "{report}"
    );
    assert_eq!(report["missing"], json!([]), "{report}");
    assert_eq!(report["failed"], json!([]), "{report}");
    assert!(report["slowestMs"].as_u64().unwrap() < SLOWEST_MS, "{report}");
    assert_eq!(report["last"], json!(["ok", "ok", "ok"]), "{report}");
}

#[tokio::test]
async fn the_typescript_sdk_loses_no_tool_over_ten_restarts() {
    survives_restarts("bridge.mjs", 1, "legacy").await;
}

#[tokio::test]
async fn the_typescript_client_loses_no_tool_over_ten_restarts_in_the_modern_era() {
    survives_restarts("bridge.mjs", 2, "modern").await;
}

#[tokio::test]
async fn the_python_sdk_loses_no_tool_over_ten_restarts() {
    survives_restarts("bridge.py", 2, "legacy").await;
}

#[tokio::test]
async fn the_python_sdk_left_to_choose_loses_no_tool_over_ten_restarts() {
    survives_restarts("bridge.py", 2, "auto").await;
}

/// The wire breaks in the middle of calls; a legacy session is resumed, so that each has its
/// result, although `sleep` may not be called twice.
async fn survives_cuts(script: &str, sdk: u8) {
    const CUTS: usize = 3;
    let home = tempfile::tempdir().unwrap();
    let server = server().await;
    let cutter = Cutter::before(server.base(), CUTS).await;
    let plan = plan(sdk, "legacy", &cutter.url(), &server, home.path());
    let enough = home.path().join("enough");
    let all_cut = async {
        until_within(START_AND_CALL, "every cut is made", || async { cutter.left() == 0 }).await;
        fs::write(&enough, "").unwrap();
    };
    let (report, ()) = tokio::join!(run_script(script, &plan, 100, || server.log()), all_cut);
    judge(&report);
    assert_eq!(
        report["outcomes"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["ok"],
        "{report}"
    );
    eprintln!("{script} {sdk}: {CUTS} cuts, {} rounds, {}", report["rounds"], report["outcomes"]);
}

#[tokio::test]
async fn the_typescript_sdk_has_its_results_though_the_wire_breaks_in_mid_call() {
    survives_cuts("bridge.mjs", 1).await;
}

#[tokio::test]
async fn the_python_sdk_has_its_results_though_the_wire_breaks_in_mid_call() {
    survives_cuts("bridge.py", 2).await;
}

//! `lab run --metrics`: while a run goes on, Prometheus is told of it.

use super::Lab;
use crate::support::{Port, Scrape, http, until_within};
use std::{cell::RefCell, process::Stdio};
use tokio::process::Command;

async fn scraped(port: &Port) -> Option<Scrape> {
    let answer = http().get(format!("http://{}/metrics", port.address())).send().await.ok()?;
    Some(Scrape::parse(&answer.text().await.ok()?))
}

#[tokio::test]
async fn a_run_tells_of_its_scenario_its_faults_its_tools_and_its_verdict() {
    let (lab, port) = (Lab::new(), Port::reserve());
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-orchestrator"));
    command.args(["lab", "run", "server-restart", "--quick", "--seed", "7", "--spawn"]);
    command.arg(lab.server()).arg("--out").arg(lab.path("out"));
    command.args(["--metrics", &port.address().to_string()]);
    command.current_dir(lab.path("")).stdin(Stdio::null()).kill_on_drop(true);
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();

    let scenario = [("scenario", "server-restart")];
    let last = RefCell::new(None);
    let seen = async |what: &str, wanted: &dyn Fn(&Scrape) -> bool| {
        until_within(100, what, || async {
            let Some(now) = scraped(&port).await else { return false };
            let is_wanted = wanted(&now);
            last.replace(Some(now));
            is_wanted
        })
        .await;
    };
    seen("it is played", &|now| now.sum("mcp_lab_scenario_running", &scenario) == 1.0).await;
    seen("tools can be called", &|now| {
        let tools = |state| now.sum("mcp_lab_tools", &[("state", state)]);
        tools("known") > 0.0 && tools("callable") == tools("known")
    })
    .await;
    let killed = [("fault", "kill"), ("direction", "both")];
    seen("it is killed", &|now| now.sum("mcp_chaos_faults_injected_total", &killed) == 1.0).await;
    seen("it ends", &|now| now.sum("mcp_lab_scenarios_total", &scenario) == 1.0).await;
    let last = last.into_inner().unwrap();
    for over in ["mcp_lab_scenario_running", "mcp_chaos_fault_active", "mcp_lab_tools"] {
        assert!(last.names().contains(over) && last.sum(over, &[]) == 0.0, "{over}");
    }
    let ended = last.sum("mcp_lab_calls_total", &[]);
    assert!(ended > 10.0, "{ended}");
    for same in ["mcp_lab_calls_started_total", "mcp_lab_call_duration_seconds_count"] {
        assert_eq!(last.sum(same, &[]), ended, "{same}");
    }
    // It has waited to be scraped once more, and ends with that.
    let _if_it_still_waits = scraped(&port).await;
    let code = run.wait().await.unwrap().code();
    let verdict = if code == Some(0) { "passed" } else { "failed" };
    let told = last.by("mcp_lab_scenarios_total", "verdict");
    assert_eq!(told.get(verdict), Some(&1.0), "{code:?} {told:?}");
}

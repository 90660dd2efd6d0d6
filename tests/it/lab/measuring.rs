//! What a scenario may expect, also on its way; and what a run shows on a terminal.

use super::{Lab, assert_passed};
use mcp_lab::scenario::Measure;
use std::{collections::BTreeSet, process::Stdio};
use tokio::process::Command;

/// The words for all measures, as the schema of scenarios tells them.
fn measures() -> Vec<String> {
    let schema = mcp_lab::scenario::schema();
    let known = schema["$defs"]["Measure"]["oneOf"].as_array().expect("measures").iter();
    known.map(|one| one["const"].as_str().expect("a word").to_owned()).collect()
}

/// What a result calls a measure.
fn name(word: &str) -> String {
    let measure: Measure = serde_json::from_value(word.into()).expect("a measure");
    measure.to_string()
}

/// A scenario with one client that does a little of everything, and expects so.
fn scenario(name: &str, steps: &str, expect: &str) -> String {
    format!(
        r#"
name = "{name}"
description = "a little of everything"
duration = 1
needs = ["network"]
faults = [{{ name = "slow", kind = "latency", delay = "20ms" }}]
expect = [{expect}]
[[clients]]
role = "one"
steps = [
  {{ do = "initialize" }},
  {{ do = "fault", on = "slow" }},
  {{ do = "call-tool" }},
  {{ do = "heartbeat", every = 0.1, seconds = 0.3 }},
  {{ do = "fault", off = "slow" }},
  {{ do = "spawn-agents", count = 2, persona = "vscode", steps = [
    {{ do = "initialize" }}, {{ do = "call-tool" }}, {{ do = "disconnect" }}] }},
  {steps}
  {{ do = "disconnect" }},
]
"#
    )
}

#[tokio::test]
async fn every_measure_can_be_expected() {
    let lab = Lab::new();
    let all = measures();
    let expect: Vec<_> =
        all.iter().map(|word| format!("{{ that = \"{word}\", at_least = -1e6 }}")).collect();
    let step = "{ do = \"expect\", that = \"sessions\", at_least = 3, at_most = 3 },";
    let text = scenario("measures", step, &expect.join(", "));
    std::fs::write(lab.path("measures.toml"), text).expect("a file");
    let (ended, result) = lab.quick("measures.toml", "out", &[]).await;
    assert_passed(&ended, &result, &lab.path("out"));
    let told = &result.scenarios[0].expectations;
    let named: BTreeSet<_> = told.iter().map(|one| one.name.as_str()).collect();
    // So short a run tells nothing of growth.
    let missing: Vec<_> = all.iter().filter(|word| !named.contains(&*name(word))).collect();
    assert!(
        missing.iter().all(|word| *word == "memory_growth_mib_per_hour"),
        "{missing:?}: {told:?}"
    );
    assert!(told.iter().all(|one| one.measured != "not measured"), "{told:?}");
}

#[tokio::test]
async fn what_does_not_hold_on_the_way_ends_the_client_and_is_told() {
    let lab = Lab::new();
    let step = "{ do = \"expect\", that = \"calls\", at_least = 1000 }, { do = \"call-tool\" },";
    let expect = "{ that = \"failed_clients\", at_most = 0 }, { that = \"calls\", at_most = 3 }";
    std::fs::write(lab.path("early.toml"), scenario("early", step, expect)).expect("a file");
    let (ended, result) = lab.quick("early.toml", "out", &[]).await;
    assert_eq!(ended.code, 1, "{}", ended.said);
    let client = result.scenarios[0].clients.iter().find(|client| client.role == "one");
    let why = client.and_then(|client| client.error.clone()).expect("it failed");
    assert!(why.contains("calls: at least 1000 expected, 3 measured"), "{why}");
    let held: Vec<_> = result.scenarios[0].expectations.iter().map(|one| one.passed).collect();
    assert_eq!(held, [false, true], "nothing was done after it: {}", ended.said);
}

/// On a terminal, which `script` plays: a bar while a scenario runs, and a line when it is over.
#[tokio::test]
async fn on_a_terminal_a_run_shows_a_bar_and_a_line_for_each_scenario() {
    let lab = Lab::new();
    let wait = "{ do = \"wait\", seconds = 1.5 },";
    std::fs::write(lab.path("watched.toml"), scenario("watched", wait, "")).expect("a file");
    let run = format!(
        "{} lab run watched.toml --seed 7 --spawn '{}' --out {}",
        env!("CARGO_BIN_EXE_mcp-orchestrator"),
        lab.server(),
        lab.path("out").display()
    );
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &run, "/dev/null"]);
    terminal.env("TERM", "xterm").stdin(Stdio::null()).kill_on_drop(true);
    terminal.current_dir(lab.path(""));
    let output = super::within(110, "the run ends", terminal.output()).await.expect("it starts");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains("[1/1] watched ["), "{shown}");
    assert!(shown.contains("✓ watched"), "{shown}");
}

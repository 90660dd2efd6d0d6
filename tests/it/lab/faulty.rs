//! The lab finds what is broken: each of five servers that are broken in one way fails the scenario
//! that is meant for it, and the lab says why; without its fault the same server passes.

use super::{Ended, Lab, assert_passed, story};
use crate::support::example_path;
use mcp_lab::result::{RunResult, Verdict};

/// Runs a scenario in its quick form against the example server, with that fault or without.
async fn against(
    lab: &Lab,
    (scenario, out): (&str, &str),
    fault: Option<&str>,
) -> (Ended, RunResult) {
    let (counts, faulty) = (lab.path(&format!("{out}.counts")), example_path("faulty"));
    let mut spawn =
        format!("{} --listen 127.0.0.1:{{port}} --counts {}", faulty.display(), counts.display());
    spawn.extend(fault.map(|fault| format!(" --fault {fault}")));
    let out = lab.path(out);
    let out_text = out.display().to_string();
    let arguments = ["run", scenario, "--quick", "--seed", "7", "--spawn", &spawn];
    let ended = lab.lab(&[&arguments[..], &["--out", &out_text]].concat()).await;
    let result = RunResult::read(&out).unwrap_or_else(|error| panic!("{error}: {}", ended.said));
    (ended, result)
}

/// With its fault the server fails the scenario by what is expected of `measure`, and the lab tells
/// the cause; without it the server passes.
async fn is_found(fault: &str, scenario: &str, measure: &str, cause: &str) {
    let lab = Lab::new();
    let (ended, result) = against(&lab, (scenario, "sound"), None).await;
    assert_passed(&ended, &result, &lab.path("sound"));
    let (ended, result) = against(&lab, (scenario, "broken"), Some(fault)).await;
    let story = story(&result.scenarios[0], &lab.path("broken"));
    assert_eq!(ended.code, 1, "{}", ended.said);
    assert_eq!(result.scenarios[0].verdict, Verdict::Failed, "{story}");
    let named = |name: &str| {
        result.scenarios[0].expectations.iter().find(|expectation| expectation.name == name)
    };
    let failed = named(measure).unwrap_or_else(|| panic!("{measure} is not measured"));
    assert!(!failed.passed, "{measure}: {story}");
    let told = failed.cause.as_deref().unwrap_or_default();
    assert!(told.contains(cause), "{told:?} is no {cause:?}: {story}");
    assert!(ended.said.contains(&format!("{scenario}: {measure} ")), "{}", ended.said);
    assert!(ended.said.contains(cause), "{}", ended.said);
}

#[tokio::test]
async fn a_result_that_is_lost_on_resume() {
    is_found("lose-result", "reconnection-resilience", "results lost", "its result was lost").await;
}

#[tokio::test]
async fn sessions_that_are_forgotten() {
    is_found("forget-sessions", "concurrent-sessions", "failed clients", "another session").await;
}

#[tokio::test]
async fn a_call_that_hangs() {
    is_found("hang-call", "high-load-stress", "hanging", "tools/call oracle_run: no answer").await;
}

#[tokio::test]
async fn a_write_that_runs_twice() {
    is_found("run-twice", "at-most-once", "ran twice", "it ran more than once").await;
}

#[tokio::test]
async fn tools_that_go_when_an_upstream_dies() {
    is_found("drop-tools", "upstream-outage", "listed", "upstream-").await;
}

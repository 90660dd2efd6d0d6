//! `summary.json`: a run in a few figures.

use super::story;
use crate::result::{Availability, Client, RunResult, Scenario, Verdict};
use serde::Serialize;

/// A run in a few figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// What was tested.
    pub target: String,
    /// Whether every expectation held.
    pub passed: bool,
    /// When and why tools were gone, in a few sentences.
    pub summary: String,
    /// Scenarios that held.
    pub scenarios_passed: usize,
    /// Scenarios that failed.
    pub scenarios_failed: usize,
    /// Scenarios that did not run.
    pub scenarios_skipped: usize,
    /// Clients there were.
    pub clients: usize,
    /// The share of them whose test succeeded, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_rate: Option<f64>,
    /// How long a session was there on average, over all sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_session_duration_seconds: Option<f64>,
    /// The share of the expected heartbeats that were answered, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_effectiveness: Option<f64>,
    /// How much of the time tools were listed, over all scenarios.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed_percent: Option<f64>,
    /// How much of the time tools could be called, over all scenarios.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callable_percent: Option<f64>,
    /// Calls that were sent.
    pub calls: u64,
}

impl Summary {
    /// A run in a few figures.
    #[must_use]
    pub fn of(run: &RunResult) -> Self {
        let of =
            |verdict| run.scenarios.iter().filter(|scenario| scenario.verdict == verdict).count();
        let clients: Vec<&Client> =
            run.scenarios.iter().flat_map(|scenario| &scenario.clients).collect();
        let good = clients.iter().filter(|client| client.success).count();
        Self {
            target: run.target.name.clone(),
            passed: run.passed(),
            summary: story::of_run(run),
            scenarios_passed: of(Verdict::Passed),
            scenarios_failed: of(Verdict::Failed),
            scenarios_skipped: of(Verdict::Skipped),
            clients: clients.len(),
            success_rate: ratio(good as f64, clients.len() as f64),
            average_session_duration_seconds: average_session(run),
            heartbeat_effectiveness: heartbeats(&clients),
            listed_percent: over_all(run, |availability| availability.listed_percent),
            callable_percent: over_all(run, |availability| availability.callable_percent),
            calls: run
                .scenarios
                .iter()
                .map(|scenario| scenario.calls.started)
                .fold(0, u64::saturating_add),
        }
    }
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

fn average_session(run: &RunResult) -> Option<f64> {
    let sessions = || run.scenarios.iter().filter_map(|scenario| scenario.sessions);
    let known = || {
        sessions().filter_map(|s| s.average_duration_s.map(|average| (average, s.opened as f64)))
    };
    ratio(
        known().map(|(average, opened)| average * opened).sum(),
        known().map(|(_, opened)| opened).sum(),
    )
}

fn heartbeats(clients: &[&Client]) -> Option<f64> {
    let pairs = || {
        clients.iter().filter_map(|client| client.heartbeats_sent.zip(client.heartbeats_expected))
    };
    ratio(
        pairs().map(|(sent, _)| sent as f64).sum(),
        pairs().map(|(_, expected)| expected as f64).sum(),
    )
}

/// A share of all scenarios together, each with the weight of its tools' time.
pub(crate) fn over_all(run: &RunResult, share: impl Fn(&Availability) -> f64) -> Option<f64> {
    let watched =
        || run.scenarios.iter().filter_map(|scenario: &Scenario| scenario.availability.as_ref());
    let seconds: f64 = watched().map(|availability| availability.tool_seconds).sum();
    let sum = watched().map(|availability| share(availability) * availability.tool_seconds).sum();
    // Sums of shares may end a hair above the whole.
    ratio(sum, seconds).map(|percent| percent.clamp(0.0, 100.0))
}

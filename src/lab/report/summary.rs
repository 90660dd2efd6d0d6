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
            listed_percent: over_all(&run.scenarios, |availability| availability.listed_percent),
            callable_percent: over_all(&run.scenarios, |availability| {
                availability.callable_percent
            }),
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
pub(crate) fn over_all(
    scenarios: &[Scenario],
    share: impl Fn(&Availability) -> f64,
) -> Option<f64> {
    let watched = || scenarios.iter().filter_map(|scenario| scenario.availability.as_ref());
    let seconds: f64 = watched().map(|availability| availability.tool_seconds).sum();
    // Of what is missing, so that nothing missing adds up to the whole and not a hair less.
    let missing: f64 = watched().map(|one| (100.0 - share(one)) * one.tool_seconds).sum();
    ratio(missing, seconds).map(|missing| (100.0 - missing).clamp(0.0, 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(tool_seconds: f64, listed_percent: f64) -> Scenario {
        let availability = Availability { tool_seconds, listed_percent, ..Availability::default() };
        Scenario { availability: Some(availability), ..Scenario::default() }
    }

    #[test]
    fn tools_that_were_there_all_the_time_were_there_all_the_time_together() {
        let seconds = [121.752_481_369, 226.526_760_1, 372.595_656_285, 309.887_490_42];
        let whole = seconds.map(|seconds| watched(seconds, 100.0));
        assert_eq!(over_all(&whole, |one| one.listed_percent), Some(100.0));
        let part = [watched(30.0, 100.0), watched(10.0, 50.0)];
        assert_eq!(over_all(&part, |one| one.listed_percent), Some(87.5));
        assert_eq!(over_all(&[], |one| one.listed_percent), None);
    }
}

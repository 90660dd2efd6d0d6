//! When a scenario is over: from what was noted to what came of it.

mod failures;
mod measure;
mod parts;

use super::{notes::Notes, stage::Stage};
use crate::{
    observe::{availability::Looks, recovery::recoveries},
    oracle::{Judged, judge},
    result::{
        Availability, Calls, Expectation, Failure, Latency, Recovery, Resources, Scenario, Verdict,
    },
    scenario::{Expect, Measure},
};
use failures::{failures, good_times};
use parts::{calls, latency, resources, sent, sessions, target_metrics};
use std::collections::BTreeMap;

/// Most failures that a result tells.
const MOST_FAILURES: usize = 200;

/// What came of a scenario.
struct Findings<'a> {
    notes: &'a Notes,
    looks: Looks,
    availability: Option<Availability>,
    failures: Vec<Failure>,
    recoveries: Vec<Recovery>,
    judged: Option<Judged>,
    latency: Option<Latency>,
    resources: Option<Resources>,
    calls: Calls,
    end_s: f64,
}

/// Judges a scenario that is over. `ran` says how often each call ran, if the target tells; `broken`
/// why the scenario itself could not be ended.
pub(super) fn judged(
    stage: &Stage,
    ran: Option<&BTreeMap<u64, u64>>,
    broken: Option<String>,
) -> Scenario {
    let notes = std::mem::take(&mut *stage.notes());
    let broken = broken.or_else(|| notes.unjudged());
    let clients = notes.clients.clone();
    let failed_clients = clients.iter().filter(|client| !client.success).count();
    let found = Findings::new(stage, &notes, ran);
    let asked = stage.scenario.expect.iter();
    let expectations: Vec<Expectation> =
        asked.filter_map(|expect| found.compare(expect, failed_clients)).collect();
    let held = expectations.iter().all(|expectation| expectation.passed) && broken.is_none();
    let oracle = found.judged.as_ref().map(|judged| crate::result::Oracle {
        hanging: found.hanging(),
        leaked: notes.leaked,
        tools_missing: notes.missing.len() as u64,
        ..judged.oracle
    });
    let left_out = found.failures.len().saturating_sub(MOST_FAILURES) as u64;
    let sessions = sessions(&notes);
    let mut failures = found.failures;
    failures.truncate(MOST_FAILURES);
    Scenario {
        name: stage.name.clone(),
        description: stage.scenario.description.clone(),
        personas: vec![stage.habits.name.to_owned()],
        started_s: stage.started_s,
        duration_s: found.end_s,
        verdict: if held { Verdict::Passed } else { Verdict::Failed },
        reason: broken,
        expectations,
        failures,
        failures_left_out: left_out + notes.failures_left_out,
        clients,
        availability: found.availability,
        faults: notes.timeline.faults().to_vec(),
        recoveries: found.recoveries,
        calls: found.calls,
        oracle,
        latency: found.latency,
        resources: found.resources,
        target_metrics: target_metrics(&notes),
        sessions: Some(sessions),
    }
}

/// Compares what was measured so far, without the oracle.
pub(super) fn so_far(stage: &Stage, expect: &Expect) -> Result<(), String> {
    let notes = stage.notes();
    let failed_clients = notes.clients.iter().filter(|client| !client.success).count();
    let found = Findings::new(stage, &notes, None);
    match found.compare(expect, failed_clients) {
        Some(compared) if !compared.passed => Err(format!(
            "{}: {} expected, {} measured",
            compared.name, compared.expected, compared.measured
        )),
        Some(_) | None => Ok(()),
    }
}

impl<'a> Findings<'a> {
    fn new(stage: &Stage, notes: &'a Notes, ran: Option<&BTreeMap<u64, u64>>) -> Self {
        let end_s = notes.ended_s.unwrap_or_else(|| stage.at());
        let looks = Looks::new(stage.menu.tools.len() as u32, notes.looks.clone(), end_s);
        let judged = ran.map(|ran| judge(&sent(notes), ran));
        let good = good_times(notes);
        let (failures, behind) = failures(notes, &good, judged.as_ref());
        let recoveries = recoveries(&notes.timeline, &looks, &behind);
        Self {
            availability: looks.availability(&notes.timeline),
            latency: latency(&notes.calls),
            resources: resources(notes),
            calls: calls(notes),
            notes,
            looks,
            failures,
            recoveries,
            judged,
            end_s,
        }
    }

    /// An expectation beside what was measured; `None` where the target cannot tell. What else was
    /// not measured did not hold.
    fn compare(&self, expect: &Expect, failed_clients: usize) -> Option<Expectation> {
        let measured = match self.measure(expect.that) {
            _ if expect.that == Measure::FailedClients => failed_clients as f64,
            Some(measured) => measured,
            None if expect.that.is_told_by_target() => return None,
            None => f64::NAN,
        };
        let passed = expect.holds(measured);
        Some(Expectation {
            name: expect.that.to_string(),
            expected: expect.expected(),
            measured: expect.told(measured),
            passed,
            cause: if passed { None } else { self.cause(expect.that) },
        })
    }
}

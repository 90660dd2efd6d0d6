//! When a scenario is over: from what was noted to what came of it.

use super::{
    notes::{Call, Notes},
    stage::Stage,
};
use crate::{
    load::latency::Durations,
    observe::{
        availability::{Gap, Looks},
        recovery::recoveries,
        slope::slope,
        timeline::{Timeline, Trouble},
    },
    oracle::{Judged, Sent, judge},
    result::{
        Availability, Calls, Expectation, Failure, Latency, Outcome, Recovery, Resources, Scenario,
        Sessions, Verdict,
    },
    scenario::{Expect, Measure},
};
use std::collections::{BTreeMap, HashMap};

/// Most failures that a result tells.
const MOST_FAILURES: usize = 200;
/// What takes a process away, with the results it had.
const TAKES_AWAY: &[&str] = &["kill", "terminate"];
const MIB: f64 = 1_048_576.0;

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
    let mut notes = std::mem::take(&mut *stage.notes());
    let clients = std::mem::take(&mut notes.clients);
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
        let end_s = stage.at();
        let looks = Looks::new(stage.menu.tools.len() as u32, notes.looks.clone(), end_s);
        let judged = ran.map(|ran| judge(&sent(notes), ran));
        let good = good_times(&notes.calls);
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

    /// An expectation beside what was measured; `None` where the target cannot tell.
    fn compare(&self, expect: &Expect, failed_clients: usize) -> Option<Expectation> {
        let measured = match expect.that {
            Measure::FailedClients => failed_clients as f64,
            that => self.measure(that)?,
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

    fn measure(&self, that: Measure) -> Option<f64> {
        let percentiles = || self.latency.as_ref().map(|latency| &latency.corrected);
        Some(match that {
            Measure::ListedPercent => self.availability.as_ref()?.listed_percent,
            Measure::CallablePercent => self.availability.as_ref()?.callable_percent,
            Measure::UncallableBeyondFaultsS => self.beyond_faults(),
            Measure::UnexplainedS => self.uncallable(None),
            Measure::Lost => self.judged.as_ref()?.oracle.lost as f64,
            Measure::RanTwice => self.judged.as_ref()?.oracle.ran_twice as f64,
            Measure::Hanging => self.hanging() as f64,
            Measure::Leaked => self.notes.leaked as f64,
            Measure::ToolsMissing => self.notes.missing.len() as f64,
            Measure::Calls => self.calls.started as f64,
            Measure::OkPercent => self.ok_percent()?,
            Measure::FailedCalls => self.failed_calls() as f64,
            Measure::UnexplainedFailures => self.unexplained().count() as f64,
            Measure::FailedClients => return None,
            Measure::Sessions => self.notes.sessions_opened as f64,
            Measure::HeartbeatEffectiveness => effectiveness(self.notes.heartbeats)?,
            Measure::DetectedAfterS => self.longest(|one| one.detected_after_s),
            Measure::RecoveredAfterS => self.longest(|one| one.recovered_after_s),
            Measure::Faults => self.notes.timeline.faults().len() as f64,
            Measure::P50Ms => percentiles()?.p50_ms,
            Measure::P99Ms => percentiles()?.p99_ms,
            Measure::MaxMs => percentiles()?.max_ms,
            Measure::MemoryGrowthMibPerHour => self.sure_growth()?,
            Measure::DescriptorGrowth => self.descriptors()?,
        })
    }

    /// The fault behind most of what a measure is about, or what the oracle says.
    fn cause(&self, that: Measure) -> Option<String> {
        if matches!(that, Measure::Lost | Measure::RanTwice | Measure::Leaked | Measure::Hanging) {
            let words = ["ran", "answer", "without"];
            let telling = self
                .failures
                .iter()
                .find(|failure| words.iter().any(|word| failure.message.contains(word)));
            return telling.map(in_words);
        }
        let mut lost: HashMap<&str, f64> = HashMap::new();
        for by in self.availability.iter().flat_map(|found| &found.unavailable_by_cause) {
            *lost.entry(&by.cause).or_default() +=
                by.unlisted_tool_seconds + by.uncallable_tool_seconds;
        }
        let about_tools = matches!(
            that,
            Measure::ListedPercent
                | Measure::CallablePercent
                | Measure::UncallableBeyondFaultsS
                | Measure::UnexplainedS
                | Measure::RecoveredAfterS
        );
        let most = lost.into_iter().max_by(|one, other| one.1.total_cmp(&other.1));
        match most.filter(|_| about_tools) {
            Some((cause, _)) => Some(cause.to_owned()),
            None => self.failures.first().map(in_words),
        }
    }

    /// Seconds without callable tools that were laid to a fault, or to none.
    fn uncallable(&self, fault: Option<usize>) -> f64 {
        let tools = |gap: &Gap| gap.fault == fault && gap.look.callable == 0;
        let gaps = self.looks.gaps(&self.notes.timeline);
        gaps.iter().filter(|gap| tools(gap)).map(|gap| gap.seconds).sum()
    }

    fn beyond_faults(&self) -> f64 {
        let faults = self.notes.timeline.faults().iter().enumerate();
        let beyond = faults.map(|(at, fault)| {
            self.uncallable(Some(at)) - (fault.to_s.unwrap_or(self.end_s) - fault.from_s)
        });
        beyond.chain([self.uncallable(None)]).fold(0.0, f64::max)
    }

    fn longest(&self, of: impl Fn(&Recovery) -> Option<f64>) -> f64 {
        let times = self.recoveries.iter().map(|one| of(one).unwrap_or(f64::INFINITY));
        times.fold(0.0, f64::max)
    }

    fn hanging(&self) -> u64 {
        self.calls.outcomes.get(&Outcome::Timeout).copied().unwrap_or(0)
    }

    fn failed_calls(&self) -> u64 {
        self.calls.outcomes.iter().filter(|(how, _)| **how != Outcome::Ok).map(|(_, n)| n).sum()
    }

    fn ok_percent(&self) -> Option<f64> {
        let ok = self.calls.outcomes.get(&Outcome::Ok).copied().unwrap_or(0);
        let all: u64 = self.calls.outcomes.values().sum();
        (all > 0).then(|| 100.0 * ok as f64 / all as f64)
    }

    fn unexplained(&self) -> impl Iterator<Item = &Failure> {
        self.failures.iter().filter(|failure| failure.fault.is_none())
    }

    fn sure_growth(&self) -> Option<f64> {
        let resources = self.resources.as_ref()?;
        let (slope, error) =
            (resources.rss_slope_bytes_per_hour?, resources.rss_slope_error_bytes_per_hour?);
        Some(((slope - 2.0 * error) / MIB).max(0.0))
    }

    fn descriptors(&self) -> Option<f64> {
        let samples = &self.resources.as_ref()?.samples;
        Some(samples.last()?.fds? as f64 - samples.first()?.fds? as f64)
    }
}

fn in_words(failure: &Failure) -> String {
    match &failure.fault {
        Some(fault) => format!("{fault}: {}", failure.message),
        None => format!("{}: {}", failure.what, failure.message),
    }
}

/// When each client had a call that went well, in order.
fn good_times(calls: &[Call]) -> HashMap<&str, Vec<f64>> {
    let mut good: HashMap<&str, Vec<f64>> = HashMap::new();
    for call in calls.iter().filter(|call| call.outcome == Outcome::Ok) {
        good.entry(&call.client).or_default().push(call.ended_s);
    }
    good.values_mut().for_each(|times| times.sort_by(f64::total_cmp));
    good
}

/// All that went wrong in the order in which it was seen, and which fault was behind it.
fn failures(
    notes: &Notes,
    good: &HashMap<&str, Vec<f64>>,
    judged: Option<&Judged>,
) -> (Vec<Failure>, Vec<(f64, usize)>) {
    let last_good = |client: Option<&str>, before: f64| {
        let times = client.and_then(|client| good.get(client));
        let times = times.map_or(&[][..], Vec::as_slice);
        times[..times.partition_point(|at| *at <= before)].last().copied().unwrap_or(0.0)
    };
    let timeline: &Timeline = &notes.timeline;
    let mut behind = Vec::new();
    let mut failures = Vec::new();
    let mut tell = |from_s: f64, at_s: f64, client: Option<&str>, what: &str, message: &str| {
        let last_good_s = last_good(client, from_s);
        let fault = timeline.behind(Trouble { client, from_s, to_s: at_s, last_good_s });
        behind.extend(fault.map(|fault| (at_s, fault)));
        failures.push(Failure {
            at_s,
            client: client.map(ToOwned::to_owned),
            what: what.to_owned(),
            message: message.to_owned(),
            fault: fault.map(|at| timeline.faults()[at].name.clone()),
        });
    };
    for call in notes.calls.iter().filter(|call| call.outcome != Outcome::Ok) {
        let message = call.message.as_deref().unwrap_or("no answer");
        tell(call.sent_s, call.ended_s, Some(&call.client), &call.what, message);
    }
    for failed in &notes.failures {
        let client = failed.client.as_deref();
        tell(failed.from_s, failed.at_s, client, &failed.what, &failed.message);
    }
    let by_number: HashMap<u64, &Call> = match judged {
        Some(_) => notes.calls.iter().map(|call| (call.number, call)).collect(),
        None => HashMap::new(),
    };
    for finding in judged.iter().flat_map(|judged| &judged.findings) {
        let Some(call) = by_number.get(&finding.call) else { continue };
        let message = finding.wrong.sentence();
        tell(call.sent_s, call.ended_s, Some(&call.client), &call.what, message);
    }
    failures.sort_by(|one, other| one.at_s.total_cmp(&other.at_s));
    (failures, behind)
}

fn sent(notes: &Notes) -> Vec<Sent> {
    let keyed = notes.calls.iter().filter(|call| call.keyed);
    let sent = keyed.map(|call| Sent {
        call: call.number,
        outcome: call.outcome,
        told_not_run: call.told_not_run,
        killed: notes.timeline.had(TAKES_AWAY, call.sent_s, call.ended_s),
    });
    sent.collect()
}

fn calls(notes: &Notes) -> Calls {
    let mut outcomes = BTreeMap::new();
    for call in &notes.calls {
        *outcomes.entry(call.outcome).or_default() += 1;
    }
    Calls { started: notes.calls_started, outcomes }
}

fn latency(calls: &[Call]) -> Option<Latency> {
    let mut durations = Durations::new()?;
    for call in calls {
        durations.add(call.due_s, call.sent_s, call.ended_s);
    }
    durations.latency()
}

fn resources(notes: &Notes) -> Option<Resources> {
    if notes.samples.is_empty() {
        return None;
    }
    let points: Vec<(f64, f64)> =
        notes.samples.iter().map(|sample| (sample.at_s, sample.rss_bytes as f64)).collect();
    let line = slope(&points);
    Some(Resources {
        source: notes.sampled_from,
        samples: notes.samples.clone(),
        rss_slope_bytes_per_hour: line.map(|line| line.per_second * 3_600.0),
        rss_slope_error_bytes_per_hour: line.map(|line| line.error * 3_600.0),
    })
}

fn sessions(notes: &Notes) -> Sessions {
    let lasted = &notes.session_seconds;
    let average = (!lasted.is_empty()).then(|| lasted.iter().sum::<f64>() / lasted.len() as f64);
    Sessions {
        opened: notes.sessions_opened,
        average_duration_s: average,
        heartbeat_effectiveness: effectiveness(notes.heartbeats),
    }
}

fn effectiveness((answered, expected): (u64, u64)) -> Option<f64> {
    (expected > 0).then(|| answered as f64 / expected as f64)
}

fn target_metrics(notes: &Notes) -> indexmap::IndexMap<String, [f64; 2]> {
    let value = |name: &String, last: &f64| {
        let first = notes.first_metrics.get(name).copied().unwrap_or_default();
        (name.clone(), [first, *last])
    };
    notes.last_metrics.iter().map(|(name, last)| value(name, last)).collect()
}

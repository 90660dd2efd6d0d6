//! Each measure that can be expected, from what came of a scenario.

use super::{Findings, parts::effectiveness};
use crate::{
    observe::{availability::Gap, timeline::breaks},
    result::{Failure, Fault, Outcome, Recovery},
    scenario::Measure,
};
use std::collections::HashMap;

const MIB: f64 = 1_048_576.0;

impl Findings<'_> {
    pub(super) fn measure(&self, that: Measure) -> Option<f64> {
        let percentiles = || self.latency.as_ref().map(|latency| &latency.corrected);
        Some(match that {
            Measure::ListedPercent => self.availability.as_ref()?.listed_percent,
            Measure::CallablePercent => self.availability.as_ref()?.callable_percent,
            Measure::UncallableBeyondFaultsS => self.beyond_faults(),
            Measure::UnexplainedS => self.uncallable(None),
            Measure::Lost => self.judged.as_ref()?.oracle.lost as f64,
            Measure::ResultsLost => self.judged.as_ref()?.results_lost as f64,
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
            Measure::RecoveredAfterS => self.longest(|one| match one.recovered_after_s {
                // Nobody recovers from what is not over.
                None if !self.is_over(one) => Some(0.0),
                after => after,
            }),
            Measure::Faults => self.notes.timeline.faults().len() as f64,
            Measure::P50Ms => percentiles()?.p50_ms,
            Measure::P99Ms => percentiles()?.p99_ms,
            Measure::MaxMs => percentiles()?.max_ms,
            Measure::MemoryGrowthMibPerHour => self.sure_growth()?,
            Measure::DescriptorGrowth => self.descriptors()?,
        })
    }

    /// The fault behind most of what a measure is about, or what the oracle says.
    pub(super) fn cause(&self, that: Measure) -> Option<String> {
        let words = telling(that);
        if !words.is_empty() {
            let tells =
                |failure: &&Failure| words.iter().any(|word| failure.message.contains(word));
            return self.failures.iter().find(tells).map(in_words);
        }
        if that == Measure::FailedClients {
            let failed = self.notes.clients.iter().find(|client| !client.success);
            return failed.and_then(|client| {
                Some(format!("{}: {}", client.client_id, client.error.as_ref()?))
            });
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
            let lasted = fault.to_s.unwrap_or(self.end_s) - fault.from_s;
            // What only slows takes no tools away.
            self.uncallable(Some(at)) - if breaks(&fault.kind) { lasted } else { 0.0 }
        });
        beyond.chain([self.uncallable(None)]).fold(0.0, f64::max)
    }

    fn is_over(&self, of: &Recovery) -> bool {
        let same =
            |fault: &&Fault| fault.name == of.fault && fault.from_s.total_cmp(&of.at_s).is_eq();
        let fault = self.notes.timeline.faults().iter().find(same);
        fault.is_none_or(|fault| fault.to_s.is_some())
    }

    fn longest(&self, of: impl Fn(&Recovery) -> Option<f64>) -> f64 {
        let times = self.recoveries.iter().map(|one| of(one).unwrap_or(f64::INFINITY));
        times.fold(0.0, f64::max)
    }

    pub(super) fn hanging(&self) -> u64 {
        self.calls.outcomes.get(&Outcome::Timeout).copied().unwrap_or(0)
    }

    pub(super) fn failed_calls(&self) -> u64 {
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

/// Words of a failure that says why a measure is what it is; none where any failure may.
const fn telling(that: Measure) -> &'static [&'static str] {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are not about single calls")]
    match that {
        Measure::Lost | Measure::ResultsLost => {
            &["its result was lost", "and did not run", "told that it did not"]
        }
        Measure::RanTwice => &["ran more than once"],
        Measure::Hanging => &["no answer"],
        Measure::Leaked => &["is that of"],
        _ => &[],
    }
}

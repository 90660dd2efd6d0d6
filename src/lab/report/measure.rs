//! The figures by which runs and targets are compared.

use super::{
    gap, summary, tables,
    words::{bytes, count, duration, millis, percent},
};
use crate::result::{Oracle, RunResult, Scenario};
use serde::Serialize;

/// The shortest scenario after which it is told how fast memory grew, in seconds.
const TO_KNOW_GROWTH: f64 = 300.0;

/// A figure by which runs and targets are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// How much of the time tools were listed.
    ListedPercent,
    /// How much of the time tools could be called.
    CallablePercent,
    /// How long not every tool was there.
    GoneSeconds,
    /// The longest it took to notice a fault.
    SlowestDetectionSeconds,
    /// The longest it took until all was back after a fault.
    SlowestRecoverySeconds,
    /// Faults after which not all came back.
    NotRecovered,
    /// Calls that ended without an answer of the tool.
    WithoutResult,
    /// Calls that ran more than once.
    RanTwice,
    /// Calls that were lost.
    Lost,
    /// Calls that never ended.
    Hanging,
    /// What one client could see of another.
    Leaked,
    /// Tools that were gone at the end.
    ToolsMissing,
    /// Half of the calls took less.
    P50Ms,
    /// 99 of 100 calls took less.
    P99Ms,
    /// How fast memory grew.
    MemoryBytesPerHour,
}

impl Measure {
    /// All of them, in the order in which they are shown.
    pub(crate) const ALL: [Self; 15] = [
        Self::ListedPercent,
        Self::CallablePercent,
        Self::GoneSeconds,
        Self::SlowestDetectionSeconds,
        Self::SlowestRecoverySeconds,
        Self::NotRecovered,
        Self::WithoutResult,
        Self::RanTwice,
        Self::Lost,
        Self::Hanging,
        Self::Leaked,
        Self::ToolsMissing,
        Self::P50Ms,
        Self::P99Ms,
        Self::MemoryBytesPerHour,
    ];

    /// Its name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ListedPercent => "listed",
            Self::CallablePercent => "callable",
            Self::GoneSeconds => "gone for",
            Self::SlowestDetectionSeconds => "slowest to notice",
            Self::SlowestRecoverySeconds => "slowest recovery",
            Self::NotRecovered => "not recovered",
            Self::WithoutResult => "calls without result",
            Self::RanTwice => "ran twice",
            Self::Lost => "lost",
            Self::Hanging => "hanging",
            Self::Leaked => "leaked",
            Self::ToolsMissing => "tools missing",
            Self::P50Ms => "p50",
            Self::P99Ms => "p99",
            Self::MemoryBytesPerHour => "memory growth an hour",
        }
    }

    /// A figure of it in words.
    pub(crate) fn written(self, figure: f64) -> String {
        match self {
            Self::ListedPercent | Self::CallablePercent => percent(figure),
            Self::GoneSeconds | Self::SlowestDetectionSeconds | Self::SlowestRecoverySeconds => {
                duration(figure)
            }
            Self::P50Ms | Self::P99Ms => millis(figure),
            Self::MemoryBytesPerHour => bytes(figure),
            Self::NotRecovered
            | Self::WithoutResult
            | Self::RanTwice
            | Self::Lost
            | Self::Hanging
            | Self::Leaked
            | Self::ToolsMissing => count(figure.max(0.0) as u64),
        }
    }

    /// Whether more of it is better.
    pub(crate) fn more_is_better(self) -> bool {
        matches!(self, Self::ListedPercent | Self::CallablePercent)
    }

    /// The least difference that is more than how two runs of the same differ by chance.
    pub(crate) fn noise(self, before: f64) -> f64 {
        let tenth = before.abs() / 10.0;
        match self {
            Self::ListedPercent | Self::CallablePercent => 0.01,
            Self::GoneSeconds | Self::SlowestDetectionSeconds | Self::SlowestRecoverySeconds => {
                tenth.max(0.1)
            }
            Self::P50Ms | Self::P99Ms => tenth.max(1.0),
            Self::MemoryBytesPerHour => tenth.max(1024.0 * 1024.0),
            Self::NotRecovered
            | Self::WithoutResult
            | Self::RanTwice
            | Self::Lost
            | Self::Hanging
            | Self::Leaked
            | Self::ToolsMissing => 0.0,
        }
    }

    /// Whether a target should have none of it, and has some.
    pub(crate) fn is_fault(self, figure: f64) -> bool {
        let should_be_none = matches!(
            self,
            Self::NotRecovered
                | Self::RanTwice
                | Self::Lost
                | Self::Hanging
                | Self::Leaked
                | Self::ToolsMissing
        );
        (should_be_none && figure > 0.0) || (self == Self::ListedPercent && figure < 100.0)
    }

    /// Of one scenario, where it was measured.
    pub(crate) fn of(self, scenario: &Scenario) -> Option<f64> {
        let availability = scenario.availability.as_ref();
        let oracle =
            |of: fn(&Oracle) -> u64| scenario.oracle.as_ref().map(|oracle| of(oracle) as f64);
        let recoveries = &scenario.recoveries;
        let has_run = scenario.calls.started > 0;
        match self {
            Self::ListedPercent => availability.map(|a| a.listed_percent),
            Self::CallablePercent => availability.map(|a| a.callable_percent),
            Self::GoneSeconds => {
                // A sum of nothing would be -0.
                let add = |sum, gap: &gap::Gap| sum + gap.length_s();
                availability.map(|_| gap::gaps(scenario).iter().fold(0.0, add))
            }
            Self::SlowestDetectionSeconds => {
                most(recoveries.iter().filter_map(|r| r.detected_after_s))
            }
            Self::SlowestRecoverySeconds => {
                most(recoveries.iter().filter_map(|r| r.recovered_after_s))
            }
            Self::NotRecovered => (!recoveries.is_empty()).then(|| {
                recoveries.iter().filter(|r| r.recovered_after_s.is_none()).count() as f64
            }),
            Self::WithoutResult => has_run.then(|| tables::unanswered(scenario) as f64),
            Self::RanTwice => oracle(|oracle| oracle.ran_twice),
            Self::Lost => oracle(|oracle| oracle.lost),
            Self::Hanging => oracle(|oracle| oracle.hanging),
            Self::Leaked => oracle(|oracle| oracle.leaked),
            Self::ToolsMissing => oracle(|oracle| oracle.tools_missing),
            Self::P50Ms => scenario.latency.as_ref().map(|latency| latency.corrected.p50_ms),
            Self::P99Ms => scenario.latency.as_ref().map(|latency| latency.corrected.p99_ms),
            // What a server does at its start says nothing of an hour.
            Self::MemoryBytesPerHour if scenario.duration_s < TO_KNOW_GROWTH => None,
            Self::MemoryBytesPerHour => {
                scenario.resources.as_ref().and_then(|r| r.rss_slope_bytes_per_hour)
            }
        }
    }

    /// Of a run: shares weighted by time, amounts added up, of all else the worst scenario.
    pub(crate) fn of_run(self, run: &RunResult) -> Option<f64> {
        let each = run.scenarios.iter().filter_map(|scenario| self.of(scenario));
        match self {
            Self::ListedPercent => summary::over_all(&run.scenarios, |a| a.listed_percent),
            Self::CallablePercent => summary::over_all(&run.scenarios, |a| a.callable_percent),
            Self::GoneSeconds
            | Self::NotRecovered
            | Self::WithoutResult
            | Self::RanTwice
            | Self::Lost
            | Self::Hanging
            | Self::Leaked
            | Self::ToolsMissing => each.reduce(|sum, figure| sum + figure),
            Self::SlowestDetectionSeconds
            | Self::SlowestRecoverySeconds
            | Self::P50Ms
            | Self::P99Ms
            | Self::MemoryBytesPerHour => most(each),
        }
    }
}

fn most(figures: impl Iterator<Item = f64>) -> Option<f64> {
    figures.reduce(f64::max)
}

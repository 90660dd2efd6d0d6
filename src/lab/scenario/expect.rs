//! What can be expected: a measure, and the bounds within which it must lie.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An expectation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// What is measured.
    pub that: Measure,
    /// The least it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// The most it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
}

/// What can be measured.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// How much of the time tools were listed, in percent.
    ListedPercent,
    /// How much of the time tools could be called, in percent.
    CallablePercent,
    /// Seconds without callable tools beyond those of the faults themselves: the most that any fault
    /// cost beyond its own time, and what no fault explains.
    UncallableBeyondFaultsS,
    /// Seconds without callable tools that no fault explains.
    UnexplainedS,
    /// Calls that were answered as done but did not run, or ran though their client was told that they
    /// did not, or ran and whose result was lost without a fault.
    Lost,
    /// Calls that ran and whose client never got the result, though the process that ran them lived
    /// on: what was cut was not resumed.
    ResultsLost,
    /// Calls that ran more than once.
    RanTwice,
    /// Calls that had no answer when their time was over.
    Hanging,
    /// What one client could see of another.
    Leaked,
    /// Tools that were there and are not any more.
    ToolsMissing,
    /// Calls that were sent.
    Calls,
    /// Calls that ended with their result, in percent.
    OkPercent,
    /// Calls that ended otherwise.
    FailedCalls,
    /// Failures that no fault explains.
    UnexplainedFailures,
    /// Clients that did not succeed.
    FailedClients,
    /// Sessions that were opened.
    Sessions,
    /// The share of heartbeats that were answered, from 0 to 1.
    HeartbeatEffectiveness,
    /// Longest time until somebody noticed a fault, in seconds.
    DetectedAfterS,
    /// Longest time from the end of a fault until all tools could be called, in seconds.
    RecoveredAfterS,
    /// Faults that were put in, each time counted.
    Faults,
    /// Half of the calls were shorter, in milliseconds, counted from when they were due.
    P50Ms,
    /// 99 of 100 calls were shorter, in milliseconds, counted from when they were due.
    P99Ms,
    /// The longest call, in milliseconds, counted from when it was due.
    MaxMs,
    /// What the target's memory surely grows by, in MiB an hour: the slope less twice its error.
    MemoryGrowthMibPerHour,
    /// By how many the target's open descriptors grew from first to last.
    DescriptorGrowth,
}

impl Measure {
    /// The unit it is told in.
    pub(crate) const fn unit(self) -> &'static str {
        match self {
            Self::ListedPercent | Self::CallablePercent | Self::OkPercent => " %",
            Self::UncallableBeyondFaultsS
            | Self::UnexplainedS
            | Self::DetectedAfterS
            | Self::RecoveredAfterS => " s",
            Self::P50Ms | Self::P99Ms | Self::MaxMs => " ms",
            Self::MemoryGrowthMibPerHour => " MiB/h",
            Self::Lost
            | Self::ResultsLost
            | Self::RanTwice
            | Self::Hanging
            | Self::Leaked
            | Self::ToolsMissing
            | Self::Calls
            | Self::FailedCalls
            | Self::UnexplainedFailures
            | Self::FailedClients
            | Self::Sessions
            | Self::HeartbeatEffectiveness
            | Self::Faults
            | Self::DescriptorGrowth => "",
        }
    }

    /// Whether only some targets tell it: those with an oracle, or whose process can be looked at.
    #[must_use]
    pub const fn is_told_by_target(self) -> bool {
        matches!(
            self,
            Self::Lost
                | Self::ResultsLost
                | Self::RanTwice
                | Self::MemoryGrowthMibPerHour
                | Self::DescriptorGrowth
        )
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = serde_json::to_value(self).unwrap_or_default();
        let key = word.as_str().unwrap_or_default();
        // The unit stands beside the figure.
        let units = ["_percent", "_s", "_ms", "_mib_per_hour"];
        let name = units.iter().find_map(|unit| key.strip_suffix(unit)).unwrap_or(key);
        out.write_str(&name.replace('_', " "))
    }
}

impl Expect {
    /// The bounds, in words.
    #[must_use]
    pub fn expected(&self) -> String {
        let unit = self.that.unit();
        match (self.at_least, self.at_most) {
            (Some(least), Some(most)) if least.total_cmp(&most).is_eq() => {
                format!("{}{unit}", short(least))
            }
            (Some(least), Some(most)) => format!("{} to {}{unit}", short(least), short(most)),
            (Some(least), None) => format!("at least {}{unit}", short(least)),
            (None, Some(most)) => format!("at most {}{unit}", short(most)),
            (None, None) => "anything".to_owned(),
        }
    }

    /// What was measured, in words.
    #[must_use]
    pub fn told(&self, measured: f64) -> String {
        if measured.is_nan() {
            return "not measured".to_owned();
        }
        format!("{}{}", short(measured), self.that.unit())
    }

    /// Whether a value lies within the bounds. What is no number never does.
    #[must_use]
    pub fn holds(&self, measured: f64) -> bool {
        !measured.is_nan()
            && self.at_least.is_none_or(|least| measured >= least)
            && self.at_most.is_none_or(|most| measured <= most)
    }
}

/// At most three digits behind the point, and none for whole numbers.
fn short(value: f64) -> String {
    if value.is_infinite() {
        return "never".to_owned();
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expect(at_least: Option<f64>, at_most: Option<f64>) -> Expect {
        Expect { that: Measure::ListedPercent, at_least, at_most }
    }

    #[test]
    fn bounds_are_inclusive_and_what_is_no_number_never_holds() {
        assert!(expect(Some(100.0), None).holds(100.0));
        assert!(!expect(Some(100.0), None).holds(99.999));
        assert!(expect(None, Some(0.0)).holds(0.0));
        assert!(!expect(None, Some(1.0)).holds(f64::INFINITY));
        assert!(!expect(None, None).holds(f64::NAN));
    }

    #[test]
    fn they_are_told_in_words_with_their_unit() {
        assert_eq!(expect(Some(100.0), Some(100.0)).expected(), "100 %");
        assert_eq!(expect(Some(99.5), None).expected(), "at least 99.5 %");
        assert_eq!(expect(None, Some(1.0)).told(0.123_456), "0.123 %");
        assert_eq!(expect(None, Some(1.0)).told(f64::NAN), "not measured");
        assert_eq!(Measure::RanTwice.to_string(), "ran twice");
    }
}

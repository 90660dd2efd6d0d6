//! What a run found out, as it is written to `result.json`.
//!
//! Times that end in `_s` are seconds; those of a scenario count from its start, as the clock went,
//! not as a time scale calls them. All numbers are finite. Unknown keys are errors, so that what a
//! newer version wrote is never half understood.

mod client;
mod event_log;
mod events;
mod latency;
mod measured;
mod read;
mod scenario;
mod schema;
mod target;

pub use client::{Client, ClientFile, FinalStatus};
pub use event_log::{EventLog, EventWriter};
pub use events::{Line, Phase, What, Written};
pub use latency::{Latency, Percentiles};
pub use measured::{
    Availability, AvailabilitySample, Calls, Outcome, ResourceSample, ResourceSource, Resources,
    Sessions, UNEXPLAINED, UnavailableBy,
};
pub use read::{RESULT_FILE, ReadError};
pub use scenario::{Direction, Expectation, Failure, Fault, Oracle, Recovery, Scenario, Verdict};
pub use schema::schema;
pub use target::{Target, TargetKind};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of this form that is written and read.
pub const SCHEMA: u32 = 1;

/// What a run found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunResult {
    /// The version of this form: 1.
    pub schema: u32,
    /// The version of `mcp-orchestrator` that ran it.
    pub version: String,
    /// When it began: RFC 3339 in UTC.
    pub started: String,
    /// How long it took, in seconds.
    pub duration_s: f64,
    /// What all chance in it came from.
    pub seed: u64,
    /// What the times in scenarios were multiplied with; 1 is real time.
    pub time_scale: f64,
    /// What was tested.
    pub target: Target,
    /// What became of the raw events, when they were written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Written>,
    /// What each scenario found out, in the order in which they ran.
    pub scenarios: Vec<Scenario>,
}

impl RunResult {
    /// Whether every expectation of every scenario that ran held.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.scenarios.iter().all(|scenario| scenario.verdict != Verdict::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let error = serde_json::from_str::<Sessions>(r#"{"opened":1,"closed":2}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field `closed`"), "{error}");
    }

    #[test]
    fn outcomes_are_keys_in_the_words_of_metrics() {
        let calls =
            Calls { started: 3, outcomes: [(Outcome::Ok, 2), (Outcome::OutcomeUnknown, 1)].into() };
        let text = serde_json::to_string(&calls).unwrap();
        assert_eq!(text, r#"{"started":3,"outcomes":{"ok":2,"outcome_unknown":1}}"#);
        assert_eq!(serde_json::from_str::<Calls>(&text).unwrap(), calls);
    }
}

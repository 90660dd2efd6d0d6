//! What a scenario found out.

use super::{Availability, Calls, Client, Latency, Resources, Sessions};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a scenario found out. What it did not look at is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, for example `server-restart`.
    pub name: String,
    /// What it is for, in a sentence.
    pub description: String,
    /// The personas of its clients.
    pub personas: Vec<String>,
    /// When it began, counted from the start of the run.
    pub started_s: f64,
    /// How long it took.
    pub duration_s: f64,
    /// How it ended.
    pub verdict: Verdict,
    /// Why it was skipped, or could not be ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was expected of it, and what came.
    pub expectations: Vec<Expectation>,
    /// What failed, the first ones.
    pub failures: Vec<Failure>,
    /// Failures beyond those.
    pub failures_left_out: u64,
    /// Its clients.
    pub clients: Vec<Client>,
    /// How much of the time the tools were there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<Availability>,
    /// The faults that were put in, by the time they began.
    pub faults: Vec<Fault>,
    /// How the target came back after each fault that was noticed.
    pub recoveries: Vec<Recovery>,
    /// The calls that were made.
    pub calls: Calls,
    /// What the oracle says: what ran, set against what was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oracle: Option<Oracle>,
    /// How long calls took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// What the target used of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Metrics scraped from the target: the first and the last value of each.
    #[schemars(with = "std::collections::BTreeMap<String, [f64; 2]>")]
    pub target_metrics: IndexMap<String, [f64; 2]>,
    /// What became of sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Sessions>,
}

/// How a scenario ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every expectation held.
    Passed,
    /// An expectation failed, or the scenario could not be ended.
    Failed,
    /// It does not apply to this target, or was not reached.
    #[default]
    Skipped,
}

/// What was expected, and what came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// What it is about, for example `tools listed`.
    pub name: String,
    /// What should have been, with its unit, for example `100 %`.
    pub expected: String,
    /// What was, with its unit.
    pub measured: String,
    /// Whether it held.
    pub passed: bool,
    /// What stands behind a failure: the fault, or what the target did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// Something that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// When it was seen.
    pub at_s: f64,
    /// Which client saw it, by its `client_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// What was being done, for example `tools/call echo`.
    pub what: String,
    /// What went wrong, in a sentence.
    pub message: String,
    /// The fault that stands behind it, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// A fault that was on: one entry for each time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Its name in the plan.
    pub name: String,
    /// What it does, for example `latency`.
    pub kind: String,
    /// Which way it works; absent when it is done to the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// When it began.
    pub from_s: f64,
    /// When it ended; absent when it was still on at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_s: Option<f64>,
    /// How often it struck a connection or a message meanwhile.
    pub injected: u64,
}

/// Which way a fault works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the client to the target.
    Up,
    /// From the target to the client.
    Down,
    /// Both.
    Both,
}

/// How the target came back after a fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// The fault, by name.
    pub fault: String,
    /// When that fault began.
    pub at_s: f64,
    /// How long after its begin the first client noticed; absent when none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_after_s: Option<f64>,
    /// How long after its end every tool could be called again, 0 when it was so before; absent
    /// when that did not happen while the scenario ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered_after_s: Option<f64>,
}

/// What was sent, set against what ran.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Oracle {
    /// Calls that clients sent, each counted once however often it was tried.
    pub sent: u64,
    /// Those that ran, by the target's own count.
    pub ran: u64,
    /// Those that ran more than once.
    pub ran_twice: u64,
    /// Those that were answered as done but did not run, or ran though their client was told that they
    /// did not, or ran and whose result was lost without a fault.
    pub lost: u64,
    /// Those that had no answer when their time was over.
    pub hanging: u64,
    /// What one client could see of another.
    pub leaked: u64,
    /// Tools that were there at the start and not at the end.
    pub tools_missing: u64,
}

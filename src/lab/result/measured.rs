//! What was measured while a scenario ran.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The cause of what no fault and nothing else explains.
pub const UNEXPLAINED: &str = "unexplained";

/// How much of the time the tools were there. Seconds are those of tools: two tools gone for a
/// second are two.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Availability {
    /// Tools the target had at the start.
    pub tools: u32,
    /// How much of the time they were listed, from 0 to 100.
    pub listed_percent: f64,
    /// How much of the time a call of them would have run, from 0 to 100.
    pub callable_percent: f64,
    /// Tools × the time that was watched.
    pub tool_seconds: f64,
    /// What was lost of that, and to what.
    pub unavailable_by_cause: Vec<UnavailableBy>,
    /// How it went: each sample holds until the next.
    pub series: Vec<AvailabilitySample>,
}

/// What was lost to one cause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnavailableBy {
    /// The fault by name, or `unexplained`.
    pub cause: String,
    /// Seconds during which tools were not listed.
    pub unlisted_tool_seconds: f64,
    /// Seconds during which tools could not be called.
    pub uncallable_tool_seconds: f64,
}

/// How many tools were there, from a moment on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AvailabilitySample {
    /// From when on.
    pub at_s: f64,
    /// Tools that were listed.
    pub listed: u32,
    /// Tools that could be called.
    pub callable: u32,
}

/// The calls that were made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calls {
    /// Calls that were sent.
    pub started: u64,
    /// How they ended.
    pub outcomes: BTreeMap<Outcome, u64>,
}

/// How a call ended, as its client saw it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With its result.
    Ok,
    /// With a result that says the tool failed.
    ToolError,
    /// Refused: the client was at fault.
    ClientError,
    /// Refused: the target was at fault.
    ServerError,
    /// The target said that it could not be done now, and did not run.
    Unavailable,
    /// The target said that it may have run.
    OutcomeUnknown,
    /// Refused: too many calls.
    RateLimited,
    /// Without an answer in its time.
    Timeout,
    /// The connection ended before the answer came, or could not be made.
    Disconnected,
    /// The client took it back.
    Cancelled,
}

/// What the target used of the machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Where that is known from.
    pub source: ResourceSource,
    /// How it went.
    pub samples: Vec<ResourceSample>,
    /// How fast its memory grew; absent with too few samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rss_slope_bytes_per_hour: Option<f64>,
    /// The standard error of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rss_slope_error_bytes_per_hour: Option<f64>,
}

/// Where it is known from what the target used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResourceSource {
    /// From the system, since the lab started the process.
    #[default]
    Process,
    /// From the `process_*` metrics of the target.
    Metrics,
}

/// What the target used at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceSample {
    /// When.
    pub at_s: f64,
    /// Its resident memory, in bytes.
    pub rss_bytes: u64,
    /// Its open file descriptors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fds: Option<u64>,
    /// The processor time it used since it started, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
}

/// What became of sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sessions {
    /// Sessions that were opened.
    pub opened: u64,
    /// How long one was there on average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_duration_s: Option<f64>,
    /// The share of the expected heartbeats that were answered, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_effectiveness: Option<f64>,
}

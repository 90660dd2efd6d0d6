//! How long calls took.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long calls took, from two points of view.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// From when a call was due, so that calls that could not even be sent while the target hung
    /// count with the time they waited (coordinated omission corrected).
    pub corrected: Percentiles,
    /// From when a call was sent.
    pub raw: Percentiles,
}

/// A distribution of durations, in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Percentiles {
    /// How many were measured.
    pub count: u64,
    /// Half were shorter.
    pub p50_ms: f64,
    /// 90 of 100 were shorter.
    pub p90_ms: f64,
    /// 99 of 100 were shorter.
    pub p99_ms: f64,
    /// 999 of 1,000 were shorter.
    pub p99_9_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// All of them: an HDR histogram of microseconds, form V2, in Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hdr: Option<String>,
}

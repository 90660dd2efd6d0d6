//! What became of one client: a part of the result, and a file of its own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of one client. What does not apply to its part in the scenario is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Its name in this run, unique in its scenario.
    pub client_id: String,
    /// Its part, a word for the name of its file, for example `stale`.
    pub role: String,
    /// What it was there to try, for example `stale_cleanup`.
    pub test: String,
    /// Which persona it was.
    pub persona: String,
    /// Whether what it tried went as expected.
    pub success: bool,
    /// What went wrong, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Its session, when it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Its session before it was disconnected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session1_id: Option<String>,
    /// Its session after it came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session2_id: Option<String>,
    /// Whether those two differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions_different: Option<bool>,
    /// Heartbeats that were answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeats_sent: Option<u64>,
    /// Heartbeats that should have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeats_expected: Option<u64>,
    /// How long it was there, in seconds.
    pub duration_seconds: f64,
    /// What it was at the end.
    pub final_status: FinalStatus,
}

/// A client's own file, for example `client_2_stale.json`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ClientFile<'a> {
    /// The scenario it was in.
    pub scenario: &'a str,
    /// What became of it.
    #[serde(flatten)]
    pub client: &'a Client,
}

/// What a client was at the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinalStatus {
    /// Connected.
    Active,
    /// It had said goodbye.
    #[default]
    Disconnected,
    /// Its session was ended by the target.
    Expired,
    /// It had given up, as its persona does.
    GaveUp,
    /// It never got as far as a session.
    NeverConnected,
}

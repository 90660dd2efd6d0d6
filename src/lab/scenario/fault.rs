//! A fault as it stands in a scenario.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A fault, in the words of a chaos plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Fault(Value);

/// To whom a fault is done that is done to a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Of {
    /// To the target that the lab started.
    #[default]
    Target,
    /// To the processes that the target started.
    Upstream,
}

impl Fault {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0["name"].as_str().unwrap_or_default()
    }
}

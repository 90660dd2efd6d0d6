//! A scenario as it is written in a file: what clients do, which faults there are meanwhile, and what
//! is expected to come of it. Nothing here runs anything.
//!
//! `step` is what a client or the script can do, `expect` what can be measured, `load` (a part of
//! this file) the calls that come at a rate, `read` turns a file into a value, `shipped` holds the
//! scenarios that come with the binary. `docs/scenarios.md` teaches all of it.

mod check;
mod expect;
mod fault;
mod read;
mod schema;
mod shipped;
mod step;
mod time;

pub use expect::{Expect, Measure};
pub use fault::{Fault, Of, ProcessFault, ProcessKind};
pub use read::{ScenarioError, read_file, read_json, read_toml};
pub use schema::schema;
pub use shipped::{by_name, shipped};
pub use step::{Cut, SameSession, Step};
pub use time::Seconds;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name: small letters, digits and dashes.
    pub name: String,
    /// What it is for, in a sentence.
    pub description: String,
    /// Who its clients are, by name of persona; it runs once for each. `--persona` replaces them.
    #[serde(default = "own")]
    pub personas: Vec<String>,
    /// What the target must be for it; it is skipped where it is not.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// How long it takes at time scale 1. `--duration` is measured against this.
    pub duration: Seconds,
    /// The time scale of its quick form (`--quick`).
    #[serde(default = "unscaled")]
    pub quick: f64,
    /// How long a call may go without an answer before it counts as hanging. Never scaled.
    #[serde(default = "call_timeout")]
    pub call_timeout: Seconds,
    /// How the availability of tools is looked at; absent, with its defaults.
    #[serde(default)]
    pub probe: Probe,
    /// Calls that come at a rate, whatever becomes of those before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// The faults that steps switch on and off, or that a schedule does.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// The clients, in groups that do the same.
    #[serde(default)]
    pub clients: Vec<Group>,
    /// What happens beside the clients: waits and faults.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// What is expected at the end.
    pub expect: Vec<Expect>,
}

/// What a target must be for a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// Started by the lab, so that something can be done to its process.
    Spawn,
    /// Reached over a network without TLS, so that a proxy can stand before it.
    Network,
    /// Offers the oracle tools, so that it is known what ran.
    Oracle,
    /// Has processes of its own behind it, as a gateway has.
    Upstream,
    /// Gives its clients sessions.
    Sessions,
}

/// Clients that do the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Their part: a word for the names of their files.
    pub role: String,
    /// What they are there to try; the name of the scenario without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
    /// How many they are.
    #[serde(default = "one")]
    pub count: u32,
    /// When the first of them begins.
    #[serde(default)]
    pub after: Seconds,
    /// How long each begins after the one before.
    #[serde(default)]
    pub stagger: Seconds,
    /// Another persona than the scenario's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persona: Option<String>,
    /// What each does, from the top.
    pub steps: Vec<Step>,
}

/// How the availability of tools is looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Milliseconds from one look to the next. Never scaled.
    #[serde(default = "probe_every")]
    pub every_ms: u32,
    /// The tool that is called, which must do no harm; absent, one is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Longest time for the answer of a tool that counts as callable. Never scaled.
    #[serde(default = "callable_within")]
    pub callable_within: Seconds,
    /// Longest time for the list of a target that counts as listing its tools. Never scaled.
    #[serde(default = "listed_within")]
    pub listed_within: Seconds,
}

/// Calls that come at a rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Calls a second, over all its clients. Never scaled.
    pub rate: f64,
    /// How long it takes to get up to that rate.
    #[serde(default)]
    pub ramp: Seconds,
    /// When it begins.
    #[serde(default)]
    pub after: Seconds,
    /// How long it lasts; absent, until the scenario's duration is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<Seconds>,
    /// How many clients share it.
    #[serde(default = "one")]
    pub clients: u32,
    /// The tool that is called; absent, the oracle's, or the harmless one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// How long a call of the oracle's tool takes, in milliseconds.
    #[serde(default)]
    pub ms: u32,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            every_ms: probe_every(),
            tool: None,
            callable_within: callable_within(),
            listed_within: listed_within(),
        }
    }
}

fn own() -> Vec<String> {
    vec!["own".to_owned()]
}

const fn one() -> u32 {
    1
}

const fn unscaled() -> f64 {
    1.0
}

const fn probe_every() -> u32 {
    100
}

const fn call_timeout() -> Seconds {
    Seconds::new(20)
}

const fn callable_within() -> Seconds {
    Seconds::new(1)
}

const fn listed_within() -> Seconds {
    Seconds::new(10)
}

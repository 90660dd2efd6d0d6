//! What a client does, one thing after the other; and the script beside the clients.

use super::{Measure, Of, Seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// Makes sure that the target can be reached; nothing of MCP is said yet.
    Connect {},
    /// Shakes hands, and so opens a session.
    Initialize {},
    /// Reads the list of tools: one that was there and is not any more is a missing one.
    ListTools {},
    /// Calls a tool.
    CallTool {
        /// Which; absent, the oracle's, or the harmless one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tool: Option<String>,
        /// Its arguments.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arguments: Option<Map<String, Value>>,
        /// How long a call of the oracle's tool takes, in milliseconds.
        #[serde(default)]
        ms: u32,
        /// Whether the client goes on as if nothing had happened when it fails.
        #[serde(default)]
        may_fail: bool,
    },
    /// Waits.
    Wait {
        /// How long.
        seconds: Seconds,
        /// Up to so much longer: drawn by the seed.
        #[serde(default)]
        jitter: Seconds,
    },
    /// Does the same again and again.
    Repeat {
        /// How often; absent, until `seconds` are over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        times: Option<u32>,
        /// How long; absent, until it was done `times` times.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<Seconds>,
        /// From the begin of one to the begin of the next; absent, at once.
        #[serde(default)]
        every: Seconds,
        /// What.
        steps: Vec<Step>,
    },
    /// Does several things side by side, and waits for all.
    Parallel {
        /// What, each from the top.
        branches: Vec<Vec<Step>>,
    },
    /// Takes the connection away, without a word to the target.
    ForceDisconnect {
        /// How.
        #[serde(default)]
        how: Cut,
        /// How long nothing gets through; absent, for good: the client never comes back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<Seconds>,
    },
    /// Makes sure that the target answers this client again, and notes how long that took.
    Reconnect {
        /// Which session it must be then.
        #[serde(default)]
        session: SameSession,
    },
    /// Says goodbye: the session ends.
    Disconnect {},
    /// Clients of its own, side by side; waits for all.
    SpawnAgents {
        /// How many.
        count: u32,
        /// Another persona than its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        persona: Option<String>,
        /// What each does.
        steps: Vec<Step>,
    },
    /// Compares: the same tools as at first, a call runs, no session is shared with another client.
    VerifyState {
        /// Which session it must be.
        #[serde(default)]
        session: SameSession,
    },
    /// Asks the target again and again whether it is there.
    Heartbeat {
        /// From one to the next.
        every: Seconds,
        /// How long.
        seconds: Seconds,
    },
    /// Compares what was measured so far.
    Expect {
        /// What.
        that: Measure,
        /// The least it may be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_least: Option<f64>,
        /// The most it may be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_most: Option<f64>,
    },
    /// Switches a fault on or off.
    Fault {
        /// The one to switch on, by name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on: Option<String>,
        /// The one to switch off.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        off: Option<String>,
        /// How long it is on; the step ends when it is off again. Absent, until it is switched off.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<Seconds>,
        /// To whom it is done, where it is done to a process.
        #[serde(default)]
        of: Of,
    },
}

/// How a connection is taken away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cut {
    /// Both sides are told at once: a reset.
    #[default]
    Reset,
    /// Nothing gets through any more, and nobody is told.
    Silence,
    /// A reset, and nobody listens for a while.
    Refuse,
}

/// Which session a client must have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SameSession {
    /// Any will do.
    #[default]
    Any,
    /// The one it had at first.
    Same,
    /// Another than the one it had at first.
    Different,
}

impl Step {
    /// The word for it in a file.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Connect {} => "connect",
            Self::Initialize {} => "initialize",
            Self::ListTools {} => "list-tools",
            Self::CallTool { .. } => "call-tool",
            Self::Wait { .. } => "wait",
            Self::Repeat { .. } => "repeat",
            Self::Parallel { .. } => "parallel",
            Self::ForceDisconnect { .. } => "force-disconnect",
            Self::Reconnect { .. } => "reconnect",
            Self::Disconnect {} => "disconnect",
            Self::SpawnAgents { .. } => "spawn-agents",
            Self::VerifyState { .. } => "verify-state",
            Self::Heartbeat { .. } => "heartbeat",
            Self::Expect { .. } => "expect",
            Self::Fault { .. } => "fault",
        }
    }

    /// Whether only a client can do it.
    pub(super) const fn needs_a_client(&self) -> bool {
        !matches!(
            self,
            Self::Wait { .. }
                | Self::Repeat { .. }
                | Self::Parallel { .. }
                | Self::SpawnAgents { .. }
                | Self::Expect { .. }
                | Self::Fault { .. }
        )
    }

    /// Whether the target is well where the step succeeds. Calls tell that themselves.
    pub(crate) const fn shows_target(&self) -> bool {
        matches!(
            self,
            Self::Connect {}
                | Self::Initialize {}
                | Self::ListTools {}
                | Self::Reconnect { .. }
                | Self::VerifyState { .. }
        )
    }

    /// The steps inside it.
    pub(crate) fn inner(&self) -> Vec<&Step> {
        match self {
            Self::Repeat { steps, .. } | Self::SpawnAgents { steps, .. } => steps.iter().collect(),
            Self::Parallel { branches } => branches.iter().flatten().collect(),
            Self::Connect {}
            | Self::Initialize {}
            | Self::ListTools {}
            | Self::CallTool { .. }
            | Self::Wait { .. }
            | Self::ForceDisconnect { .. }
            | Self::Reconnect { .. }
            | Self::Disconnect {}
            | Self::VerifyState { .. }
            | Self::Heartbeat { .. }
            | Self::Expect { .. }
            | Self::Fault { .. } => Vec::new(),
        }
    }
}

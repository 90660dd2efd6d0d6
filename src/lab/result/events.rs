//! Raw events: the lines of `events.jsonl`, one JSON object each.

use super::{Direction, Outcome, Verdict};
use serde::{Deserialize, Serialize};

/// A line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When, counted from the start of the run.
    pub at_s: f64,
    /// In which scenario.
    pub scenario: String,
    /// For which client, by its `client_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// A scenario began.
    ScenarioBegan,
    /// A scenario ended.
    ScenarioEnded {
        /// How.
        verdict: Verdict,
    },
    /// A step began.
    StepBegan {
        /// Which.
        step: String,
    },
    /// A step ended.
    StepEnded {
        /// Which.
        step: String,
        /// What went wrong in it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// A client connected, or came back.
    Connected {
        /// Its session, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session_id: Option<String>,
        /// The revision of MCP that was agreed on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        protocol_version: Option<String>,
        /// How long that took.
        duration_ms: f64,
    },
    /// A client lost its connection, or closed it.
    Disconnected {
        /// Why.
        reason: String,
    },
    /// A call was sent.
    CallStarted {
        /// Its number in its scenario.
        call: u64,
        /// Its method, and the tool's name.
        what: String,
    },
    /// A call ended.
    CallEnded {
        /// Its number in its scenario.
        call: u64,
        /// How.
        outcome: Outcome,
        /// How long it took from when it was sent.
        duration_ms: f64,
        /// What went wrong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// Another number of tools is available.
    Available {
        /// Tools that the target had at the start.
        #[serde(default)]
        known: u32,
        /// Tools that are listed.
        listed: u32,
        /// Tools that can be called.
        callable: u32,
    },
    /// A fault began, struck or ended.
    Fault {
        /// Its name.
        fault: String,
        /// What it does.
        kind: String,
        /// Which of the three.
        phase: Phase,
        /// Which way it works.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        direction: Option<Direction>,
        /// The connection it struck, by its number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connection: Option<u64>,
        /// The message it struck, by its number on that connection.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<u64>,
    },
    /// Something failed.
    Failed {
        /// What was being done.
        what: String,
        /// What went wrong, in a sentence.
        message: String,
        /// The fault behind it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<String>,
    },
    /// What the target uses.
    Resources {
        /// Its resident memory, in bytes.
        rss_bytes: u64,
        /// Its open file descriptors.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fds: Option<u64>,
    },
    /// Something else worth knowing.
    Note {
        /// What, in a sentence.
        message: String,
    },
}

/// What a fault did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It was switched on.
    Began,
    /// It struck a connection or a message.
    Injected,
    /// It was switched off.
    Ended,
}

/// What became of the raw events of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Lines that were written.
    pub lines: u64,
    /// Events that were left out, since the disk was too slow or the file too long.
    pub dropped: u64,
}

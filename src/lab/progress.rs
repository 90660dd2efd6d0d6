//! How far a run is: what the runner says over a `watch` channel while it runs, for the terminal.
//!
//! A reader of such a channel may miss values, so each says everything: also how the scenarios
//! before ended.

use crate::result::Verdict;
use tokio::sync::watch;

/// How far a run is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// How many scenarios this run has.
    pub scenarios: usize,
    /// Those that have ended, in that order.
    pub ended: Vec<Ended>,
    /// The one that runs, if one does.
    pub now: Option<Now>,
}

/// A scenario that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// Its name.
    pub scenario: String,
    /// How it ended.
    pub verdict: Verdict,
    /// How long it took, in seconds.
    pub duration_s: f64,
    /// The first expectation that failed, or why it was skipped.
    pub reason: Option<String>,
}

/// The scenario that runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Now {
    /// Its name.
    pub scenario: String,
    /// What it does, for example `call-tool echo`.
    pub step: String,
    /// How much of it is done, from 0 to 1.
    pub share_done: f64,
    /// The availability of the target's tools, once it was looked at.
    pub available: Option<Available>,
    /// The faults that are on, by name.
    pub faults: Vec<String>,
    /// Calls sent so far.
    pub calls: u64,
    /// Failures seen so far.
    pub failures: u64,
}

/// How many of the target's tools are available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Available {
    /// Tools the target had at the start.
    pub tools: u32,
    /// Those that are listed.
    pub listed: u32,
    /// Those that can be called.
    pub callable: u32,
}

/// The two ends over which progress is told. Dropping the sender ends what is shown.
#[must_use]
pub fn channel() -> (watch::Sender<Progress>, watch::Receiver<Progress>) {
    watch::channel(Progress::default())
}

//! What can happen to agents and their tasks; log lines alone are made of it.

use std::time::Duration;

/// What can happen to agents and their tasks.
#[derive(Debug, Clone, Copy)]
pub enum AgentEvent<'a> {
    /// An agent changed its state.
    Changed {
        /// Its id.
        agent: &'a str,
        /// The template it is made from.
        kind: &'a str,
        /// The state in one word.
        state: &'static str,
        /// Why, if it went wrong; no secrets.
        error: Option<&'a str>,
    },
    /// An agent wrote a line to its standard error.
    Log {
        /// Its id.
        agent: &'a str,
        /// The line.
        line: &'a str,
    },
    /// A task ended.
    TaskEnded {
        /// Its id.
        task: &'a str,
        /// The template of the agents it was for, or the upstream.
        kind: &'a str,
        /// Its state in one word.
        state: &'static str,
        /// Why there is no answer, in one word.
        code: Option<&'static str>,
        /// Since it was given.
        elapsed: Duration,
    },
}

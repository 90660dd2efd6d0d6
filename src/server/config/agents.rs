//! Agents: off unless they are switched on or a template is there, since they start processes.

use super::seconds;
use indexmap::IndexMap;
use mcp_client::{Secret, Target};
use serde::Deserialize;
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// Agents that clients may start, and the tasks they may give them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentsConfig {
    /// Offer the tools for agents also without a template of the operator's (default false). The
    /// binary then adds the template `worker`.
    pub enabled: bool,
    /// Most agents at once (default 32).
    pub most_agents: usize,
    /// Most agents of one principal at once (default 16).
    pub most_agents_per_principal: usize,
    /// Most tasks kept, ended ones among them (default 10,000).
    pub most_tasks: usize,
    /// Most tasks that wait for an agent (default 1,000).
    pub most_queued: usize,
    /// Most tasks of one principal that wait for an agent (default 500).
    pub most_queued_per_principal: usize,
    /// How often an agent that has nothing to do is asked whether it is there (default 30 s); one
    /// that leaves three questions in a row unanswered is started anew.
    #[serde(deserialize_with = "seconds")]
    pub ping: Duration,
    /// Longest time an agent may take for a task (default 300 s).
    #[serde(deserialize_with = "seconds")]
    pub task_timeout: Duration,
    /// Longest time a task waits for an agent (default 1 h).
    #[serde(deserialize_with = "seconds")]
    pub queue_timeout: Duration,
    /// How often in a row an agent is started again that died before it had done anything
    /// (default 5).
    pub restarts: u32,
    /// What agents are made from, by the name of their type.
    pub templates: IndexMap<String, AgentTemplate>,
}

/// How an agent is started: an MCP server as a child process.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentTemplate {
    /// The program: a path, or a name looked up in `PATH`.
    pub command: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Variables set on top of the inherited ones.
    #[serde(default)]
    pub env: BTreeMap<String, Secret>,
    /// Its working directory; `None` is ours.
    #[serde(default)]
    pub cwd: Option<PathBuf>,
}

impl AgentsConfig {
    /// Whether agents can be started at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.templates.is_empty()
    }
}

impl AgentTemplate {
    /// Where such an agent is.
    #[must_use]
    pub fn target(&self) -> Target {
        Target::stdio(self.command.clone(), self.args.clone(), self.env.clone(), self.cwd.clone())
    }
}

impl Default for AgentsConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            most_agents: 32,
            most_agents_per_principal: 16,
            most_tasks: 10_000,
            most_queued: 1_000,
            most_queued_per_principal: 500,
            ping: Duration::from_secs(30),
            task_timeout: Duration::from_secs(300),
            queue_timeout: Duration::from_secs(3_600),
            restarts: 5,
            templates: IndexMap::new(),
        }
    }
}

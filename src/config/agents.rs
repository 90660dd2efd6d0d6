//! Templates of agents: variables in their texts, and the one that is there without being written.

use super::{expand, layers::Environment};
use crate::failure::Failure;
use mcp_server::config::{AgentTemplate, AgentsConfig};
use std::{borrow::Cow, collections::BTreeMap, path::Path};
use toml::Value;

/// The value of a key, with variables expanded where its texts may name some.
pub(super) fn expanded<'a>(
    path: &str,
    value: &'a Value,
    environment: &Environment,
) -> Result<Cow<'a, Value>, Failure> {
    if path != "agents.templates" {
        return Ok(Cow::Borrowed(value));
    }
    let expanded = expand::all(value.clone(), environment);
    expanded.map(Cow::Owned).map_err(|why| Failure::usage(format!("`{path}`: {why}")))
}

/// Adds the type `worker`, this program, when agents are switched on without one of its name.
pub(super) fn add_worker(agents: &mut AgentsConfig, program: Option<&Path>) {
    let Some(program) = program.filter(|_| agents.enabled) else { return };
    agents.templates.entry("worker".to_owned()).or_insert_with(|| AgentTemplate {
        command: program.to_string_lossy().into_owned(),
        args: vec!["agent".to_owned()],
        env: BTreeMap::new(),
        cwd: None,
    });
}

//! The agents that can be set up: where each keeps its MCP servers, and under which key.

use crate::{config::Environment, failure::Failure};
use std::path::PathBuf;

/// An agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Agent {
    /// Claude Code, for all projects of this user
    Claude,
    /// Cursor, for all projects of this user
    Cursor,
    /// Visual Studio Code, for this user
    Vscode,
}

impl Agent {
    /// Its file.
    ///
    /// # Errors
    /// When this user has no home.
    pub(super) fn file(self, environment: &Environment) -> Result<PathBuf, Failure> {
        let dirs = directories::BaseDirs::new().ok_or_else(|| {
            Failure::usage("there is no home directory; name the agent's file with --file")
        })?;
        let home = dirs.home_dir();
        Ok(match self {
            Self::Claude => {
                let moved = environment.get("CLAUDE_CONFIG_DIR").filter(|dir| !dir.is_empty());
                moved.map_or_else(|| home.to_owned(), PathBuf::from).join(".claude.json")
            }
            Self::Cursor => home.join(".cursor/mcp.json"),
            Self::Vscode => dirs.config_dir().join("Code/User/mcp.json"),
        })
    }

    /// The key that its servers stand under.
    pub(super) const fn section(self) -> &'static str {
        match self {
            Self::Claude | Self::Cursor => "mcpServers",
            Self::Vscode => "servers",
        }
    }
}

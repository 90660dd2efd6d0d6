//! `mcp-orchestrator lab`: each shipped scenario in its quick form against our own server, which the
//! lab starts with the fixture behind it; and what it says when something is wrong.

mod asking;
mod comparing;
mod exposed;
mod faulty;
mod interrupted;
mod measuring;
mod mistakes;
mod outages;
mod personas;
mod repeating;
mod results;
mod shipped;

use super::support::{fixture_path, within};
use mcp_lab::result::{RunResult, Scenario, Verdict};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
};
use tempfile::TempDir;
use tokio::process::Command;

/// A folder with all that a run needs.
pub struct Lab {
    dir: TempDir,
}

/// What a run of the binary left.
pub struct Ended {
    pub code: i32,
    pub said: String,
}

impl Lab {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let oracle = dir.path().join("oracle");
        let entry = json!({"command": fixture_path(), "env": {"FIXTURE_ORACLE": oracle}});
        let servers = json!({"mcpServers": {"fixture": entry}}).to_string();
        std::fs::write(dir.path().join("mcp.json"), servers).expect("a file");
        Self { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The command that starts our server.
    pub fn server(&self) -> String {
        format!(
            "{} serve --listen 127.0.0.1:{{port}} --no-auth --data-dir {} --mcp-servers {}",
            env!("CARGO_BIN_EXE_mcp-orchestrator"),
            self.path("data").display(),
            self.path("mcp.json").display(),
        )
    }

    /// `mcp-orchestrator lab …`, to its end.
    pub async fn lab(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-orchestrator"));
        command.arg("lab").args(arguments).current_dir(self.dir.path());
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output =
            within(110, "the run ends", command.output()).await.expect("the binary starts");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).expect("text");
        Ended { code: output.status.code().expect("an exit code"), said }
    }

    /// Runs one scenario in its quick form against our server.
    pub async fn quick(&self, scenario: &str, out: &str, more: &[&str]) -> (Ended, RunResult) {
        let (server, out) = (self.server(), self.path(out));
        let out_text = out.display().to_string();
        let mut arguments =
            vec!["run", scenario, "--quick", "--seed", "7", "--spawn", &server, "--out", &out_text];
        arguments.extend(more);
        let ended = self.lab(&arguments).await;
        let result =
            RunResult::read(&out).unwrap_or_else(|error| panic!("{error}: {}", ended.said));
        (ended, result)
    }
}

/// Everything that a failing test should tell.
pub fn story(scenario: &Scenario, out: &Path) -> String {
    let failed: Vec<_> = scenario.expectations.iter().filter(|one| !one.passed).collect();
    let failures: Vec<_> = scenario.failures.iter().take(15).collect();
    let clients: Vec<_> = scenario.clients.iter().filter(|client| !client.success).collect();
    let log = std::fs::read_to_string(out.join("logs/target.log")).unwrap_or_default();
    let tail: Vec<&str> = log.lines().rev().take(20).collect();
    format!(
        "{:?} {:?}\n{failed:#?}\n{failures:#?}\n{clients:#?}\n{:#?}\n{:#?}\n{tail:#?}",
        scenario.verdict, scenario.reason, scenario.recoveries, scenario.faults
    )
}

/// Asserts that one scenario was played and all held.
pub fn assert_passed(ended: &Ended, result: &RunResult, out: &Path) {
    assert_eq!(result.scenarios.len(), 1);
    let scenario = &result.scenarios[0];
    assert_eq!(scenario.verdict, Verdict::Passed, "{}\n{}", ended.said, story(scenario, out));
    assert_eq!(ended.code, 0, "{}", ended.said);
}

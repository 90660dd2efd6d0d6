//! The reports of a lab run that is over: made by the binary, read by programs that nobody here
//! wrote.

mod forms;
mod page;
mod reading;
mod sample;

use mcp_lab::result::RunResult;
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};
use tempfile::TempDir;

/// A folder with a result in it.
fn folder(run: &RunResult) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("result.json"), serde_json::to_vec(run).unwrap()).unwrap();
    dir
}

/// `mcp-orchestrator lab …`
fn lab(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-orchestrator"));
    command.arg("lab").args(arguments).output().unwrap()
}

/// The same, and what it printed; it must succeed.
fn printed(arguments: &[&str]) -> String {
    let output = lab(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "lab {arguments:?}: {}: {error}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The reports of the sample.
fn reports() -> TempDir {
    let dir = folder(&sample::run());
    printed(&["report", text(dir.path())]);
    dir
}

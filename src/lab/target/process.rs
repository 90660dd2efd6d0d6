//! A process that the lab started, in a group of its own, and what can be done to it. Dropping it
//! ends the group.

use super::TargetError;
use crate::observe::process::descendants;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::{
    fs::{File, OpenOptions},
    path::Path,
    process::Stdio,
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

/// Our own settings, secrets among them, are not for what we test.
const OWN_VARIABLES: &str = "MCP_ORCHESTRATOR_";
/// How long a process has to end after SIGTERM.
const TO_END: Duration = Duration::from_secs(15);

/// A process that the lab started.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    id: Option<Pid>,
}

impl Process {
    /// Starts one. What it writes is added to `log`.
    pub(super) fn start(words: &[String], log: Option<&Path>) -> Result<Self, TargetError> {
        let failed = |error: std::io::Error| TargetError::Start(format!("`{}`: {error}", words[0]));
        let mut command = Command::new(&words[0]);
        let output = || log.map_or_else(|| Ok(Stdio::null()), append);
        command.args(&words[1..]).stdin(Stdio::null());
        command.stdout(output().map_err(failed)?).stderr(output().map_err(failed)?);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with(OWN_VARIABLES) {
                command.env_remove(name);
            }
        }
        let child = command.process_group(0).kill_on_drop(true).spawn().map_err(failed)?;
        let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Self { child, id })
    }

    /// Its id.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // An error means that it is gone already.
            let _gone = kill_process(id, signal);
        }
    }

    /// Ends it: asked for first, and forced when that is not enough.
    pub(super) async fn terminate(&mut self) {
        self.signal(Signal::TERM);
        if timeout(TO_END, self.child.wait()).await.is_err() {
            self.kill().await;
        }
        self.id = None;
    }

    /// Ends it without a word.
    pub(super) async fn kill(&mut self) {
        self.signal(Signal::KILL);
        // It was killed: an error could only say that it is gone already.
        let _status = self.child.wait().await;
        self.id = None;
    }

    /// Sends a signal to all processes that it started; says how many there were.
    pub(super) fn signal_children(&self, signal: Signal) -> usize {
        let children = self.id().map(descendants).unwrap_or_default();
        for child in &children {
            if let Some(id) = i32::try_from(*child).ok().and_then(Pid::from_raw) {
                // An error means that it is gone already.
                let _gone = kill_process(id, signal);
            }
        }
        children.len()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let children = self.id().map(descendants).unwrap_or_default();
        if let Some(id) = self.id {
            // An error means that nobody is left.
            let _gone = kill_process_group(id, Signal::KILL);
        }
        // A child in a group of its own would be left behind.
        for child in children {
            if let Some(id) = i32::try_from(child).ok().and_then(Pid::from_raw) {
                let _gone = kill_process(id, Signal::KILL);
            }
        }
    }
}

fn append(path: &Path) -> std::io::Result<Stdio> {
    let file: File = OpenOptions::new().create(true).append(true).open(path)?;
    Ok(file.into())
}

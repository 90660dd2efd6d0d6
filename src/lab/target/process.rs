//! A process that the lab started, in a group of its own, and what can be done to it. It may only be
//! what wraps the server (`npx`, `uv run`, a shell), so all that it started is meant with it.
//! Dropping it ends the group.

use super::TargetError;
use crate::observe::process::{descendants, listener, runs};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::{
    fs::{File, OpenOptions},
    path::Path,
    process::Stdio,
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

/// Our own settings, secrets among them, are not for what we test.
const OWN_VARIABLES: &str = "MCP_ORCHESTRATOR_";
/// How long a process has to end after SIGTERM.
const TO_END: Duration = Duration::from_secs(15);
/// How often it is looked whether what it started has ended.
const LOOK: Duration = Duration::from_millis(20);

/// A process that the lab started.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    id: Option<Pid>,
}

impl Process {
    /// Starts one. What it writes is added to `log`.
    pub(super) fn start(words: &[String], log: Option<&Path>) -> Result<Self, TargetError> {
        let failed = |error: std::io::Error| {
            TargetError::Start(format!("`{}`: {}", words[0], mcp_telemetry::reason(&error)))
        };
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

    /// Sends a signal to its group.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // An error means that nobody is left.
            let _gone = kill_process_group(id, signal);
        }
    }

    /// Ends it, then what it left behind: asked for first, and forced when that is not enough.
    pub(super) async fn terminate(&mut self) {
        let family = self.family();
        let until = Instant::now() + TO_END;
        if let Some(id) = self.id {
            // The process first: a wrapper that passes the signal on must not pass it on twice.
            let _gone = kill_process(id, Signal::TERM);
            // One that is stopped would not hear of it.
            self.signal(Signal::CONT);
            send(&family, Signal::CONT);
        }
        // An error means that it has ended already.
        if timeout(TO_END, self.child.wait()).await.is_ok() {
            self.signal(Signal::TERM);
            send(&family, Signal::TERM);
            while family.iter().any(|id| runs(*id)) && Instant::now() < until {
                sleep(LOOK).await;
            }
        }
        self.end(&family).await;
    }

    /// Ends it and what it started, without a word.
    pub(super) async fn kill(&mut self) {
        let family = self.family();
        self.end(&family).await;
    }

    async fn end(&mut self, family: &[u32]) {
        self.signal(Signal::KILL);
        // It was killed: an error could only say that it is gone already.
        let _status = self.child.wait().await;
        // A child in a group of its own would be left behind.
        send(family, Signal::KILL);
        self.id = None;
    }

    /// Sends a signal to all processes that the server at this port started; says how many there
    /// were.
    pub(super) fn signal_children(&self, port: Option<u16>, signal: Signal) -> usize {
        let children = self.children(port);
        send(&children, signal);
        children.len()
    }

    /// What the server at this port started: not the server itself, if it was started by a wrapper.
    pub(super) fn children(&self, port: Option<u16>) -> Vec<u32> {
        let Some(id) = self.id() else { return Vec::new() };
        descendants(port.and_then(|port| listener(id, port)).unwrap_or(id))
    }

    fn family(&self) -> Vec<u32> {
        self.id().map(descendants).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let family = self.family();
        self.signal(Signal::KILL);
        send(&family, Signal::KILL);
    }
}

fn send(processes: &[u32], signal: Signal) {
    for process in processes {
        if let Some(id) = i32::try_from(*process).ok().and_then(Pid::from_raw) {
            // An error means that it is gone already.
            let _gone = kill_process(id, signal);
        }
    }
}

fn append(path: &Path) -> std::io::Result<Stdio> {
    let file: File = OpenOptions::new().create(true).append(true).open(path)?;
    Ok(file.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// A process behind a wrapper that does not pass signals on.
    async fn wrapped() -> Result<(Process, u32), TargetError> {
        let words = ["sh", "-c", "sleep 60; true"].map(ToOwned::to_owned);
        let process = Process::start(&words, None)?;
        loop {
            if let [server] = *process.family() {
                return Ok((process, server));
            }
            sleep(LOOK).await;
        }
    }

    async fn gone(process: u32) -> bool {
        let gone = async {
            while runs(process) {
                sleep(LOOK).await;
            }
        };
        timeout(TO_END, gone).await.is_ok()
    }

    #[tokio::test]
    async fn nothing_is_left_behind_a_wrapper() {
        let (mut process, server) = wrapped().await.expect("it starts");
        process.kill().await;
        assert!(gone(server).await);
        let (mut process, server) = wrapped().await.expect("it starts");
        process.terminate().await;
        assert!(gone(server).await);
        let (process, server) = wrapped().await.expect("it starts");
        drop(process);
        assert!(gone(server).await);
    }

    #[tokio::test]
    async fn a_process_that_is_stopped_is_asked_to_end() {
        let (mut process, server) = wrapped().await.expect("it starts");
        process.signal(Signal::STOP);
        timeout(TO_END / 2, process.terminate()).await.expect("it ends by itself");
        assert!(gone(server).await);
    }
}

//! The process itself: started in a group of its own, watched, ended, reaped.

use super::Shared;
use crate::{ClientError, Ending, StdioTarget, error::plainly};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{io, process::ExitStatus, process::Stdio, sync::Arc, time::Duration};
use tokio::{
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
    time::timeout,
};

/// Our own settings, secrets among them, are not for the children.
const OWN_VARIABLES: &str = "MCP_ORCHESTRATOR_";
/// How long a process has after its stdin was closed.
const AFTER_CLOSE: Duration = Duration::from_secs(2);
/// How long it has after SIGTERM.
const AFTER_TERM: Duration = Duration::from_secs(1);
/// How long a process with a broken pipe has to end by itself, so that we learn how; and how
/// long its last words are read.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A started process and its pipes.
pub(super) struct Spawned {
    pub(super) process: Process,
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

/// A process and its group. Dropping it kills the group.
pub(super) struct Process {
    child: Child,
    group: Option<Pid>,
}

/// Starts the process.
pub(super) fn spawn(target: &StdioTarget) -> Result<Spawned, ClientError> {
    let failed = |reason: String| ClientError::Spawn { command: target.command.clone(), reason };
    let mut command = Command::new(&target.command);
    command.args(&target.args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with(OWN_VARIABLES) {
            command.env_remove(name);
        }
    }
    command.envs(target.env.iter().map(|(name, value)| (name, value.expose())));
    if let Some(folder) = &target.cwd {
        command.current_dir(folder);
    }
    command.process_group(0).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| failed(explain(&error, target)))?;
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let process = Process { child, group };
    match (stdin, stdout, stderr) {
        (Some(stdin), Some(stdout), Some(stderr)) => Ok(Spawned { process, stdin, stdout, stderr }),
        _ => Err(failed("it has no pipes".to_owned())),
    }
}

fn explain(error: &io::Error, target: &StdioTarget) -> String {
    match &target.cwd {
        Some(folder) if !folder.is_dir() => {
            format!("its folder {} does not exist", folder.display())
        }
        _ if error.kind() == io::ErrorKind::NotFound => "there is no such program".to_owned(),
        _ => plainly(error),
    }
}

impl Process {
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // An error means that nobody is left in the group.
            let _nobody_left = kill_process_group(group, signal);
        }
    }

    async fn end_gently(&mut self) {
        if timeout(AFTER_CLOSE, self.child.wait()).await.is_ok() {
            return;
        }
        self.signal(Signal::TERM);
        if timeout(AFTER_TERM, self.child.wait()).await.is_err() {
            self.end_now().await;
        }
    }

    async fn end_now(&mut self) {
        self.signal(Signal::KILL);
        // The process was killed: an error could only say that it is gone already.
        let _status = self.child.wait().await;
        self.group = None;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Watches the process to its end, and ends the connection with it.
pub(super) async fn supervise(
    mut process: Process,
    mut reader: JoinHandle<()>,
    shared: Arc<Shared>,
) {
    let ending = tokio::select! {
        biased;
        () = shared.closing.cancelled() => {
            process.end_gently().await;
            Ending::ByUs
        }
        () = shared.dropped.cancelled() => {
            process.end_now().await;
            Ending::ByUs
        }
        status = process.child.wait() => {
            // Another process may hold the pipe open.
            let _still_open = timeout(LAST_WORDS, &mut reader).await;
            exited(status)
        }
        () = broken(&mut reader, &shared) => match timeout(LAST_WORDS, process.child.wait()).await {
            Ok(status) => exited(status),
            Err(_) => Ending::Lost("the process closed its pipes".to_owned()),
        },
    };
    shared.end(ending);
    process.end_now().await;
    reader.abort();
    shared.gone.cancel();
}

/// Resolves when a pipe broke, or the reader ended in whatever way.
async fn broken(reader: &mut JoinHandle<()>, shared: &Shared) {
    tokio::select! {
        () = shared.broken.cancelled() => {}
        _ended = reader => {}
    }
}

fn exited(status: io::Result<ExitStatus>) -> Ending {
    Ending::Exited(status.map_or_else(|error| plainly(&error), |status| status.to_string()))
}

//! The process of a server: started here, or known by its id alone.

mod pressure;

pub use pressure::Pressure;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::{
    io,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    sync::Mutex,
};

/// Longest wait for a process that was asked to end; then it is killed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A process. One that was started here ends, with its children, when the last of these is dropped.
#[derive(Debug, Clone)]
pub struct Process(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// How it is started; `None` if it is not ours.
    command: Option<std::sync::Mutex<Command>>,
    child: Mutex<Option<Child>>,
    /// 0 when there is none.
    pid: AtomicI32,
    stopped: AtomicBool,
}

impl Process {
    /// Starts a process, in a group of its own, so that its children can be met with it.
    ///
    /// # Errors
    /// When the system cannot start it.
    pub fn spawn(mut command: Command) -> io::Result<Self> {
        command.process_group(0).kill_on_drop(true);
        let child = command.spawn()?;
        let pid = AtomicI32::new(id(&child));
        let command = Some(std::sync::Mutex::new(command));
        let child = Mutex::new(Some(child));
        Ok(Self(Arc::new(Inner { command, child, pid, stopped: AtomicBool::new(false) })))
    }

    /// A process that somebody else started: it can be killed, terminated and stopped, and not
    /// started again.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let pid = AtomicI32::new(i32::try_from(pid).unwrap_or_default());
        let stopped = AtomicBool::new(false);
        Self(Arc::new(Inner { command: None, child: Mutex::default(), pid, stopped }))
    }

    /// Its id, if it was not found ended.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        u32::try_from(self.0.pid.load(Ordering::SeqCst)).ok().filter(|pid| *pid > 0)
    }

    /// Whether it can be started again.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.0.command.is_some()
    }

    /// Kills it and its children.
    ///
    /// # Errors
    /// When the system does not let us.
    pub async fn kill(&self) -> io::Result<()> {
        self.0.signal(Signal::KILL)?;
        self.ended(PATIENCE).await;
        Ok(())
    }

    /// Asks it to end, and waits for that 10 s at most.
    ///
    /// # Errors
    /// When the system does not let us.
    pub async fn terminate(&self) -> io::Result<()> {
        self.0.signal(Signal::TERM)?;
        self.ended(PATIENCE).await;
        Ok(())
    }

    /// Stops it until [`Self::go_on`].
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn stop(&self) -> io::Result<()> {
        self.0.stopped.store(true, Ordering::SeqCst);
        self.0.signal(Signal::STOP)
    }

    /// Lets it go on after [`Self::stop`].
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn go_on(&self) -> io::Result<()> {
        self.0.stopped.store(false, Ordering::SeqCst);
        self.0.signal(Signal::CONT)
    }

    /// Starts it again; what is left of it is killed first. Nothing, if it is not ours.
    ///
    /// # Errors
    /// When the system cannot start it.
    pub async fn start(&self) -> io::Result<()> {
        let Some(command) = &self.0.command else { return Ok(()) };
        if !self.ended(Duration::ZERO).await {
            self.kill().await?;
        }
        let mut child = self.0.child.lock().await;
        let new = command.lock().unwrap_or_else(PoisonError::into_inner).spawn()?;
        self.0.pid.store(id(&new), Ordering::SeqCst);
        *child = Some(new);
        Ok(())
    }

    /// Waits until it has ended, so long at most; whether it has.
    async fn ended(&self, patience: Duration) -> bool {
        let mut child = self.0.child.lock().await;
        let Some(running) = child.as_mut() else { return true };
        if tokio::time::timeout(patience, running.wait()).await.is_err() {
            return false;
        }
        if let Some(group) = Pid::from_raw(self.0.pid.swap(0, Ordering::SeqCst)) {
            // What it left behind ends with it; an error means that there is nothing.
            let _gone = kill_process_group(group, Signal::KILL);
        }
        *child = None;
        true
    }
}

impl Inner {
    fn signal(&self, signal: Signal) -> io::Result<()> {
        // One that has ended needs no signal, and its id may be another's by now.
        let Some(pid) = Pid::from_raw(self.pid.load(Ordering::SeqCst)) else { return Ok(()) };
        let sent = match self.command {
            Some(_) => kill_process_group(pid, signal),
            None => kill_process(pid, signal),
        };
        match sent {
            Err(rustix::io::Errno::SRCH) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let last = match self.command {
            Some(_) => Some(Signal::KILL),
            None => self.stopped.load(Ordering::SeqCst).then_some(Signal::CONT),
        };
        if let Some(signal) = last {
            // Nobody is left who could be told.
            let _sent = self.signal(signal);
        }
    }
}

fn id(child: &Child) -> i32 {
    child.id().and_then(|id| i32::try_from(id).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncBufReadExt as _;

    fn sleeper() -> Process {
        let mut command = Command::new("sleep");
        command.arg("60");
        Process::spawn(command).expect("it starts")
    }

    /// The state of a process in one letter, as the system tells it.
    fn state(pid: u32) -> Option<char> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        text.rsplit_once(") ")?.1.chars().next()
    }

    #[tokio::test]
    async fn it_is_killed_and_started_again() {
        let process = sleeper();
        let first = process.pid().expect("it runs");
        process.kill().await.expect("killed");
        assert_eq!((process.pid(), state(first)), (None, None));
        process.start().await.expect("started");
        let second = process.pid().expect("it runs");
        assert!(state(second).is_some());
        process.terminate().await.expect("terminated");
        assert_eq!((process.pid(), state(second)), (None, None));
    }

    #[tokio::test]
    async fn what_it_left_behind_ends_with_it() {
        let mut command = Command::new("sh");
        command
            .args(["-c", "sleep 60 & echo $!; exec sleep 0"])
            .stdout(std::process::Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn().expect("it starts");
        let mut told = String::new();
        let mut lines = tokio::io::BufReader::new(child.stdout.take().expect("its output"));
        lines.read_line(&mut told).await.expect("an id");
        let left: u32 = told.trim().parse().expect("an id");
        let process = Process(Arc::new(Inner {
            command: Some(std::sync::Mutex::new(command)),
            pid: AtomicI32::new(id(&child)),
            child: Mutex::new(Some(child)),
            stopped: AtomicBool::new(false),
        }));
        assert!(process.ended(PATIENCE).await && process.pid().is_none());
        while state(left).is_some_and(|state| state != 'Z') {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn it_is_stopped_and_goes_on() {
        let process = sleeper();
        let pid = process.pid().expect("it runs");
        process.stop().expect("stopped");
        while state(pid) != Some('T') {
            tokio::task::yield_now().await;
        }
        process.go_on().expect("on");
        while state(pid) == Some('T') {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn one_that_is_not_ours_is_not_started() {
        let ours = sleeper();
        let theirs = Process::of(ours.pid().expect("it runs"));
        theirs.terminate().await.expect("asked");
        assert!(ours.ended(PATIENCE).await, "it ended");
        assert!(theirs.start().await.is_ok() && !theirs.is_ours());
    }
}

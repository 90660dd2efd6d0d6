//! The process behind the server: it does nothing but live, and no tool can be called without it.

use std::{
    env, io,
    process::{ExitCode, Stdio},
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    sync::Mutex,
    time::{Instant, sleep},
};

/// The word on the command line that makes a process of this program the one behind it.
pub(crate) const WORD: &str = "--upstream";
/// How long it takes to start, however quick the machine.
const TO_START: Duration = Duration::from_millis(100);

/// Lives until its input ends.
pub(crate) fn run() -> ExitCode {
    match io::copy(&mut io::stdin(), &mut io::sink()) {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The process, started again when it is needed and was lost.
pub(crate) struct Upstream {
    live: Mutex<Live>,
}

struct Live {
    child: Child,
    /// When it was found dead, unless it lives.
    died: Option<Instant>,
}

impl Upstream {
    pub(crate) fn start() -> io::Result<Self> {
        Ok(Self { live: Mutex::new(Live { child: spawn()?, died: None }) })
    }

    /// Waits until it lives.
    pub(crate) async fn alive(&self) -> io::Result<()> {
        self.alive_after(Duration::ZERO).await.map(drop)
    }

    /// Whether it lives. One that died stays away for that long, and is then started again.
    pub(crate) async fn alive_after(&self, away: Duration) -> io::Result<bool> {
        let mut live = self.live.lock().await;
        if live.died.is_none() && live.child.try_wait()?.is_none() {
            return Ok(true);
        }
        if live.died.get_or_insert_with(Instant::now).elapsed() < away {
            return Ok(false);
        }
        *live = Live { child: spawn()?, died: None };
        sleep(TO_START).await;
        Ok(true)
    }
}

fn spawn() -> io::Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    // It ends with its input, which is ours to hold: also when we are killed.
    command.arg(WORD).stdin(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true).spawn()
}

//! What is shown while a run goes on: a bar for each scenario on a terminal, plain lines elsewhere.

mod bars;
mod lines;

use crate::progress::{Available, Now, Progress};
use crate::report::words::{clean, list, many};
use bars::Bars;
use lines::Lines;
use std::io::{self, IsTerminal as _, Write};
use tokio::{
    sync::watch,
    time::{Duration, Instant, interval},
};

/// How often is looked whether there is something to say that could wait.
const LOOK: Duration = Duration::from_secs(1);

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Bars that are drawn over and over.
    Bars,
    /// A line now and then.
    Lines,
}

impl View {
    /// What suits standard error.
    #[must_use]
    pub fn of_stderr() -> Self {
        if io::stderr().is_terminal() { Self::Bars } else { Self::Lines }
    }
}

/// Folds a line to the width of the terminal.
pub type Fold = fn(&str) -> String;

/// Shows a run on standard error until its sender is dropped.
pub async fn show(progress: watch::Receiver<Progress>, view: View, fold: Fold) {
    let terminal = indicatif::ProgressDrawTarget::stderr;
    match view {
        View::Bars => follow(progress, Bars::new(terminal(), fold)).await,
        View::Lines => follow(progress, Lines::new(io::stderr())).await,
    }
}

/// Something that shows how far a run is.
trait Shown {
    /// Shows it. Comes with each change, and at least once a second.
    fn show(&mut self, progress: &Progress, now: Instant);
}

async fn follow(mut progress: watch::Receiver<Progress>, mut shown: impl Shown) {
    let mut looks = interval(LOOK);
    loop {
        let is_over = tokio::select! {
            changed = progress.changed() => changed.is_err(),
            _ = looks.tick() => false,
        };
        // A copy: as long as a value is borrowed, the runner could not say anything new.
        let now = progress.borrow_and_update().clone();
        shown.show(&now, Instant::now());
        if is_over {
            return;
        }
    }
}

/// What is going on, on one line.
fn state(now: &Now) -> String {
    let mut parts = Vec::new();
    parts.extend(now.available.map(available));
    if !now.faults.is_empty() {
        let names: Vec<String> = now.faults.iter().map(|fault| clean(fault)).collect();
        parts.push(format!("faults: {}", list(&names)));
    }
    parts.push(many(now.calls, "call"));
    if now.failures > 0 {
        parts.push(many(now.failures, "failure"));
    }
    parts.extend((!now.step.is_empty()).then(|| clean(&now.step)));
    parts.join(" · ")
}

fn available(Available { tools, listed, callable }: Available) -> String {
    if listed >= tools {
        return format!("{callable}/{tools} tools callable");
    }
    format!("{callable}/{tools} tools callable, {listed} listed")
}

/// A line that nobody may be there to read.
fn tell(to: &mut impl Write, line: &str) {
    let _nobody_reads_it = writeln!(to, "{line}");
}

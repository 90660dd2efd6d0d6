//! A bar for each scenario on a terminal.

use super::{Fold, Shown, lines, state};
use crate::{
    progress::{Now, Progress},
    report::words::clean,
    result::Verdict,
};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

/// The length of a bar: thousandths.
const LENGTH: u64 = 1_000;

/// The bars that are drawn.
pub(super) struct Bars {
    all: MultiProgress,
    /// For the lines that stay.
    fold: Fold,
    ended: usize,
    now: Option<(String, ProgressBar)>,
}

impl Bars {
    pub(super) fn new(to: ProgressDrawTarget, fold: Fold) -> Self {
        Self { all: MultiProgress::with_draw_target(to), fold, ended: 0, now: None }
    }

    /// The bar of the scenario that runs; a new one when another one runs.
    fn bar(&mut self, now: &Now, number: usize, of: usize) -> &ProgressBar {
        if self.now.as_ref().is_some_and(|(scenario, _)| *scenario != now.scenario) {
            self.clear();
        }
        let all = &self.all;
        let (_, bar) = self.now.get_or_insert_with(|| {
            let name = format!("[{number}/{of}] {}", clean(&now.scenario));
            // Not drawn before it has its words.
            let bar = ProgressBar::with_draw_target(Some(LENGTH), ProgressDrawTarget::hidden());
            let bar = bar.with_style(style()).with_prefix(name).with_message(state(now));
            (now.scenario.clone(), all.add(bar))
        });
        bar
    }

    /// Takes the bar of a scenario that is over away; its line stays.
    fn clear(&mut self) {
        if let Some((_, bar)) = self.now.take() {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }
}

fn style() -> ProgressStyle {
    // Two lines, so that a narrow terminal shows what goes on too; each is cut to its width.
    let style = ProgressStyle::with_template("{prefix} [{wide_bar}] {percent:>3} %\n  {wide_msg}");
    style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

impl Shown for Bars {
    fn show(&mut self, progress: &Progress, _at: Instant) {
        if progress.ended.len() > self.ended {
            self.clear();
        }
        for ended in progress.ended.iter().skip(self.ended) {
            let mark = match ended.verdict {
                Verdict::Passed => "✓",
                Verdict::Failed => "✗",
                Verdict::Skipped => "–",
            };
            // With nobody to read it there is nothing to do.
            let _told = self.all.println((self.fold)(&format!("{mark} {}", lines::end(ended))));
        }
        self.ended = progress.ended.len();
        let Some(now) = &progress.now else { return self.clear() };
        let bar = self.bar(now, progress.ended.len() + 1, progress.scenarios);
        // Within 0 and LENGTH, so the cast loses nothing that counts.
        let done = (now.share_done.clamp(0.0, 1.0) * LENGTH as f64) as u64;
        // Each of these draws.
        if bar.position() != done {
            bar.set_position(done);
        }
        let message = state(now);
        if bar.message() != message {
            bar.set_message(message);
        }
    }
}

//! A bar for each scenario on a terminal.

use super::{Shown, lines, state};
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
    ended: usize,
    now: Option<(String, ProgressBar)>,
}

impl Bars {
    pub(super) fn new(to: ProgressDrawTarget) -> Self {
        Self { all: MultiProgress::with_draw_target(to), ended: 0, now: None }
    }

    /// The bar of the scenario that runs; a new one when another one runs.
    fn bar(&mut self, now: &Now) -> &ProgressBar {
        if self.now.as_ref().is_some_and(|(scenario, _)| *scenario != now.scenario) {
            self.clear();
        }
        let all = &self.all;
        let (_, bar) = self.now.get_or_insert_with(|| {
            let bar = all.add(ProgressBar::new(LENGTH).with_style(style()));
            (now.scenario.clone(), bar)
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
    let style = ProgressStyle::with_template("{prefix} [{bar:16}] {percent:>3} % · {wide_msg}");
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
            let _told = self.all.println(format!("{mark} {}", lines::end(ended)));
        }
        self.ended = progress.ended.len();
        let Some(now) = &progress.now else { return self.clear() };
        let prefix = format!(
            "[{}/{}] {}",
            progress.ended.len() + 1,
            progress.scenarios,
            clean(&now.scenario)
        );
        let bar = self.bar(now);
        bar.set_prefix(prefix);
        // Within 0 and LENGTH, so the cast loses nothing that counts.
        bar.set_position((now.share_done.clamp(0.0, 1.0) * LENGTH as f64) as u64);
        bar.set_message(state(now));
    }
}

//! Plain lines: when a scenario begins and ends, when its tools or faults change, and every ten
//! seconds.

use super::{Shown, state, tell};
use crate::{
    progress::{Ended, Now, Progress},
    report::words::{clean, duration},
    result::Verdict,
};
use std::io::Write;
use tokio::time::{Duration, Instant};

/// The least time between two lines of a scenario.
const LEAST: Duration = Duration::from_secs(1);
/// The most time between two lines of a scenario.
const MOST: Duration = Duration::from_secs(10);

/// Lines, and what was told last.
pub(super) struct Lines<W> {
    to: W,
    ended: usize,
    told: Option<(Now, Instant)>,
}

impl<W: Write> Lines<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, ended: 0, told: None }
    }

    fn is_worth_telling(&self, now: &Now, at: Instant) -> bool {
        let Some((told, when)) = &self.told else { return true };
        if told.scenario != now.scenario {
            return true;
        }
        let is_other = told.available != now.available || told.faults != now.faults;
        at.duration_since(*when) >= if is_other { LEAST } else { MOST }
    }
}

impl<W: Write> Shown for Lines<W> {
    fn show(&mut self, progress: &Progress, at: Instant) {
        for ended in progress.ended.iter().skip(self.ended) {
            tell(&mut self.to, &end(ended));
        }
        self.ended = progress.ended.len();
        let Some(now) = &progress.now else { return };
        if !self.is_worth_telling(now, at) {
            return;
        }
        let (number, of) = (progress.ended.len() + 1, progress.scenarios);
        let done = 100.0 * now.share_done.clamp(0.0, 1.0);
        tell(
            &mut self.to,
            &format!("[{number}/{of}] {} {done:.0} %: {}", clean(&now.scenario), state(now)),
        );
        self.told = Some((now.clone(), at));
    }
}

/// How a scenario ended, on one line.
pub(super) fn end(ended: &Ended) -> String {
    let word = match ended.verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "FAILED",
        Verdict::Skipped => "skipped",
    };
    let reason =
        ended.reason.as_deref().map_or(String::new(), |reason| format!(": {}", clean(reason)));
    format!("{} {word} after {}{reason}", clean(&ended.scenario), duration(ended.duration_s))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::{self, Available};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Text(Arc<Mutex<Vec<u8>>>);

    impl Text {
        fn lines(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().map(str::to_owned).collect()
        }
    }

    impl Write for Text {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn running(callable: u32, faults: &[&str]) -> Progress {
        let now = Now {
            scenario: "server-restart".to_owned(),
            step: "call-tool echo".to_owned(),
            share_done: 0.25,
            available: Some(Available { tools: 12, listed: 12, callable }),
            faults: faults.iter().map(|&fault| fault.to_owned()).collect(),
            calls: 1_200,
            failures: 0,
        };
        Progress { scenarios: 2, ended: Vec::new(), now: Some(now) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_told_within_a_second_and_an_end_is_never_missed() {
        let text = Text::default();
        let (sender, receiver) = progress::channel();
        let shown = super::super::follow(receiver, Lines::new(text.clone()));
        let run = async move {
            for (callable, faults, seconds) in
                [(12, &[][..], 4), (0, &["kill"][..], 3), (12, &[][..], 15)]
            {
                sender.send_replace(running(callable, faults));
                tokio::time::sleep(Duration::from_secs(seconds)).await;
            }
            let ended = Ended {
                scenario: "server-restart".to_owned(),
                verdict: Verdict::Failed,
                duration_s: 22.0,
                reason: Some("2 calls ran twice".to_owned()),
            };
            // Nobody could have seen this value: the next one is there at once.
            sender.send_replace(Progress { scenarios: 2, ended: vec![ended.clone()], now: None });
            sender.send_replace(Progress { scenarios: 2, ended: vec![ended], now: None });
        };
        tokio::join!(shown, run);
        let line = "[1/2] server-restart 25 %:";
        let rest = "1,200 calls · call-tool echo";
        assert_eq!(
            text.lines(),
            [
                format!("{line} 12/12 tools callable · {rest}"),
                format!("{line} 0/12 tools callable · faults: kill · {rest}"),
                format!("{line} 12/12 tools callable · {rest}"),
                format!("{line} 12/12 tools callable · {rest}"),
                "server-restart FAILED after 22 s: 2 calls ran twice".to_owned(),
            ]
        );
    }

    #[test]
    fn what_flickers_is_told_once_a_second() {
        let text = Text::default();
        let mut lines = Lines::new(text.clone());
        let start = Instant::now();
        for n in 0..300_u64 {
            let at = start + Duration::from_millis(10 * n);
            lines.show(&running(u32::try_from(n % 2).unwrap(), &[]), at);
        }
        assert_eq!(text.lines().len(), 3, "{:?}", text.lines());
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        let text = Text::default();
        let mut progress = running(12, &["\u{1b}]0;x\u{7}"]);
        progress.now.as_mut().unwrap().step = "a\nb".to_owned();
        Lines::new(text.clone()).show(&progress, Instant::now());
        let lines = text.lines();
        assert_eq!(lines.len(), 1);
        assert!(!lines[0].contains(['\u{1b}', '\u{7}']), "{lines:?}");
    }
}

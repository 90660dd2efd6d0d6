//! When and why tools were gone, found in the figures and said in sentences.

use super::words::{bytes, clean, duration, list, many, percent};
use crate::result::{RunResult, Scenario, UNEXPLAINED, Verdict};

/// How long after the end of a fault what happens is still put down to it, in seconds, where
/// nothing else was on.
const AFTERMATH_S: f64 = 5.0;
/// Stretches a sentence names.
const NAMED: usize = 3;

/// A stretch of time in which not every tool was there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gap {
    /// When the first was gone.
    pub(crate) from_s: f64,
    /// When all were back, or the scenario ended.
    pub(crate) to_s: f64,
    /// The fewest that were listed.
    pub(crate) listed: u32,
    /// The fewest that could be called.
    pub(crate) callable: u32,
    /// The faults that were on.
    pub(crate) faults: Vec<String>,
}

impl Gap {
    /// How long it was.
    pub(crate) fn length_s(&self) -> f64 {
        (self.to_s - self.from_s).max(0.0)
    }

    /// What was behind it, in words.
    pub(crate) fn why(&self) -> String {
        match self.faults.len() {
            0 => "no fault was on".to_owned(),
            1 => format!("fault {}", self.faults[0]),
            _ => format!("faults {}", list(&self.faults)),
        }
    }
}

/// The stretches in which not every tool of a scenario was there.
pub(crate) fn gaps(scenario: &Scenario) -> Vec<Gap> {
    let Some(availability) = &scenario.availability else { return Vec::new() };
    let tools = availability.tools;
    let mut gaps: Vec<Gap> = Vec::new();
    let mut is_open = false;
    for sample in &availability.series {
        let is_whole = sample.listed >= tools && sample.callable >= tools;
        match gaps.last_mut().filter(|_| is_open) {
            Some(gap) if is_whole => gap.to_s = sample.at_s,
            Some(gap) => {
                gap.listed = gap.listed.min(sample.listed);
                gap.callable = gap.callable.min(sample.callable);
            }
            None if is_whole => {}
            None => gaps.push(Gap {
                from_s: sample.at_s,
                to_s: scenario.duration_s,
                listed: sample.listed,
                callable: sample.callable,
                faults: Vec::new(),
            }),
        }
        is_open = !is_whole;
    }
    for gap in &mut gaps {
        gap.faults = faults_behind(scenario, gap);
    }
    gaps
}

/// The faults that were on in a gap; without one, the last that had just ended. Where the run
/// itself says which faults cost anything, only those.
fn faults_behind(scenario: &Scenario, gap: &Gap) -> Vec<String> {
    let blamed = scenario.availability.iter().flat_map(|a| &a.unavailable_by_cause);
    let blamed: Vec<&str> = blamed.map(|by| by.cause.as_str()).collect();
    let ended = |to: Option<f64>| to.unwrap_or(f64::INFINITY);
    let on: Vec<_> = scenario
        .faults
        .iter()
        .filter(|fault| fault.from_s <= gap.to_s && ended(fault.to_s) >= gap.from_s)
        .collect();
    let before = scenario
        .faults
        .iter()
        .filter(|fault| {
            ended(fault.to_s) < gap.from_s && ended(fault.to_s) + AFTERMATH_S >= gap.from_s
        })
        .max_by(|a, b| ended(a.to_s).total_cmp(&ended(b.to_s)));
    let candidates = if on.is_empty() { before.into_iter().collect() } else { on };
    let mut names: Vec<String> = Vec::new();
    for fault in &candidates {
        let counts = blamed.is_empty() || blamed.contains(&fault.name.as_str());
        if counts && !names.contains(&clean(&fault.name)) {
            names.push(clean(&fault.name));
        }
    }
    names
}

/// What became of the tools in a scenario, in a sentence or two.
pub(crate) fn of_scenario(scenario: &Scenario) -> String {
    let Some(availability) = &scenario.availability else {
        return match &scenario.reason {
            Some(reason) => format!("{}.", clean(reason).trim_end_matches('.')),
            None => "Nobody watched the tools.".to_owned(),
        };
    };
    let gaps = gaps(scenario);
    let watched = duration(scenario.duration_s);
    if gaps.is_empty() {
        let all_the_time =
            availability.listed_percent >= 100.0 && availability.callable_percent >= 100.0;
        return if all_the_time {
            let tools = many(u64::from(availability.tools), "tool");
            format!("All the time ({watched}) every tool was listed and callable: {tools}.")
        } else {
            let (listed, callable) =
                (percent(availability.listed_percent), percent(availability.callable_percent));
            format!("Tools were listed {listed} and callable {callable} of {watched}.")
        };
    }
    let unlisted = gaps.iter().filter(|gap| gap.listed < availability.tools).count();
    let stayed = match unlisted {
        0 => "They stayed listed throughout.".to_owned(),
        some if some == gaps.len() => "They were missing from the list too.".to_owned(),
        some => format!("In {some} of these they were missing from the list too."),
    };
    format!("{} {stayed}", stretches(&gaps, availability.tools, scenario.duration_s))
}

fn stretches(gaps: &[Gap], tools: u32, watched_s: f64) -> String {
    let lost: f64 = gaps.iter().map(Gap::length_s).sum();
    let worst = gaps.iter().map(|gap| gap.callable.min(gap.listed)).min().unwrap_or(0);
    let whose = match (tools, tools.saturating_sub(worst)) {
        (1, _) => "The tool was".to_owned(),
        (all, gone) if gone >= all => format!("All {all} tools were"),
        (all, 1) => format!("1 of {all} tools was"),
        (all, gone) => format!("Up to {gone} of {all} tools were"),
    };
    let each = |gap: &Gap| {
        let (from, to) = (duration(gap.from_s), duration(gap.to_s));
        format!("from {from} to {to} ({})", gap.why())
    };
    let (lost, watched) = (duration(lost), duration(watched_s));
    if let [gap] = gaps {
        return format!("{whose} gone for {lost} of {watched}: {}.", each(gap));
    }
    let mut longest: Vec<&Gap> = gaps.iter().collect();
    longest.sort_by(|a, b| b.length_s().total_cmp(&a.length_s()));
    longest.truncate(NAMED);
    longest.sort_by(|a, b| a.from_s.total_cmp(&b.from_s));
    let named: Vec<String> = longest.into_iter().map(each).collect();
    let named =
        if gaps.len() > NAMED { format!("the longest {}", list(&named)) } else { list(&named) };
    format!("{whose} gone for {lost} of {watched}, {} times: {named}.", gaps.len())
}

/// What the run came to, in a few words.
pub(crate) fn verdict(run: &RunResult) -> String {
    let of = |verdict| run.scenarios.iter().filter(move |scenario| scenario.verdict == verdict);
    let (failed, skipped) = (of(Verdict::Failed).count(), of(Verdict::Skipped).count());
    let ran = run.scenarios.len() - skipped;
    let skipped = if skipped == 0 { String::new() } else { format!("; {skipped} skipped") };
    let scenarios = many(ran as u64, "scenario");
    match (ran, failed) {
        (0, _) => format!("No scenario ran{skipped}."),
        (1, 0) => format!("The scenario held{skipped}."),
        (_, 0) => format!("All {scenarios} held{skipped}."),
        (1, _) => format!("The scenario failed{skipped}."),
        (_, failed) => {
            let names: Vec<String> =
                of(Verdict::Failed).map(|scenario| clean(&scenario.name)).collect();
            format!("{failed} of {scenarios} failed: {}{skipped}.", list(&names))
        }
    }
}

/// When and why tools were gone in the whole run, in a few sentences.
pub(crate) fn of_run(run: &RunResult) -> String {
    if let [scenario] = run.scenarios.as_slice() {
        return of_scenario(scenario);
    }
    let watched: Vec<&Scenario> =
        run.scenarios.iter().filter(|s| s.availability.is_some()).collect();
    if watched.is_empty() {
        return "Nobody watched the tools.".to_owned();
    }
    let time: f64 = watched.iter().map(|scenario| scenario.duration_s).sum();
    let mut gone: Vec<(&str, Vec<Gap>)> =
        watched.iter().map(|scenario| (scenario.name.as_str(), gaps(scenario))).collect();
    gone.retain(|(_, gaps)| !gaps.is_empty());
    if gone.is_empty() {
        return format!("All the time ({}) every tool was listed and callable.", duration(time));
    }
    let lost_s = |gaps: &[Gap]| gaps.iter().map(Gap::length_s).sum::<f64>();
    gone.sort_by(|a, b| lost_s(&b.1).total_cmp(&lost_s(&a.1)));
    let all: f64 = gone.iter().map(|(_, gaps)| lost_s(gaps)).sum();
    let named: Vec<String> =
        gone.iter().take(NAMED).map(|(name, gaps)| in_scenario(name, gaps, lost_s(gaps))).collect();
    let most = if gone.len() > NAMED { "most of it in" } else { "in" };
    let stayed = if watched
        .iter()
        .all(|s| s.availability.as_ref().is_some_and(|a| a.listed_percent >= 100.0))
    {
        "Tools were listed all the time"
    } else {
        "Tools were missing from the list for a while"
    };
    format!(
        "Tools were gone for {} of {}: {most} {}. {stayed}{}.",
        duration(all),
        duration(time),
        list(&named),
        unexplained(&watched)
    )
}

fn in_scenario(name: &str, gaps: &[Gap], lost_s: f64) -> String {
    let mut faults: Vec<String> = Vec::new();
    for fault in gaps.iter().flat_map(|gap| &gap.faults) {
        if !faults.contains(fault) {
            faults.push(fault.clone());
        }
    }
    faults.truncate(NAMED);
    let why = if faults.is_empty() { "no fault was on".to_owned() } else { list(&faults) };
    format!("{} ({}; {why})", clean(name), duration(lost_s))
}

/// What nothing explains is said last, since it is the first thing to look into.
fn unexplained(watched: &[&Scenario]) -> String {
    let causes = watched
        .iter()
        .filter_map(|s| s.availability.as_ref())
        .flat_map(|a| &a.unavailable_by_cause);
    let seconds: f64 = causes
        .filter(|by| by.cause == UNEXPLAINED)
        .map(|by| by.uncallable_tool_seconds.max(by.unlisted_tool_seconds))
        .sum();
    if seconds > 0.0 {
        format!("; {} of tools' time no fault explains", duration(seconds))
    } else {
        String::new()
    }
}

/// How memory went, in a sentence: whether it grew more than its measuring could be wrong.
pub(crate) fn memory(scenario: &Scenario) -> Option<String> {
    let resources = scenario.resources.as_ref()?;
    let slope = resources.rss_slope_bytes_per_hour?;
    let error = resources.rss_slope_error_bytes_per_hour.unwrap_or(0.0).abs();
    let (shown, margin) = (bytes(slope), bytes(error));
    // Twice the standard error: what chance alone exceeds once in twenty times.
    Some(if slope > 2.0 * error {
        format!("Memory grew by {shown} an hour (± {margin}).")
    } else {
        format!(
            "Memory did not grow beyond what measuring leaves open: {shown} an hour (± {margin})."
        )
    })
}

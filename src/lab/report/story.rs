//! When and why tools were gone, found in the figures and said in sentences.

use super::{
    gap::{Gap, gaps},
    words::{bytes, clean, duration, list, many, percent},
};
use crate::result::{RunResult, Scenario, UNEXPLAINED, Verdict};

/// Stretches a sentence names.
const NAMED: usize = 3;

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
        0 => "All stayed listed throughout.".to_owned(),
        _ if gaps.len() == 1 => "Some were missing from the list too.".to_owned(),
        some if some == gaps.len() => "Each time some were missing from the list too.".to_owned(),
        some => format!("In {some} of these some were missing from the list too."),
    };
    let gone = if unlisted == 0 { "could be called" } else { "was listed and could be called" };
    let worst = gaps.iter().map(|gap| gap.callable.min(gap.listed)).min().unwrap_or(0);
    let lost = duration(lost_s(&gaps));
    let tools = availability.tools;
    format!(
        "For {lost} of {watched} not every tool {gone} (at worst {worst} of {tools}){}. {stayed}",
        stretches(scenario, &gaps)
    )
}

/// When it was and why: the longest stretches, in the order of time.
fn stretches(scenario: &Scenario, gaps: &[Gap]) -> String {
    let each = |gap: &Gap| {
        let (from, to) = (duration(gap.from_s), duration(gap.to_s));
        format!("from {from} to {to} ({})", gap.why(scenario))
    };
    if let [gap] = gaps {
        return format!(", {}", each(gap));
    }
    let mut longest = longest(gaps);
    longest.sort_by(|a, b| a.from_s.total_cmp(&b.from_s));
    let named: Vec<String> = longest.into_iter().map(each).collect();
    let some = if gaps.len() > NAMED { ", the longest of them " } else { ": " };
    format!(", in {} stretches{some}{}", gaps.len(), list(&named))
}

/// The longest of them, as many as a sentence names.
fn longest(gaps: &[Gap]) -> Vec<&Gap> {
    let mut longest: Vec<&Gap> = gaps.iter().collect();
    longest.sort_by(|a, b| b.length_s().total_cmp(&a.length_s()));
    longest.truncate(NAMED);
    longest
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
    let mut gone: Vec<(&Scenario, Vec<Gap>)> =
        watched.iter().map(|scenario| (*scenario, gaps(scenario))).collect();
    gone.retain(|(_, gaps)| !gaps.is_empty());
    if gone.is_empty() {
        return format!("All the time ({}) every tool was listed and callable.", duration(time));
    }
    gone.sort_by(|a, b| lost_s(&b.1).total_cmp(&lost_s(&a.1)));
    let lost: f64 = gone.iter().map(|(_, gaps)| lost_s(gaps)).sum();
    let named: Vec<String> =
        gone.iter().take(NAMED).map(|(s, gaps)| in_scenario(s, gaps)).collect();
    let most = if gone.len() > NAMED { "most of it in" } else { "in" };
    let listed = |s: &&Scenario| s.availability.as_ref().is_some_and(|a| a.listed_percent >= 100.0);
    let (what, stayed) = if watched.iter().all(listed) {
        ("could be called", "All stayed listed throughout")
    } else {
        ("was listed and could be called", "Some were missing from the list too")
    };
    let (lost, time, named) = (duration(lost), duration(time), list(&named));
    let rest = unexplained(&watched);
    format!("For {lost} of {time} not every tool {what}: {most} {named}. {stayed}{rest}.")
}

fn lost_s(gaps: &[Gap]) -> f64 {
    gaps.iter().map(Gap::length_s).sum()
}

fn in_scenario(scenario: &Scenario, gaps: &[Gap]) -> String {
    let mut faults: Vec<String> = Vec::new();
    for fault in longest(gaps).into_iter().flat_map(|gap| gap.faults(scenario)) {
        if !faults.contains(&fault) && faults.len() < NAMED {
            faults.push(fault);
        }
    }
    let why = if faults.is_empty() { "no fault was on".to_owned() } else { list(&faults) };
    format!("{} ({}; {why})", clean(&scenario.name), duration(lost_s(gaps)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Resources;

    #[test]
    fn memory_grew_only_beyond_twice_the_error() {
        let grown = |slope: f64, error: f64| {
            let resources = Resources {
                rss_slope_bytes_per_hour: Some(slope),
                rss_slope_error_bytes_per_hour: Some(error),
                ..Resources::default()
            };
            memory(&Scenario { resources: Some(resources), ..Scenario::default() }).unwrap()
        };
        assert_eq!(grown(3072.0, 1024.0), "Memory grew by 3 KiB an hour (± 1 KiB).");
        assert!(grown(2000.0, 1024.0).starts_with("Memory did not grow beyond"));
        assert!(grown(-9000.0, 1024.0).starts_with("Memory did not grow beyond"));
    }
}

//! `report.md`: the report for a terminal, a pull request or an issue.

use super::{
    story,
    table::escape,
    tables,
    words::{clean, duration, short},
};
use crate::result::{RunResult, Scenario, Target, Verdict};
use std::fmt::Write as _;

/// The result as GitHub's Markdown.
#[must_use]
pub(crate) fn render(run: &RunResult) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _always = write_run(&mut text, run);
    text
}

fn write_run(text: &mut String, run: &RunResult) -> std::fmt::Result {
    writeln!(text, "# Reliability of {}\n", escape(&clean(&run.target.name)))?;
    let word = if run.passed() { "Passed" } else { "Failed" };
    writeln!(text, "**{word}.** {}\n", escape(&story::verdict(run)))?;
    writeln!(text, "{}\n", escape(&story::of_run(run)))?;
    for (name, value) in facts(run) {
        writeln!(text, "- {name}: {}", escape(&value))?;
    }
    writeln!(text, "\n## Scenarios\n\n{}", tables::overview(run).markdown())?;
    run.scenarios.iter().try_for_each(|scenario| write_scenario(text, scenario))
}

fn write_scenario(text: &mut String, scenario: &Scenario) -> std::fmt::Result {
    let verdict = match scenario.verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::Skipped => "skipped",
    };
    writeln!(text, "## {}: {verdict}\n", escape(&clean(&scenario.name)))?;
    // In italics, so that no first character of it can begin a list or a heading.
    let description = clean(&scenario.description);
    if !description.is_empty() {
        writeln!(text, "*{}*\n", escape(&description))?;
    }
    if let Some(reason) = &scenario.reason {
        writeln!(text, "Reason: {}\n", escape(&clean(reason)))?;
    }
    writeln!(text, "{}\n", escape(&story::of_scenario(scenario)))?;
    for table in tables::of_scenario(scenario) {
        writeln!(text, "### {}\n\n{}", table.title, table.markdown())?;
    }
    match story::memory(scenario) {
        Some(memory) => writeln!(text, "{}\n", escape(&memory)),
        None => Ok(()),
    }
}

/// What is to be known of a run, for the head of a report.
pub(crate) fn facts(run: &RunResult) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Target", target(&run.target))];
    if let Some(server) = &run.target.server_name {
        let version = run.target.server_version.as_deref().unwrap_or_default();
        facts.push(("Server", clean(&format!("{server} {version}"))));
    }
    facts.extend(
        run.target.protocol_version.as_deref().map(|version| ("MCP revision", clean(version))),
    );
    facts.push(("Started", clean(&run.started)));
    facts.push(("Took", duration(run.duration_s)));
    facts.push(("Seed", run.seed.to_string()));
    if run.time_scale != 1.0 {
        facts.push(("Times of scenarios multiplied with", short(run.time_scale)));
    }
    facts.push(("Run by", format!("mcp-orchestrator {}", clean(&run.version))));
    if let Some(events) = run.events.filter(|events| events.dropped > 0) {
        facts.push(("Raw events left out", events.dropped.to_string()));
    }
    facts
}

fn target(target: &Target) -> String {
    match (&target.url, &target.command) {
        (Some(url), _) => clean(url),
        (None, Some(command)) => clean(&command.join(" ")),
        (None, None) => clean(&target.name),
    }
}

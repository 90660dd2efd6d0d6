//! `report.html`: one page that asks nobody for anything. It has no script, and says so to the
//! browser, so that nothing in a name from a stranger could ever run.

use super::{
    chart, markdown, story,
    table::Table,
    tables,
    words::{clean, count, duration, many, percent},
};
use crate::result::{RunResult, Scenario, Verdict};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("page.css");
/// Nothing may be loaded and nothing run.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// Scenarios that get charts and tables; all are in the overview.
const SCENARIOS: usize = 200;

/// The result as a page.
#[must_use]
pub(crate) fn render(run: &RunResult) -> String {
    let target = clean(&run.target.name);
    page(
        &format!("Reliability of {target}"),
        &html! {
            header { (head(run, &target)) }
            main {
                section aria-labelledby="scenarios" {
                    h2 #scenarios { "Scenarios" }
                    (tables::overview(run).html())
                }
                @for (at, scenario) in run.scenarios.iter().take(SCENARIOS).enumerate() { (section(at, scenario)) }
            }
        },
    )
}

/// A page of the lab.
pub(crate) fn page(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="color-scheme" content="light dark";
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}

fn head(run: &RunResult, target: &str) -> Markup {
    let (class, word) = if run.passed() { ("good", "Passed") } else { ("bad", "Failed") };
    html! {
        p.kicker { "Reliability report" }
        h1 { (target) }
        p.verdict.(class) { strong { (word) } " " (story::verdict(run)) }
        p.story { (story::of_run(run)) }
        (tiles(run))
        dl.facts { @for (name, value) in markdown::facts(run) { div { dt { (name) } dd { (value) } } } }
    }
}

/// The figures that are looked for first.
fn tiles(run: &RunResult) -> Markup {
    let summary = super::Summary::of(run);
    let share = |share: Option<f64>| share.map(percent);
    let rate = |rate: Option<f64>| rate.map(|rate| percent(100.0 * rate));
    let tiles = [
        ("Tools listed", share(summary.listed_percent)),
        ("Tools callable", share(summary.callable_percent)),
        ("Clients that succeeded", rate(summary.success_rate)),
        ("Heartbeats answered", rate(summary.heartbeat_effectiveness)),
        ("Average session", summary.average_session_duration_seconds.map(duration)),
        ("Calls", Some(count(summary.calls))),
    ];
    html! {
        ul.tiles { @for (name, figure) in tiles {
            @if let Some(figure) = figure { li { span.figure { (figure) } span { (name) } } }
        } }
    }
}

fn section(at: usize, scenario: &Scenario) -> Markup {
    let id = format!("scenario-{}", at + 1);
    let (class, word) = match scenario.verdict {
        Verdict::Passed => ("good", "passed"),
        Verdict::Failed => ("bad", "failed"),
        Verdict::Skipped => ("", "skipped"),
    };
    html! {
        section.scenario aria-labelledby=(id) {
            h2 #(id) { (clean(&scenario.name)) " " span.badge.(class) { (word) } }
            p.about { (clean(&scenario.description)) }
            @if let Some(reason) = &scenario.reason { p { "Reason: " (clean(reason)) } }
            @if scenario.availability.is_some() { p.story { (story::of_scenario(scenario)) } }
            (brief(scenario))
            @let charts = charts(scenario);
            @if !charts.is_empty() { div.charts { @for chart in charts { (chart) } } }
            @for table in tables::of_scenario(scenario) { (folded(&table)) }
        }
    }
}

fn brief(scenario: &Scenario) -> Markup {
    let personas: Vec<String> = scenario.personas.iter().map(|persona| clean(persona)).collect();
    let clients = many(scenario.clients.len() as u64, "client");
    let calls = many(scenario.calls.started, "call");
    html! {
        p.brief {
            (duration(scenario.duration_s)) ", " (clients)
            @if !personas.is_empty() { " (" (personas.join(", ")) ")" }
            ", " (calls)
        }
    }
}

fn charts(scenario: &Scenario) -> Vec<Markup> {
    let draw = [chart::availability, chart::recovery, chart::latency, chart::memory, chart::files];
    draw.into_iter().filter_map(|draw| draw(scenario)).collect()
}

/// A table that can be folded away; what failed is open.
fn folded(table: &Table) -> Markup {
    html! {
        details open[table.has_bad()] {
            summary { (table.title) }
            (table.html())
        }
    }
}

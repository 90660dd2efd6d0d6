//! Tables of what was measured in a scenario.

use crate::{
    report::{
        table::{Cell, Table},
        words::{bytes, clean, count, duration, millis, percent, short},
    },
    result::{Outcome, Percentiles, Scenario},
};

/// How calls ended.
pub(super) fn calls(scenario: &Scenario) -> Table {
    let mut table = Table::new("Calls", ["Outcome", "#Calls", "#Share"]);
    let started = scenario.calls.started;
    for (outcome, &calls) in &scenario.calls.outcomes {
        let share = if started == 0 { 0.0 } else { 100.0 * calls as f64 / started as f64 };
        table.row([
            outcome_words(*outcome).to_owned().into(),
            count(calls).into(),
            percent(share).into(),
        ]);
    }
    table
}

/// An outcome in words.
fn outcome_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "result",
        Outcome::ToolError => "the tool failed",
        Outcome::ClientError => "refused, the client's fault",
        Outcome::ServerError => "refused, the server's fault",
        Outcome::Unavailable => "unavailable, did not run",
        Outcome::OutcomeUnknown => "outcome unknown",
        Outcome::RateLimited => "too many calls",
        Outcome::Timeout => "no answer in time",
        Outcome::Disconnected => "connection lost",
        Outcome::Cancelled => "cancelled",
    }
}

/// The figures of a distribution, in the order in which they are shown.
pub(crate) fn percentiles(of: &Percentiles) -> [(&'static str, f64); 5] {
    [
        ("p50", of.p50_ms),
        ("p90", of.p90_ms),
        ("p99", of.p99_ms),
        ("p99.9", of.p99_9_ms),
        ("max", of.max_ms),
    ]
}

/// How long calls took.
pub(super) fn latency(scenario: &Scenario) -> Table {
    let mut table =
        Table::new("Latency", ["Percentile", "#From when it was due", "#From when it was sent"]);
    let Some(latency) = &scenario.latency else { return table };
    for ((name, corrected), (_, raw)) in
        percentiles(&latency.corrected).into_iter().zip(percentiles(&latency.raw))
    {
        table.row([name.to_owned().into(), millis(corrected).into(), millis(raw).into()]);
    }
    table.row([
        "calls".to_owned().into(),
        count(latency.corrected.count).into(),
        count(latency.raw.count).into(),
    ]);
    table
}

/// What ran, by the oracle.
pub(super) fn oracle(scenario: &Scenario) -> Table {
    let mut table = Table::new("What really ran", ["Count", "#Amount"]);
    let Some(oracle) = &scenario.oracle else { return table };
    table.row(["calls sent".to_owned().into(), count(oracle.sent).into()]);
    table.row(["calls that ran".to_owned().into(), count(oracle.ran).into()]);
    let faults = [
        ("ran more than once", oracle.ran_twice),
        ("lost", oracle.lost),
        ("hanging", oracle.hanging),
        ("leaked to another client", oracle.leaked),
        ("tools missing at the end", oracle.tools_missing),
    ];
    for (name, amount) in faults {
        table.row([name.to_owned().into(), Cell::bad_if(amount > 0, count(amount))]);
    }
    table
}

/// What the target used.
pub(super) fn resources(scenario: &Scenario) -> Table {
    let mut table = Table::new("What the target used", ["What", "#First", "#Last", "#Most"]);
    let Some(resources) = &scenario.resources else { return table };
    let samples = &resources.samples;
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return table };
    let most = samples.iter().map(|sample| sample.rss_bytes).max().unwrap_or(0);
    let memory = [first.rss_bytes, last.rss_bytes, most].map(|amount| bytes(amount as f64).into());
    table.row([Cell::from("memory (resident)".to_owned())].into_iter().chain(memory));
    if let (Some(from), Some(to)) = (first.fds, last.fds) {
        let most = samples.iter().filter_map(|sample| sample.fds).max().unwrap_or(0);
        let files = [from, to, most].map(|amount| count(amount).into());
        table.row([Cell::from("open files".to_owned())].into_iter().chain(files));
    }
    if let (Some(from), Some(to)) = (first.cpu_seconds, last.cpu_seconds) {
        let used = [from, to, to].map(|amount| duration(amount).into());
        table.row([Cell::from("processor time".to_owned())].into_iter().chain(used));
    }
    table
}

/// What the target says of itself.
pub(super) fn target_metrics(scenario: &Scenario) -> Table {
    let mut table = Table::new("Metrics of the target", ["Metric", "#First", "#Last"]);
    for (name, [first, last]) in &scenario.target_metrics {
        table.row([clean(name).into(), short(*first).into(), short(*last).into()]);
    }
    table
}

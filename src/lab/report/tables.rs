//! What of a result is shown in tables: in the HTML page and in Markdown alike.

use super::{
    story,
    table::{Cell, Table, Tone},
    words::{bytes, clean, count, duration, millis, percent, short},
};
use crate::result::{Client, FinalStatus, Outcome, Percentiles, RunResult, Scenario, Verdict};

/// Stands for what was not measured.
const NONE: &str = "–";

pub(crate) fn verdict(verdict: Verdict) -> Cell {
    match verdict {
        Verdict::Passed => Cell::toned("passed", Tone::Good),
        Verdict::Failed => Cell::toned("failed", Tone::Bad),
        Verdict::Skipped => Cell::toned("skipped", Tone::Plain),
    }
}

fn known(value: Option<String>) -> Cell {
    Cell::from(value.unwrap_or_else(|| NONE.to_owned()))
}

/// Every scenario in a row.
pub(crate) fn overview(run: &RunResult) -> Table {
    let columns = [
        "Scenario",
        "Verdict",
        "#Listed",
        "#Callable",
        "#Gone for",
        "#Slowest recovery",
        "#Calls",
        "#Without result",
        "#p99",
    ];
    let mut table = Table::new("Scenarios", columns);
    for scenario in &run.scenarios {
        table.row(overview_row(scenario));
    }
    table
}

fn overview_row(scenario: &Scenario) -> [Cell; 9] {
    let gone: f64 = story::gaps(scenario).iter().map(story::Gap::length_s).sum();
    let availability = scenario.availability.as_ref();
    let unanswered = unanswered(scenario);
    [
        clean(&scenario.name).into(),
        verdict(scenario.verdict),
        availability.map_or_else(|| known(None), |a| share(a.listed_percent)),
        availability.map_or_else(|| known(None), |a| share(a.callable_percent)),
        known(availability.map(|_| duration(gone))),
        slowest_recovery(scenario),
        count(scenario.calls.started).into(),
        Cell::bad_if(unanswered > 0, count(unanswered)),
        known(scenario.latency.as_ref().map(|latency| millis(latency.corrected.p99_ms))),
    ]
}

fn share(share: f64) -> Cell {
    Cell::bad_if(share < 100.0, percent(share))
}

/// Calls that ended in anything but an answer of the tool.
pub(crate) fn unanswered(scenario: &Scenario) -> u64 {
    let answered = [Outcome::Ok, Outcome::ToolError]
        .map(|outcome| scenario.calls.outcomes.get(&outcome).copied());
    scenario.calls.started.saturating_sub(answered.into_iter().flatten().sum())
}

fn slowest_recovery(scenario: &Scenario) -> Cell {
    if scenario.recoveries.iter().any(|recovery| recovery.recovered_after_s.is_none()) {
        return Cell::toned("did not", Tone::Bad);
    }
    let slowest = scenario.recoveries.iter().filter_map(|recovery| recovery.recovered_after_s);
    known(slowest.reduce(f64::max).map(duration))
}

/// The tables of a scenario that have something in them.
pub(crate) fn of_scenario(scenario: &Scenario) -> Vec<Table> {
    let tables = [
        expectations(scenario),
        gaps(scenario),
        causes(scenario),
        faults(scenario),
        recoveries(scenario),
        failures(scenario),
        calls(scenario),
        latency(scenario),
        oracle(scenario),
        resources(scenario),
        clients(scenario),
        target_metrics(scenario),
    ];
    tables.into_iter().filter(|table| !table.is_empty()).collect()
}

fn expectations(scenario: &Scenario) -> Table {
    let mut table =
        Table::new("What was expected", ["Expectation", "Held", "Expected", "Measured", "Cause"]);
    let (held, failed): (Vec<_>, Vec<_>) = scenario.expectations.iter().partition(|e| e.passed);
    for expectation in failed.into_iter().chain(held) {
        let held = if expectation.passed {
            Cell::toned("yes", Tone::Good)
        } else {
            Cell::toned("no", Tone::Bad)
        };
        table.row([
            clean(&expectation.name).into(),
            held,
            clean(&expectation.expected).into(),
            clean(&expectation.measured).into(),
            known(expectation.cause.as_deref().map(clean)),
        ]);
    }
    table
}

/// The stretches in which tools were gone.
pub(crate) fn gaps(scenario: &Scenario) -> Table {
    let mut table =
        Table::new("When tools were gone", ["#From", "#To", "#For", "#Listed", "#Callable", "Why"]);
    let tools = scenario.availability.as_ref().map_or(0, |availability| availability.tools);
    for gap in story::gaps(scenario) {
        table.row([
            duration(gap.from_s).into(),
            duration(gap.to_s).into(),
            duration(gap.length_s()).into(),
            Cell::bad_if(gap.listed < tools, format!("{} of {tools}", gap.listed)),
            Cell::bad_if(gap.callable < tools, format!("{} of {tools}", gap.callable)),
            gap.why().into(),
        ]);
    }
    table
}

fn causes(scenario: &Scenario) -> Table {
    let columns = ["Cause", "#Not listed (tool seconds)", "#Not callable (tool seconds)"];
    let mut table = Table::new("What was lost, by cause", columns);
    for by in
        scenario.availability.iter().flat_map(|availability| &availability.unavailable_by_cause)
    {
        table.row([
            clean(&by.cause).into(),
            short(by.unlisted_tool_seconds).into(),
            short(by.uncallable_tool_seconds).into(),
        ]);
    }
    table
}

/// The faults that were put in.
pub(crate) fn faults(scenario: &Scenario) -> Table {
    let mut table =
        Table::new("Faults", ["Fault", "Kind", "Direction", "#From", "#To", "#Injected"]);
    for fault in &scenario.faults {
        let direction = fault.direction.map(|direction| format!("{direction:?}").to_lowercase());
        table.row([
            clean(&fault.name).into(),
            clean(&fault.kind).into(),
            known(direction),
            duration(fault.from_s).into(),
            fault.to_s.map_or_else(|| "the end".to_owned(), duration).into(),
            count(fault.injected).into(),
        ]);
    }
    table
}

/// How the target came back after each fault.
pub(crate) fn recoveries(scenario: &Scenario) -> Table {
    let columns = ["Fault", "#At", "#Noticed after its begin", "#All back after its end"];
    let mut table = Table::new("Recovery", columns);
    for recovery in &scenario.recoveries {
        let back = recovery.recovered_after_s.map(duration);
        table.row([
            clean(&recovery.fault).into(),
            duration(recovery.at_s).into(),
            known(recovery.detected_after_s.map(duration)),
            back.map_or_else(|| Cell::toned("not in this run", Tone::Bad), Cell::from),
        ]);
    }
    table
}

fn failures(scenario: &Scenario) -> Table {
    let mut table = Table::new("What failed", ["#At", "Client", "What", "Message", "Fault"]);
    for failure in &scenario.failures {
        table.row([
            duration(failure.at_s).into(),
            known(failure.client.as_deref().map(clean)),
            clean(&failure.what).into(),
            clean(&failure.message).into(),
            known(failure.fault.as_deref().map(clean)),
        ]);
    }
    table.leave_out(scenario.failures_left_out);
    table
}

fn calls(scenario: &Scenario) -> Table {
    let mut table = Table::new("Calls", ["Outcome", "#Calls", "#Share"]);
    let started = scenario.calls.started;
    for (outcome, &calls) in &scenario.calls.outcomes {
        let share = if started == 0 { 0.0 } else { 100.0 * calls as f64 / started as f64 };
        table.row([
            self::outcome(*outcome).to_owned().into(),
            count(calls).into(),
            percent(share).into(),
        ]);
    }
    table
}

/// An outcome in words.
pub(crate) fn outcome(outcome: Outcome) -> &'static str {
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
pub(crate) fn latency(scenario: &Scenario) -> Table {
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

fn oracle(scenario: &Scenario) -> Table {
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
pub(crate) fn resources(scenario: &Scenario) -> Table {
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

fn clients(scenario: &Scenario) -> Table {
    let columns = [
        "Client",
        "Test",
        "Persona",
        "Success",
        "At the end",
        "#There for",
        "Session",
        "Another one after",
        "#Heartbeats",
    ];
    let mut table = Table::new("Clients", columns);
    let (good, bad): (Vec<_>, Vec<_>) = scenario.clients.iter().partition(|client| client.success);
    for client in bad.into_iter().chain(good) {
        table.row(client_row(client));
    }
    table
}

fn client_row(client: &Client) -> [Cell; 9] {
    let success = match &client.error {
        _ if client.success => Cell::toned("yes", Tone::Good),
        Some(error) => Cell::toned(format!("no: {}", clean(error)), Tone::Bad),
        None => Cell::toned("no", Tone::Bad),
    };
    let beats = client.heartbeats_sent.zip(client.heartbeats_expected);
    let another =
        client.sessions_different.map(|differ| if differ { "yes" } else { "no, the same" });
    [
        clean(&client.client_id).into(),
        clean(&client.test).into(),
        clean(&client.persona).into(),
        success,
        final_status(client.final_status).to_owned().into(),
        duration(client.duration_seconds).into(),
        known(client.session_id.as_ref().or(client.session1_id.as_ref()).map(|id| clean(id))),
        known(another.map(str::to_owned)),
        known(beats.map(|(sent, expected)| format!("{} of {}", count(sent), count(expected)))),
    ]
}

fn final_status(status: FinalStatus) -> &'static str {
    match status {
        FinalStatus::Active => "active",
        FinalStatus::Disconnected => "disconnected",
        FinalStatus::Expired => "expired",
        FinalStatus::GaveUp => "gave up",
        FinalStatus::NeverConnected => "never connected",
    }
}

fn target_metrics(scenario: &Scenario) -> Table {
    let mut table = Table::new("Metrics of the target", ["Metric", "#First", "#Last"]);
    for (name, [first, last]) in &scenario.target_metrics {
        table.row([clean(name).into(), short(*first).into(), short(*last).into()]);
    }
    table
}

//! What of a result is shown in tables: in the HTML page and in Markdown alike.

mod measured;

pub(crate) use measured::percentiles;

use super::{
    gap,
    table::{Cell, Table, Tone},
    words::{clean, count, duration, millis, percent, short},
};
use crate::result::{Client, FinalStatus, Outcome, RunResult, Scenario, Verdict};

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
    let gone: f64 = gap::gaps(scenario).iter().map(gap::Gap::length_s).sum();
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

/// The tables of a scenario that have something in them, but for what was expected.
pub(crate) fn of_scenario(scenario: &Scenario) -> Vec<Table> {
    let tables = [
        gaps(scenario),
        causes(scenario),
        faults(scenario),
        recoveries(scenario),
        failures(scenario),
        measured::calls(scenario),
        measured::latency(scenario),
        measured::oracle(scenario),
        measured::resources(scenario),
        clients(scenario),
        measured::target_metrics(scenario),
    ];
    tables.into_iter().filter(|table| !table.is_empty()).collect()
}

/// What was expected, first what did not hold.
pub(crate) fn expectations(scenario: &Scenario) -> Table {
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
    for gap in gap::gaps(scenario) {
        table.row([
            duration(gap.from_s).into(),
            duration(gap.to_s).into(),
            duration(gap.length_s()).into(),
            Cell::bad_if(gap.listed < tools, format!("{} of {tools}", gap.listed)),
            Cell::bad_if(gap.callable < tools, format!("{} of {tools}", gap.callable)),
            gap.why(scenario).into(),
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

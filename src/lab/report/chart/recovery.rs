//! How fast a fault was noticed, and how fast all was back after it.

use super::{
    Figure,
    axis::{Axis, TIMES},
    rows::{self, Mark, Row},
};
use crate::{
    report::words::{clean, duration},
    result::{Recovery, Scenario},
};
use maud::{Markup, html};

/// Recoveries that are drawn.
const DRAWN: usize = 40;

/// The chart, when a fault was noticed.
pub(crate) fn recovery(scenario: &Scenario) -> Option<Markup> {
    let recoveries = &scenario.recoveries;
    if recoveries.is_empty() {
        return None;
    }
    let times = recoveries.iter().flat_map(|r| [r.detected_after_s, r.recovered_after_s]).flatten();
    let axis = Axis::rounded(times.fold(0.0, f64::max), 4, &TIMES);
    let rows: Vec<Row> =
        recoveries.iter().take(DRAWN).map(|recovery| row(recovery, &axis)).collect();
    let ticks: Vec<(f64, String)> =
        axis.ticks.iter().map(|tick| (axis.place(*tick), duration(*tick))).collect();
    let figure = Figure {
        title: "Recovery",
        says:
            "For each fault: how long after its begin it was noticed, and how long after its end \
               every tool could be called again."
                .to_owned(),
        legend: &[("noticed", "noticed, after its begin"), ("back", "all back, after its end")],
    };
    let rest = recoveries.len().saturating_sub(DRAWN);
    Some(figure.around(&html! {
        (rows::draw(&rows, &ticks))
        @if rest > 0 { p.rest { "and " (rest) " more" } }
    }))
}

fn row(recovery: &Recovery, axis: &Axis) -> Row {
    let bar = |class, time: Option<f64>| time.map(|time| Mark::Bar(class, 0.0, axis.place(time)));
    let marks =
        [bar("noticed", recovery.detected_after_s), bar("back", recovery.recovered_after_s)];
    let back = match recovery.recovered_after_s {
        Some(time) => ("back", duration(time)),
        None => ("bad", "not back".to_owned()),
    };
    let noticed = recovery.detected_after_s.map_or_else(|| "not noticed".to_owned(), duration);
    Row {
        name: format!("{} at {}", clean(&recovery.fault), duration(recovery.at_s)),
        says: vec![("noticed", noticed), back],
        marks: marks.into_iter().flatten().collect(),
    }
}

//! How long calls took, by percentile, from when they were due and from when they were sent.

use super::{
    Figure,
    axis::Decades,
    rows::{self, Mark, Row},
};
use crate::{
    report::{tables::percentiles, words::millis},
    result::Scenario,
};
use maud::Markup;

/// The chart, when calls were timed.
pub(crate) fn latency(scenario: &Scenario) -> Option<Markup> {
    let latency = scenario.latency.as_ref().filter(|latency| latency.corrected.count > 0)?;
    let (due, sent) = (percentiles(&latency.corrected), percentiles(&latency.raw));
    let axis = Decades::over(due.iter().chain(&sent).map(|(_, millis)| *millis));
    let rows: Vec<Row> = due
        .into_iter()
        .zip(sent)
        .map(|((name, due), (_, sent))| Row {
            name: name.to_owned(),
            says: vec![("due", millis(due)), ("sent", millis(sent))],
            marks: vec![
                Mark::Bar("between", axis.place(sent.min(due)), axis.place(due.max(sent))),
                Mark::Point("sent", axis.place(sent)),
                Mark::Point("due", axis.place(due)),
            ],
        })
        .collect();
    let ticks: Vec<(f64, String)> =
        axis.ticks().into_iter().map(|tick| (axis.place(tick), millis(tick))).collect();
    let figure = Figure {
        title: "Latency",
        says:
            "By percentile; each step to the right is ten times as long. Counted from when a call \
               was due, a call that had to wait for others before it could be sent counts in full."
                .to_owned(),
        legend: &[("due", "from when it was due"), ("sent", "from when it was sent")],
    };
    Some(figure.around(&rows::draw(&rows, &ticks)))
}

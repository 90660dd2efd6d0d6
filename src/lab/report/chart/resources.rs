//! What the target used over time.

use super::{
    Figure,
    axis::{Axis, MEMORY, TIMES},
    plot::{Plot, Point},
};
use crate::{
    report::{
        story,
        words::{bytes, count},
    },
    result::{ResourceSample, Scenario},
};
use maud::Markup;

/// Its memory, when that is known.
pub(crate) fn memory(scenario: &Scenario) -> Option<Markup> {
    let points = points(scenario, |sample| Some(sample.rss_bytes));
    let (first, last) = (points.first()?.1, points.last()?.1);
    let says = story::memory(scenario).unwrap_or_else(|| {
        format!("Resident memory: {} at first, {} at the end.", bytes(first), bytes(last))
    });
    over_time("Memory", says, scenario.duration_s, &points, (&MEMORY, bytes))
}

/// Its open files, when they are known.
pub(crate) fn files(scenario: &Scenario) -> Option<Markup> {
    let points = points(scenario, |sample| sample.fds);
    let whole = |figure: f64| count(figure as u64);
    let (first, last) = (points.first()?.1, points.last()?.1);
    let says =
        format!("Open file descriptors: {} at first, {} at the end.", whole(first), whole(last));
    over_time("Open files", says, scenario.duration_s, &points, (&[1.0, 2.0, 5.0], whole))
}

fn points(scenario: &Scenario, of: fn(&ResourceSample) -> Option<u64>) -> Vec<Point> {
    let samples = scenario.resources.iter().flat_map(|resources| &resources.samples);
    samples.filter_map(|sample| Some((sample.at_s, of(sample)? as f64))).collect()
}

fn over_time(
    title: &str,
    says: String,
    end: f64,
    points: &[Point],
    (units, written): (&[f64], fn(f64) -> String),
) -> Option<Markup> {
    // A line needs two ends.
    if points.len() < 2 {
        return None;
    }
    let most = points.iter().map(|(_, figure)| *figure).fold(0.0, f64::max);
    let mut plot = Plot {
        time: Axis::exact(end, 6, &TIMES),
        figures: Axis::rounded(most, 4, units),
        written,
        shapes: Vec::new(),
        below: None,
    };
    plot.line("used", points);
    let label = says.clone();
    Some(Figure { title, says, legend: &[] }.around(&plot.draw(&label)))
}

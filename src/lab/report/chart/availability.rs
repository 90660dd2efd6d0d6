//! How many tools were there over time, with the faults that were put in laid over it.

use super::{
    Figure,
    axis::{Axis, TIMES},
    css,
    plot::{Plot, Point},
};
use crate::{
    report::{
        story,
        words::{clean, count, duration},
    },
    result::{AvailabilitySample, Fault, Scenario},
};
use maud::{Markup, html};

/// Faults that are drawn: one entry is one time a fault was on.
const FAULTS: usize = 300;
/// Faults of different names that get a lane.
const LANES: usize = 12;
/// Failures that are marked.
const FAILURES: usize = 300;

/// The chart, when somebody watched the tools.
pub(crate) fn availability(scenario: &Scenario) -> Option<Markup> {
    let availability =
        scenario.availability.as_ref().filter(|availability| !availability.series.is_empty())?;
    let end = scenario.duration_s;
    let most =
        |of: fn(&AvailabilitySample) -> u32| availability.series.iter().map(of).max().unwrap_or(0);
    let tools = availability.tools.max(most(|s| s.listed)).max(most(|s| s.callable));
    let mut plot = Plot {
        time: Axis::exact(end, 6, &TIMES),
        figures: Axis::rounded(f64::from(tools.max(1)), 4, &[1.0, 2.0, 5.0]),
        written: |figure| format!("{figure:.0}"),
        shapes: Vec::new(),
        below: Some(lanes(scenario)),
    };
    for fault in scenario.faults.iter().take(FAULTS) {
        plot.band("fault", fault.from_s, fault.to_s.unwrap_or(end), &title(fault, end));
    }
    let points = |of: fn(&AvailabilitySample) -> u32| -> Vec<Point> {
        availability.series.iter().map(|sample| (sample.at_s, f64::from(of(sample)))).collect()
    };
    plot.steps("callable", &points(|sample| sample.callable), end);
    plot.steps("listed", &points(|sample| sample.listed), end);
    let says = story::of_scenario(scenario);
    let figure = Figure {
        title: "Tools over time",
        says:
            "How many tools were listed and how many could be called; a shaded stretch is a fault."
                .to_owned(),
        legend: &[
            ("listed", "listed"),
            ("callable", "callable"),
            ("fault", "a fault is on"),
            ("failure", "a failure"),
        ],
    };
    Some(figure.around(&plot.draw(&says)))
}

fn title(fault: &Fault, end: f64) -> String {
    let to = fault.to_s.unwrap_or(end);
    let (name, kind) = (clean(&fault.name), clean(&fault.kind));
    let times = count(fault.injected);
    format!("{name} ({kind}): {} to {}, injected {times} ×", duration(fault.from_s), duration(to))
}

/// A lane for each fault's name, and one for failures.
fn lanes(scenario: &Scenario) -> Markup {
    let end = scenario.duration_s;
    let axis = Axis::exact(end, 6, &TIMES);
    let mut names: Vec<&str> = Vec::new();
    for fault in &scenario.faults {
        if !names.contains(&fault.name.as_str()) && names.len() <= LANES {
            names.push(&fault.name);
        }
    }
    let has_more = names.len() > LANES;
    names.truncate(LANES);
    html! {
        div.lanes aria-hidden="true" {
            @if !scenario.failures.is_empty() {
                div.lane { @for failure in scenario.failures.iter().take(FAILURES) {
                    i.failure style={ "left:" (css(axis.place(failure.at_s))) }
                        title={ (duration(failure.at_s)) ": " (clean(&failure.message)) } {}
                } }
            }
            @for name in names {
                div.lane {
                    @for fault in scenario.faults.iter().filter(|f| f.name == name).take(FAULTS) { (bar(fault, &axis, end)) }
                    span { (clean(name)) }
                }
            }
            @if has_more { p.rest { "Faults of further names are in the table." } }
        }
    }
}

fn bar(fault: &Fault, axis: &Axis, end: f64) -> Markup {
    let (from, to) = (axis.place(fault.from_s), axis.place(fault.to_s.unwrap_or(end)));
    html! { i.fault style={ "left:" (css(from)) ";width:" (css(to - from)) } title=(title(fault, end)) {} }
}

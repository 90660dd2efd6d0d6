//! Something over time.

use super::{axis::Axis, css};
use crate::report::words::duration;
use maud::{Markup, PreEscaped, html};
use std::fmt::Write as _;

/// Width and height of the drawing in its own units; it is stretched to the size it has on the page.
const WIDE: f64 = 1000.0;
const HIGH: f64 = 200.0;
/// Points of a line: more than a screen can show.
const POINTS: usize = 2_000;

/// Two axes and what is drawn between them.
pub(super) struct Plot {
    pub(super) time: Axis,
    pub(super) figures: Axis,
    /// How a figure is written.
    pub(super) written: fn(f64) -> String,
    /// What is drawn, from the back to the front.
    pub(super) shapes: Vec<Markup>,
    /// What is below the drawing, over the same time.
    pub(super) below: Option<Markup>,
}

/// A figure from a time on.
pub(super) type Point = (f64, f64);

impl Plot {
    /// A line from each point straight to the next.
    pub(super) fn line(&mut self, class: &str, points: &[Point]) {
        let path = self.path(&thinned(points));
        self.shapes.push(html! { path.(class) d=(path) vector-effect="non-scaling-stroke" {} });
    }

    /// A line that keeps each figure until the next, and the area below it.
    pub(super) fn steps(&mut self, class: &str, points: &[Point], end: f64) {
        let points = stepped(&thinned(points), end);
        let line = self.path(&points);
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
        let (left, right) = (self.time.place(first.0) * WIDE, self.time.place(last.0) * WIDE);
        let area = format!("{line}L{right:.1} {HIGH}L{left:.1} {HIGH}Z");
        self.shapes.push(html! {
            path class={ (class) " area" } d=(area) {}
            path.(class) d=(line) vector-effect="non-scaling-stroke" {}
        });
    }

    /// A stretch of time, from top to bottom.
    pub(super) fn band(&mut self, class: &str, from: f64, to: f64, title: &str) {
        let (from, to) = (self.time.place(from) * WIDE, self.time.place(to) * WIDE);
        // So narrow that it could be missed it would not be drawn at all.
        let width = (to - from).max(2.0);
        self.shapes.push(html! {
            rect.(class) x=(format!("{from:.1}")) y="0" width=(format!("{width:.1}")) height=(HIGH) {
                title { (title) }
            }
        });
    }

    fn path(&self, points: &[Point]) -> String {
        let mut path = String::new();
        for (at, (time, figure)) in points.iter().enumerate() {
            let (x, y) = (self.time.place(*time) * WIDE, HIGH - self.figures.place(*figure) * HIGH);
            // Writing to a string cannot fail.
            let _always = write!(path, "{}{x:.1} {y:.1}", if at == 0 { 'M' } else { 'L' });
        }
        path
    }

    /// The drawing, of which `label` says in words what it shows.
    pub(super) fn draw(&self, label: &str) -> Markup {
        html! {
            div.plot {
                div.ys aria-hidden="true" { @for tick in &self.figures.ticks {
                    span style={ "bottom:" (css(self.figures.place(*tick))) } { ((self.written)(*tick)) }
                } }
                svg role="img" aria-label=(label) viewBox={ "0 0 " (WIDE) " " (HIGH) } preserveAspectRatio="none" {
                    (self.grid())
                    @for shape in &self.shapes { (shape) }
                }
                @if let Some(below) = &self.below { (below) }
                div.xs aria-hidden="true" { @for (at, tick) in self.time.ticks.iter().enumerate() {
                    span.minor[at % 2 == 1] style={ "left:" (css(self.time.place(*tick))) } { (duration(*tick)) }
                } }
            }
        }
    }

    fn grid(&self) -> Markup {
        let mut path = String::new();
        for tick in &self.figures.ticks {
            let y = HIGH - self.figures.place(*tick) * HIGH;
            // Writing to a string cannot fail.
            let _always = write!(path, "M0 {y:.1}H{WIDE}");
        }
        html! { path.grid d=(PreEscaped(path)) vector-effect="non-scaling-stroke" {} }
    }
}

/// No more points than can be seen; of those that stand for many, the least and the most are kept,
/// so that no short dip is lost.
fn thinned(points: &[Point]) -> Vec<Point> {
    let by_figure = |a: &&Point, b: &&Point| a.1.total_cmp(&b.1);
    let chunk = (2 * points.len()).div_ceil(POINTS);
    if chunk <= 2 {
        return points.to_vec();
    }
    let mut kept = Vec::with_capacity(POINTS + 2);
    for few in points.chunks(chunk) {
        let ends = few.iter().min_by(by_figure).zip(few.iter().max_by(by_figure));
        let Some((least, most)) = ends else { continue };
        let (first, then) = if least.0 <= most.0 { (least, most) } else { (most, least) };
        kept.extend([*first, *then]);
    }
    // What was at the very end is what it came to.
    kept.extend(points.last());
    kept
}

fn stepped(points: &[Point], end: f64) -> Vec<Point> {
    let mut steps: Vec<Point> = Vec::with_capacity(2 * points.len() + 1);
    for (time, figure) in points {
        if let Some((_, before)) = steps.last().copied() {
            steps.push((*time, before));
        }
        steps.push((*time, *figure));
    }
    if let Some((time, figure)) = steps.last().copied() {
        steps.push((end.max(time), figure));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dip_of_one_sample_among_a_hundred_thousand_is_still_drawn() {
        let mut points: Vec<Point> = (0..100_000).map(|n| (f64::from(n), 12.0)).collect();
        points[54_321].1 = 3.0;
        let kept = thinned(&points);
        assert!(kept.len() <= POINTS + 2, "{}", kept.len());
        assert!(kept.contains(&(54_321.0, 3.0)));
        assert!(kept.is_sorted_by(|a, b| a.0 <= b.0));
    }

    #[test]
    fn a_step_keeps_its_figure_until_the_next() {
        let steps = stepped(&[(0.0, 1.0), (2.0, 0.0)], 3.0);
        assert_eq!(steps, [(0.0, 1.0), (2.0, 1.0), (2.0, 0.0), (3.0, 0.0)]);
    }
}

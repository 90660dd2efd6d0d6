//! Two runs side by side: what got better, what got worse.

use super::{
    html::page,
    measure::Measure,
    table::{Cell, Table, Tone, escape},
    tables,
    words::{clean, list, many},
};
use crate::result::{RunResult, Scenario, Verdict};
use maud::{Markup, html};
use serde::Serialize;

/// Two runs side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diff {
    /// What is said of the first run: its target and when it began.
    pub before: String,
    /// What is said of the second.
    pub after: String,
    /// Whether both came from the same seed and the same scale of time.
    pub same_plan: bool,
    /// Scenarios whose verdict is another one.
    pub verdicts: Vec<VerdictChange>,
    /// Every figure that both have, for each scenario that both have.
    pub figures: Vec<FigureChange>,
    /// Scenarios that only the first has.
    pub only_before: Vec<String>,
    /// Scenarios that only the second has.
    pub only_after: Vec<String>,
}

/// A scenario whose verdict is another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerdictChange {
    /// Which.
    pub scenario: String,
    /// Its verdict in the first run.
    pub before: Verdict,
    /// Its verdict in the second.
    pub after: Verdict,
}

/// A figure of a scenario in both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FigureChange {
    /// Which scenario.
    pub scenario: String,
    /// Which figure; its name tells its unit.
    pub measure: Measure,
    /// In the first run.
    pub before: f64,
    /// In the second.
    pub after: f64,
    /// What that means.
    pub change: Change,
}

/// What became of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is better.
    Better,
    /// It is worse.
    Worse,
    /// It is the same, or as near as two runs of the same come.
    Same,
}

impl Diff {
    /// Sets a run against an earlier one.
    #[must_use]
    pub fn of(before: &RunResult, after: &RunResult) -> Self {
        let named = |run: &RunResult| clean(&format!("{}, {}", run.target.name, run.started));
        let pairs: Vec<(&Scenario, &Scenario)> = before
            .scenarios
            .iter()
            .filter_map(|scenario| Some((scenario, find(after, &scenario.name)?)))
            .collect();
        Self {
            before: named(before),
            after: named(after),
            same_plan: (before.seed, before.time_scale) == (after.seed, after.time_scale),
            verdicts: pairs.iter().filter_map(|(a, b)| verdict_change(a, b)).collect(),
            figures: pairs.iter().flat_map(|(a, b)| figure_changes(a, b)).collect(),
            only_before: only_in(before, after),
            only_after: only_in(after, before),
        }
    }

    /// How many figures and verdicts changed so.
    #[must_use]
    pub fn count(&self, change: Change) -> usize {
        let verdicts = self.verdicts.iter().filter(|verdict| verdict.change() == change).count();
        verdicts + self.figures.iter().filter(|figure| figure.change == change).count()
    }

    fn sentence(&self) -> String {
        let (better, worse) = (self.count(Change::Better), self.count(Change::Worse));
        let of = many((self.figures.len() + self.verdicts.len()) as u64, "figure");
        let plan = if self.same_plan {
            ""
        } else {
            " The seeds or the scales of time differ, so the faults do too."
        };
        format!("{better} better, {worse} worse, of {of} that both runs have.{plan}")
    }

    fn table(&self) -> Table {
        let mut table =
            Table::new("What changed", ["Scenario", "Figure", "#Before", "#After", "Change"]);
        for verdict in &self.verdicts {
            let cells = [verdict.before, verdict.after].map(tables::verdict);
            let row = [clean(&verdict.scenario).into(), "verdict".to_owned().into()]
                .into_iter()
                .chain(cells);
            table.row(row.chain([verdict.change().cell()]));
        }
        for change in [Change::Worse, Change::Better] {
            for figure in self.figures.iter().filter(|figure| figure.change == change) {
                table.row([
                    clean(&figure.scenario).into(),
                    figure.measure.name().to_owned().into(),
                    figure.measure.written(figure.before).into(),
                    figure.measure.written(figure.after).into(),
                    change.cell(),
                ]);
            }
        }
        table
    }

    fn missing(&self) -> Vec<String> {
        let sentence = |whose: &str, names: &[String]| {
            (!names.is_empty()).then(|| format!("Only in the {whose} run: {}.", list(names)))
        };
        [sentence("first", &self.only_before), sentence("second", &self.only_after)]
            .into_iter()
            .flatten()
            .collect()
    }

    /// As Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let (before, after) = (escape(&self.before), escape(&self.after));
        let mut text = format!(
            "# Two runs compared\n\n- Before: {before}\n- After: {after}\n\n{}\n\n",
            self.sentence()
        );
        let table = self.table();
        if !table.is_empty() {
            text.push_str(&table.markdown());
        }
        for sentence in self.missing() {
            text.push_str(&format!("{}\n\n", escape(&sentence)));
        }
        text
    }

    /// As a page.
    #[must_use]
    pub fn html(&self) -> String {
        page("Two runs compared", &self.body())
    }

    fn body(&self) -> Markup {
        let table = self.table();
        html! {
            header {
                p.kicker { "Two runs compared" }
                h1 { (self.before) " → " (self.after) }
                p.story { (self.sentence()) }
                @for sentence in self.missing() { p { (sentence) } }
            }
            main { @if !table.is_empty() { section aria-labelledby="changed" {
                h2 #changed { (table.title) }
                (table.html())
            } } }
        }
    }
}

impl VerdictChange {
    fn change(&self) -> Change {
        match (self.before, self.after) {
            (_, Verdict::Failed) => Change::Worse,
            (Verdict::Failed, Verdict::Passed) => Change::Better,
            // A scenario that was skipped in one of them tells nothing.
            (_, Verdict::Passed | Verdict::Skipped) => Change::Same,
        }
    }
}

impl Change {
    fn cell(self) -> Cell {
        match self {
            Self::Better => Cell::toned("better", Tone::Good),
            Self::Worse => Cell::toned("worse", Tone::Bad),
            Self::Same => Cell::toned("same", Tone::Plain),
        }
    }

    fn between(measure: Measure, before: f64, after: f64) -> Self {
        if (after - before).abs() <= measure.noise(before) {
            return Self::Same;
        }
        if (after > before) == measure.more_is_better() { Self::Better } else { Self::Worse }
    }
}

fn find<'a>(run: &'a RunResult, name: &str) -> Option<&'a Scenario> {
    run.scenarios.iter().find(|scenario| scenario.name == name)
}

fn only_in(run: &RunResult, other: &RunResult) -> Vec<String> {
    let missing = run.scenarios.iter().filter(|scenario| find(other, &scenario.name).is_none());
    missing.map(|scenario| clean(&scenario.name)).collect()
}

fn verdict_change(before: &Scenario, after: &Scenario) -> Option<VerdictChange> {
    let change = VerdictChange {
        scenario: before.name.clone(),
        before: before.verdict,
        after: after.verdict,
    };
    (change.before != change.after).then_some(change)
}

fn figure_changes(before: &Scenario, after: &Scenario) -> Vec<FigureChange> {
    let both = Measure::ALL.into_iter().filter_map(|measure| {
        let (was, is) = (measure.of(before)?, measure.of(after)?);
        let change = Change::between(measure, was, is);
        Some(FigureChange {
            scenario: before.name.clone(),
            measure,
            before: was,
            after: is,
            change,
        })
    });
    both.collect()
}

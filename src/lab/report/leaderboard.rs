//! Several targets after the same suite: one table.

use super::{
    html::page,
    measure::Measure,
    table::{Cell, Table, Tone, escape},
    words::{clean, many},
};
use crate::result::{RunResult, Verdict};
use maud::html;
use serde::Serialize;

/// Several targets after the same suite, in the order in which they were given.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Leaderboard {
    /// A row for each target.
    pub rows: Vec<Standing>,
}

/// What became of one target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// What it is called.
    pub target: String,
    /// The version it says it has.
    pub version: Option<String>,
    /// Scenarios that held.
    pub passed: usize,
    /// Scenarios that failed.
    pub failed: usize,
    /// Scenarios that did not run.
    pub skipped: usize,
    /// How each scenario ended.
    pub verdicts: Vec<(String, Verdict)>,
    /// What was measured, by measure; its name tells its unit.
    pub figures: Vec<(Measure, Option<f64>)>,
    /// Why it could not be tested.
    pub error: Option<String>,
}

impl Leaderboard {
    /// Adds a target by what was found out about it.
    pub fn add(&mut self, run: &RunResult) {
        let of =
            |verdict| run.scenarios.iter().filter(|scenario| scenario.verdict == verdict).count();
        self.rows.push(Standing {
            target: run.target.name.clone(),
            version: run.target.server_version.clone(),
            passed: of(Verdict::Passed),
            failed: of(Verdict::Failed),
            skipped: of(Verdict::Skipped),
            verdicts: run.scenarios.iter().map(|s| (s.name.clone(), s.verdict)).collect(),
            figures: Measure::ALL
                .into_iter()
                .map(|measure| (measure, measure.of_run(run)))
                .collect(),
            error: None,
        });
    }

    /// Adds a target that could not be tested.
    pub fn add_failed(&mut self, target: &str, error: &str) {
        self.rows.push(Standing {
            target: target.to_owned(),
            version: None,
            passed: 0,
            failed: 0,
            skipped: 0,
            verdicts: Vec::new(),
            figures: Vec::new(),
            error: Some(error.to_owned()),
        });
    }

    /// Figures that at least one target has.
    fn measures(&self) -> Vec<Measure> {
        let is_known = |measure: &Measure| {
            self.rows
                .iter()
                .flat_map(|row| &row.figures)
                .any(|(of, figure)| of == measure && figure.is_some())
        };
        Measure::ALL.into_iter().filter(is_known).collect()
    }

    fn figures(&self) -> Table {
        let measures = self.measures();
        let names: Vec<String> =
            measures.iter().map(|measure| format!("#{}", measure.name())).collect();
        let columns =
            ["Target", "Version", "#held"].into_iter().chain(names.iter().map(String::as_str));
        let mut table = Table::new("Measured", columns);
        for row in &self.rows {
            let ran = row.passed + row.failed;
            let held = match &row.error {
                Some(_) => Cell::toned("not tested", Tone::Bad),
                None => Cell::bad_if(row.failed > 0, format!("{} of {ran}", row.passed)),
            };
            let version = row.version.as_deref().map_or_else(|| "–".to_owned(), clean);
            let figures = measures.iter().map(|measure| row.cell(*measure));
            table.row([clean(&row.target).into(), version.into(), held].into_iter().chain(figures));
        }
        table
    }

    fn verdicts(&self) -> Table {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in self.rows.iter().flat_map(|row| &row.verdicts) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let targets: Vec<String> = self.rows.iter().map(|row| clean(&row.target)).collect();
        let columns = std::iter::once("Scenario").chain(targets.iter().map(String::as_str));
        let mut table = Table::new("Scenario by scenario", columns);
        for name in names {
            let cells = self.rows.iter().map(|row| row.verdict(name));
            table.row(std::iter::once(Cell::from(clean(name))).chain(cells));
        }
        table
    }

    fn errors(&self) -> Vec<String> {
        let told = |row: &Standing| {
            Some(format!("{}: {}", clean(&row.target), clean(row.error.as_ref()?)))
        };
        self.rows.iter().filter_map(told).collect()
    }

    /// As Markdown: two tables, without a heading.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = self.figures().markdown();
        let verdicts = self.verdicts();
        if !verdicts.is_empty() {
            text.push_str(&verdicts.markdown());
        }
        for error in self.errors() {
            text.push_str(&format!("- {}\n", escape(&error)));
        }
        text
    }

    /// As a page.
    #[must_use]
    pub fn html(&self) -> String {
        let verdicts = self.verdicts();
        page(
            "Targets compared",
            &html! {
                header {
                    p.kicker { "Reliability of MCP servers" }
                    h1 { (many(self.rows.len() as u64, "target")) " compared" }
                    p.story { "Shares are over the time of all scenarios, amounts are added up, and all \
                        else is that of each target's worst scenario." }
                    @for error in self.errors() { p.bad { (error) } }
                }
                main {
                    section aria-labelledby="measured" { h2 #measured { "Measured" } (self.figures().html()) }
                    @if !verdicts.is_empty() {
                        section aria-labelledby="each" { h2 #each { (verdicts.title) } (verdicts.html()) }
                    }
                }
            },
        )
    }
}

impl Standing {
    fn cell(&self, measure: Measure) -> Cell {
        let figure =
            self.figures.iter().find(|(of, _)| *of == measure).and_then(|(_, figure)| *figure);
        let Some(figure) = figure else { return Cell::from("–".to_owned()) };
        Cell::bad_if(measure.is_fault(figure), measure.written(figure))
    }

    fn verdict(&self, scenario: &str) -> Cell {
        let found = self.verdicts.iter().find(|(name, _)| name == scenario);
        match found.map(|(_, verdict)| *verdict) {
            Some(Verdict::Passed) => Cell::toned("held", Tone::Good),
            Some(Verdict::Failed) => Cell::toned("failed", Tone::Bad),
            Some(Verdict::Skipped) => Cell::toned("skipped", Tone::Plain),
            None => Cell::toned("–", Tone::Plain),
        }
    }
}

//! Reads what the loader told of each run, one JSON object a line, and prints the table of
//! targets: measured, floor, ratio, target, reached. Keeps all figures as JSON.
//!
//! Exit code 1 when a row has neither figures nor a reason to wait for them, or an exchange
//! failed; targets that are missed do not change it.

mod rows;
mod runs;
mod table;

use anyhow::Context as _;
use clap::Parser;
use rows::ROWS;
use runs::Runs;
use serde_json::{Map, Value, json};
use std::{fs, io::Write as _, path::PathBuf, process::ExitCode};
use table::Line;

#[derive(Parser)]
struct Cli {
    /// The loader's lines
    runs: PathBuf,
    /// Where to keep all figures
    #[arg(long)]
    json: PathBuf,
    /// Only the rows that were measured
    #[arg(long)]
    measured: bool,
    /// What was measured and how, to be kept with the figures
    #[arg(long = "condition", value_name = "NAME=VALUE")]
    conditions: Vec<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let text = fs::read_to_string(&cli.runs)
        .with_context(|| format!("cannot read {}", cli.runs.display()))?;
    let runs = Runs::parse(&text)?;
    let mut lines: Vec<Line> = ROWS.iter().map(|row| Line::of(row, &runs)).collect();
    if cli.measured {
        lines.retain(|line| !line.lacks_figures());
    }
    let failures = runs.failures();

    let mut out = std::io::stdout().lock();
    write!(out, "{}", table::render(&lines))?;
    for failure in &failures {
        writeln!(out, "failed: {failure}")?;
    }
    let missed = lines.iter().filter(|line| line.is_missed()).count();
    let waiting = lines.iter().filter(|line| line.waits()).count();
    writeln!(out, "\n{} rows: {missed} not reached, {waiting} pending", lines.len())?;

    let kept = json!({
        "conditions": conditions(&cli.conditions),
        "rows": lines.iter().map(Line::to_json).collect::<Vec<_>>(),
        "failures": failures,
        "runs": runs.all(),
    });
    fs::write(&cli.json, format!("{kept:#}\n"))
        .with_context(|| format!("cannot write {}", cli.json.display()))?;
    let is_whole = failures.is_empty() && !lines.iter().any(Line::lacks_figures);
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn conditions(given: &[String]) -> Map<String, Value> {
    let pairs = given.iter().filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.into())).collect()
}

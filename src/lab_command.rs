//! `lab …`: what it can run (`lab_run` runs it), and reports of runs that are over.

use crate::{commands::print, failure::Failure, lab_compare, lab_run};
use clap::{Args, Subcommand, ValueEnum, ValueHint};
use mcp_lab::{
    report::{self, Diff},
    result::{ReadError, RunResult},
};
use std::path::{Path, PathBuf};

/// What can be done in the lab.
#[derive(Subcommand)]
pub(crate) enum LabCommand {
    /// List the scenarios and the personas
    List,
    /// Run scenarios against a server; exit code 1 when an expectation failed
    Run(Box<lab_run::Given>),
    /// Run one suite against several targets, and write one table
    Compare(Box<lab_compare::Given>),
    /// Write the reports of a run anew, from its result.json
    Report {
        /// The folder of the run
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// Print what changed against this run instead
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        against: Option<PathBuf>,
    },
    /// Tell what got better and what got worse between two runs
    Diff(Two),
}

/// Two runs.
#[derive(Args)]
pub(crate) struct Two {
    /// The folder of the earlier run
    #[arg(value_hint = ValueHint::DirPath)]
    before: PathBuf,
    /// The folder of the later run
    #[arg(value_hint = ValueHint::DirPath)]
    after: PathBuf,
    /// Print it so
    #[arg(long, value_name = "FORM", default_value = "markdown")]
    form: Form,
}

/// In which form something is printed.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Form {
    /// Markdown
    Markdown,
    /// A page
    Html,
    /// JSON
    Json,
}

/// `lab …`
pub(crate) fn lab(command: LabCommand) -> Result<(), Failure> {
    match command {
        LabCommand::List => lab_run::list(),
        LabCommand::Run(given) => lab_run::run(*given),
        LabCommand::Compare(given) => lab_compare::compare(*given),
        LabCommand::Report { dir, against: None } => render(&dir),
        LabCommand::Report { dir, against: Some(before) } => diff(&before, &dir, Form::Markdown),
        LabCommand::Diff(Two { before, after, form }) => diff(&before, &after, form),
    }
}

fn render(dir: &Path) -> Result<(), Failure> {
    let run = read(dir)?;
    report::render(dir, &run).map_err(Failure::run)?;
    print(&format!("{}\n", dir.join("report.html").display()))
}

fn diff(before: &Path, after: &Path, form: Form) -> Result<(), Failure> {
    let diff = Diff::of(&read(before)?, &read(after)?);
    let text = match form {
        Form::Markdown => diff.markdown(),
        Form::Html => diff.html(),
        Form::Json => serde_json::to_string_pretty(&diff).map_err(Failure::run)? + "\n",
    };
    print(&text)
}

/// A folder without a result is a mistake of whoever named it.
fn read(dir: &Path) -> Result<RunResult, Failure> {
    RunResult::read(dir).map_err(|error| match error {
        ReadError::File { .. } => Failure::usage(error.to_string()),
        ReadError::TooLong(_)
        | ReadError::Form { .. }
        | ReadError::Schema { .. }
        | ReadError::Figure { .. } => Failure::run(error),
    })
}

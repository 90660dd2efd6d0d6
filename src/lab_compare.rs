//! `lab compare`: the same suite against several targets, one after the other, and one table.

use crate::{commands::print, failure::Failure, lab_run};
use clap::{Args, ValueHint};
use mcp_lab::{
    compare::{Candidate, CompareError, Targets},
    report::{Folder, Leaderboard},
    run::Run,
    scenario::Scenario,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Which targets, and on what.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Given {
    /// The targets, as TOML: tests/targets/targets.toml shows how
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Scenarios by name, or files of your own, in place of those that the file names
    scenarios: Vec<String>,
    /// Only these targets, by name
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Put a text in the place of {WORD} in the file
    #[arg(long, value_name = "WORD=TEXT", value_parser = word)]
    set: Vec<(String, String)>,
    #[command(flatten)]
    pace: lab_run::PaceGiven,
    /// Be this client, or these, in place of those that the scenarios name
    #[arg(long, value_name = "PERSONA", value_delimiter = ',')]
    persona: Vec<String>,
    /// Let all chance come from this number, so that faults can be repeated [default: any]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write the table, and the results of each target, into this folder [default: test-results/ and
    /// the time]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
}

const HELP: &str = "\
Examples:
  mcp-orchestrator lab compare tests/targets/targets.toml --quick
  mcp-orchestrator lab compare my.toml server-restart --only 'mcp-orchestrator,mine'

Exit codes: 0 every target was tested, 1 one could not be, 2 the command line or a file is wrong, \
130 a signal ended it.";

fn word(text: &str) -> Result<(String, String), String> {
    let (word, text) = text.split_once('=').ok_or("write WORD=TEXT")?;
    Ok((word.to_owned(), text.to_owned()))
}

/// What each target is tried on.
struct Suite {
    targets: Targets,
    scenarios: Vec<Scenario>,
    given: Given,
    seed: u64,
}

/// `lab compare`
pub(crate) fn compare(given: Given) -> Result<(), Failure> {
    let mut targets =
        Targets::read(&given.file).map_err(|error| Failure::usage(error.to_string()))?;
    targets.words.extend(given.set.iter().cloned());
    targets.keep(&given.only).map_err(|error| Failure::usage(error.to_string()))?;
    let named = if given.scenarios.is_empty() { &targets.scenarios } else { &given.scenarios };
    let scenarios = lab_run::scenarios(named)?;
    lab_run::check_personas(&given.persona)?;
    let seed = given.seed.unwrap_or_else(lab_run::any);
    let out = given.out.clone().unwrap_or_else(lab_run::usual_folder);
    let suite = Suite { targets, scenarios, given, seed };
    let mut table = Leaderboard::default();
    for candidate in &suite.targets.targets {
        lab_run::tell(&format!("{}:", candidate.name));
        if let Err(error) = suite.one(candidate, &out, &mut table) {
            if matches!(error, Failure::Interrupted) {
                return Err(error);
            }
            let told = error.text();
            lab_run::tell(&format!("not tested: {told}"));
            table.add_failed(&candidate.name, &told);
        }
        write(&out, &table)?;
    }
    print(&table.markdown())?;
    match table.rows.iter().filter(|row| row.error.is_some()).count() {
        0 => Ok(()),
        failed => Err(Failure::run(format!("{failed} of {} targets not tested", table.rows.len()))),
    }
}

impl Suite {
    /// Finds out about one target.
    fn one(
        &self,
        candidate: &Candidate,
        out: &Path,
        table: &mut Leaderboard,
    ) -> Result<(), Failure> {
        let folder = Folder::create(&out.join(candidate.folder())).map_err(Failure::run)?;
        let (log, writer) = folder.events().map_err(Failure::run)?;
        let (dir, target_log) = (folder.raw().join("work"), folder.logs().join("target.log"));
        let (tell, told) = mcp_lab::progress::channel();
        let running = async {
            let prepared = self.targets.prepare(candidate, &dir, &target_log).await?;
            let run = Run {
                scenarios: self.scenarios.clone(),
                target: prepared.spec(),
                personas: self.given.persona.clone(),
                seed: self.seed,
                pace: self.given.pace.pace(),
                log,
                progress: tell,
            };
            prepared.run(&candidate.name, run).await
        };
        let result = lab_run::watched(running, told)?;
        let mut result = result.map_err(|error: CompareError| Failure::run(error))?;
        result.events = Some(writer.finish().map_err(Failure::run)?);
        folder.write(&result).map_err(Failure::run)?;
        table.add(&result);
        Ok(())
    }
}

/// The table as far as it is known, in three forms.
fn write(out: &Path, table: &Leaderboard) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(table).map_err(Failure::run)?;
    let forms =
        [("compare.md", table.markdown()), ("compare.html", table.html()), ("compare.json", json)];
    for (name, text) in forms {
        fs::create_dir_all(out)
            .and_then(|()| fs::write(out.join(name), text))
            .map_err(Failure::run)?;
    }
    Ok(())
}

//! Reading a result back. It may come from a stranger: it is bounded, and what it cannot mean is
//! refused in a sentence.

use super::{RunResult, SCHEMA, Scenario};
use serde::Deserialize;
use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// The name of the file in a folder of results.
pub const RESULT_FILE: &str = "result.json";
/// The longest file that is read, in bytes.
const LONGEST: u64 = 128 << 20;
/// Scenarios a result may have.
const SCENARIOS: usize = 1_000;
/// Entries that any list of a scenario may have.
const ENTRIES: usize = 1_000_000;

/// Why a result could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is not there, or cannot be read.
    #[error("cannot read {}: {}; name the folder that a run of the lab wrote", path.display(), mcp_telemetry::reason(source))]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is too long.
    #[error("{} is longer than {LONGEST} bytes", .0.display())]
    TooLong(PathBuf),
    /// It is not JSON, or a key is missing, unknown or of the wrong type.
    #[error("{} is not a result of a lab run: {source}", path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
    /// It was written by another version.
    #[error("{} has schema {found}; this version reads schema {SCHEMA}", path.display())]
    Schema {
        /// Which file.
        path: PathBuf,
        /// The schema it says it has.
        found: u64,
    },
    /// A figure in it cannot be.
    #[error("{}: {what}", path.display())]
    Figure {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

impl RunResult {
    /// Reads a result: `path` is the file, or the folder with `result.json` in it.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is too long, or is no result of this version.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let path = if path.is_dir() { path.join(RESULT_FILE) } else { path.to_owned() };
        let text = bounded(&path)?;
        let form = |source| ReadError::Form { path: path.clone(), source };
        let found = serde_json::from_slice::<OnlySchema>(&text).map_err(form)?.schema;
        if found != u64::from(SCHEMA) {
            return Err(ReadError::Schema { path, found });
        }
        let run: Self = serde_json::from_slice(&text).map_err(form)?;
        match wrong(&run) {
            Some(what) => Err(ReadError::Figure { path, what }),
            None => Ok(run),
        }
    }
}

#[derive(Deserialize)]
struct OnlySchema {
    schema: u64,
}

fn bounded(path: &Path) -> Result<Vec<u8>, ReadError> {
    let failed = |source| ReadError::File { path: path.to_owned(), source };
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut text))
        .map_err(failed)?;
    if text.len() as u64 > LONGEST {
        return Err(ReadError::TooLong(path.to_owned()));
    }
    Ok(text)
}

fn wrong(run: &RunResult) -> Option<String> {
    if run.scenarios.len() > SCENARIOS {
        return Some(format!("more than {SCENARIOS} scenarios"));
    }
    if !is_time(run.duration_s) {
        return Some(format!("duration_s is {}", run.duration_s));
    }
    run.scenarios.iter().find_map(|scenario| {
        wrong_in(scenario).map(|what| format!("scenario {:?}: {what}", scenario.name))
    })
}

fn wrong_in(scenario: &Scenario) -> Option<String> {
    let times = [("started_s", scenario.started_s), ("duration_s", scenario.duration_s)];
    if let Some((name, time)) = times.into_iter().find(|(_, time)| !is_time(*time)) {
        return Some(format!("{name} is {time}"));
    }
    let fault = scenario.faults.iter().find(|fault| {
        !is_time(fault.from_s) || fault.to_s.is_some_and(|to| !is_time(to) || to < fault.from_s)
    });
    if let Some(fault) = fault {
        return Some(format!("fault {:?} ends before it begins, or at no time", fault.name));
    }
    if let Some(availability) = &scenario.availability {
        let shares = [availability.listed_percent, availability.callable_percent];
        if shares.iter().any(|share| !(0.0..=100.0).contains(share)) {
            return Some("a percentage is not from 0 to 100".to_owned());
        }
        if !availability.series.is_sorted_by(|a, b| a.at_s <= b.at_s) {
            return Some("availability.series is not in the order of time".to_owned());
        }
    }
    too_many(scenario).map(|name| format!("{name} has more than {ENTRIES} entries"))
}

fn too_many(scenario: &Scenario) -> Option<&'static str> {
    let series = scenario.availability.as_ref().map_or(0, |availability| availability.series.len());
    let samples = scenario.resources.as_ref().map_or(0, |resources| resources.samples.len());
    let lists = [
        ("failures", scenario.failures.len()),
        ("clients", scenario.clients.len()),
        ("faults", scenario.faults.len()),
        ("availability.series", series),
        ("resources.samples", samples),
    ];
    lists.into_iter().find(|(_, length)| *length > ENTRIES).map(|(name, _)| name)
}

/// A time that can be: not negative, at most some 30 years.
fn is_time(seconds: f64) -> bool {
    (0.0..=1e9).contains(&seconds)
}

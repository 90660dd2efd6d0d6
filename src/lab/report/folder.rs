//! The folder of a run: what is written while it goes on, and at its end. A run never writes into a
//! folder that has something in it; rendering again replaces only what is made from `result.json`.

use super::{Summary, html, junit, markdown};
use crate::result::{ClientFile, EventLog, EventWriter, RESULT_FILE, RunResult};
use serde::Serialize;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

/// Clients that get a file of their own; all are in `result.json`.
const CLIENT_FILES: usize = 1_000;
/// The longest a part of a file's name may be that comes from a result.
const NAME: usize = 40;

/// Where a run writes.
#[derive(Debug, Clone)]
pub struct Folder {
    raw: PathBuf,
    logs: PathBuf,
    reports: PathBuf,
}

/// Why a run cannot write where it should.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Something is there.
    #[error("{} is not empty: a run never overwrites another; choose another folder", .0.display())]
    NotEmpty(PathBuf),
    /// It cannot be made or written.
    #[error("cannot write {}: {}; choose another folder", path.display(), mcp_telemetry::reason(source))]
    Write {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Folder {
    /// A folder for a run, all in one: `dir`, with the logs of the target in `dir/logs`.
    ///
    /// # Errors
    ///
    /// When there is something in it, or it cannot be made.
    pub fn create(dir: &Path) -> Result<Self, FolderError> {
        make(dir)?;
        let folder = Self { raw: dir.to_owned(), logs: dir.join("logs"), reports: dir.to_owned() };
        make(&folder.logs)?;
        Ok(folder)
    }

    /// Folders for a run against a whole environment: `test-results/NAME` for raw output and
    /// metrics, `logs/NAME` for the logs of every part, `reports/NAME` for the reports.
    ///
    /// # Errors
    ///
    /// When there is something in one of them, or they cannot be made.
    pub fn create_for_environment(root: &Path, name: &str) -> Result<Self, FolderError> {
        let dir = |kind: &str| root.join(kind).join(name);
        let folder = Self { raw: dir("test-results"), logs: dir("logs"), reports: dir("reports") };
        for dir in [&folder.raw, &folder.logs, &folder.reports] {
            make(dir)?;
        }
        Ok(folder)
    }

    /// Where raw output goes, such as metrics that were scraped.
    #[must_use]
    pub fn raw(&self) -> &Path {
        &self.raw
    }

    /// Where the logs of the target and of other parts go.
    #[must_use]
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// Opens `events.jsonl`.
    ///
    /// # Errors
    ///
    /// When it is there already or cannot be made.
    pub fn events(&self) -> Result<(EventLog, EventWriter), FolderError> {
        let path = self.raw.join("events.jsonl");
        let failed = |source| FolderError::Write { path: path.clone(), source };
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed)?;
        EventLog::start(file).map_err(failed)
    }

    /// Writes what the run found out: the result, a file for each client, and all reports.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub fn write(&self, run: &RunResult) -> Result<(), FolderError> {
        write_json(&self.reports.join(RESULT_FILE), run)?;
        let clients =
            run.scenarios.iter().flat_map(|s| s.clients.iter().map(|client| (&s.name, client)));
        for (at, (scenario, client)) in clients.take(CLIENT_FILES).enumerate() {
            let name = format!("client_{}_{}.json", at + 1, file_name(&client.role));
            write_json(&self.raw.join(name), &ClientFile { scenario, client })?;
        }
        render(&self.reports, run)
    }
}

/// Writes all reports that are made from a result into `dir`: `summary.json`, `junit.xml`,
/// `report.md` and `report.html`.
///
/// # Errors
///
/// When a file cannot be written.
pub fn render(dir: &Path, run: &RunResult) -> Result<(), FolderError> {
    write_json(&dir.join("summary.json"), &Summary::of(run))?;
    let path = dir.join("junit.xml");
    let failed = |error| FolderError::Write { path: path.clone(), source: io::Error::other(error) };
    write(&path, &junit::render(run).map_err(failed)?)?;
    write(&dir.join("report.md"), &markdown::render(run))?;
    write(&dir.join("report.html"), &html::render(run))
}

fn make(dir: &Path) -> Result<(), FolderError> {
    let failed = |source| FolderError::Write { path: dir.to_owned(), source };
    fs::create_dir_all(dir).map_err(failed)?;
    let is_empty = fs::read_dir(dir).map_err(failed)?.next().is_none();
    if is_empty { Ok(()) } else { Err(FolderError::NotEmpty(dir.to_owned())) }
}

/// What of a word can stand in the name of a file anywhere.
fn file_name(word: &str) -> String {
    let name: String = word
        .chars()
        .take(NAME)
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
        .collect();
    if name.is_empty() { "client".to_owned() } else { name }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), FolderError> {
    let failed = |source| FolderError::Write { path: path.to_owned(), source };
    let mut file = BufWriter::new(File::create(path).map_err(failed)?);
    serde_json::to_writer_pretty(&mut file, value).map_err(|error| failed(error.into()))?;
    file.write_all(b"\n").and_then(|()| file.flush()).map_err(failed)
}

fn write(path: &Path, text: &str) -> Result<(), FolderError> {
    fs::write(path, text).map_err(|source| FolderError::Write { path: path.to_owned(), source })
}

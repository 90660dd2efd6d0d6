//! The same suite against several targets, one after the other.
//!
//! `file` is what a file of targets says, `words` puts values in the place of words in braces. What is
//! found out about each target is a run like any other; `report::Leaderboard` makes the table.

mod file;
mod words;

pub use file::{Candidate, Targets, TargetsError};

use crate::{
    result::RunResult,
    run::{LabError, Run},
    target::{Place, TargetSpec},
};
use std::{fs, io, path::Path};
use words::Words;

/// Why nothing was found out about a target.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// It could not be run against.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// What its file says of it cannot be used.
    #[error(transparent)]
    File(#[from] TargetsError),
    /// It has no folder to write into.
    #[error("its folder cannot be made: {}", mcp_telemetry::reason(.0))]
    Folder(#[from] io::Error),
    /// It never answered.
    #[error("{0}")]
    Silent(String),
}

/// A target with all words filled in, and the server behind it where it needs one over a network.
pub struct Prepared {
    spec: TargetSpec,
    behind: Option<Place>,
}

impl Targets {
    /// Fills in the words of a target, and starts the server behind it. `dir` is a folder that it may
    /// write into; `log` is where what it writes goes.
    ///
    /// # Errors
    /// When a word is not known, or the server behind it does not come up.
    pub async fn prepare(
        &self,
        candidate: &Candidate,
        dir: &Path,
        log: &Path,
    ) -> Result<Prepared, CompareError> {
        fs::create_dir_all(dir)?;
        let mut words = Words::new(&self.words);
        let absolute = fs::canonicalize(dir)?;
        words.set("dir", &absolute.display().to_string());
        words.set("oracle", &absolute.join("oracle.txt").display().to_string());
        let mut behind = None;
        if let Some(command) = &candidate.behind {
            let spawn = Some(words.fill(command)?);
            let spec = TargetSpec { spawn, log: Some(log.to_owned()), ..TargetSpec::default() };
            let place = Place::start(&spec).await.map_err(LabError::from)?;
            words.set("behind", place.facts().url.as_deref().unwrap_or_default());
            behind = Some(place);
        }
        let fill = |text: &Option<String>| text.as_ref().map(|text| words.fill(text)).transpose();
        let spec = TargetSpec {
            url: fill(&candidate.url)?,
            spawn: fill(&candidate.spawn)?,
            log: Some(log.to_owned()),
            ..TargetSpec::default()
        };
        spec.check().map_err(LabError::from)?;
        Ok(Prepared { spec, behind })
    }
}

impl Prepared {
    /// How it is reached or started.
    #[must_use]
    pub fn spec(&self) -> TargetSpec {
        self.spec.clone()
    }

    /// Runs against it; the result goes by its name. The server behind it ends with it.
    ///
    /// # Errors
    /// When nothing could be run, or no scenario found it there.
    pub async fn run(self, name: &str, run: Run) -> Result<RunResult, CompareError> {
        let mut result = run.run().await?;
        name.clone_into(&mut result.target.name);
        if let Some(behind) = self.behind {
            behind.end_process(true).await;
        }
        let was_there =
            result.target.server_name.is_some() || result.target.protocol_version.is_some();
        if was_there {
            return Ok(result);
        }
        let reason = result.scenarios.iter().find_map(|scenario| scenario.reason.clone());
        Err(CompareError::Silent(reason.unwrap_or_else(|| "it never answered".to_owned())))
    }
}

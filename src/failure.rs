//! How a command ends when it does not succeed: what to print, and the exit code.

use std::{fmt, process::ExitCode};

/// A command that failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line or the configuration is wrong: exit code 2.
    Usage(String),
    /// Something went wrong while running: exit code 1.
    Run(anyhow::Error),
    /// A signal came that is obeyed at once, as a second one is: exit code 130.
    Interrupted,
}

impl Failure {
    /// A mistake in the command line or the configuration.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// Something that went wrong while running.
    pub(crate) fn run(text: impl fmt::Display + fmt::Debug + Send + Sync + 'static) -> Self {
        Self::Run(anyhow::Error::msg(text))
    }

    /// What went wrong, without the word before it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Usage(text) => text.clone(),
            Self::Run(error) => format!("{error:#}"),
            Self::Interrupted => "a signal came; ended at once".to_owned(),
        }
    }

    /// The exit code.
    pub(crate) fn code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Run(_) => ExitCode::FAILURE,
            Self::Interrupted => ExitCode::from(130),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Run(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        let lines: Vec<String> = text.lines().map(|line| format!("error: {line}")).collect();
        out.write_str(&lines.join("\n"))
    }
}

//! The link to the page at `/`, in a file of the data dir that nobody else can read.

use crate::data_dir::DataDir;
use mcp_telemetry::{Event, Telemetry};
use std::path::PathBuf;

const FILE: &str = "page-link";

/// Where the link is.
pub(crate) fn file(dir: &DataDir) -> PathBuf {
    dir.file(FILE)
}

/// Keeps each link that is made.
pub(crate) fn keep(dir: DataDir, telemetry: Telemetry) -> impl Fn(&str) + Send + Sync + 'static {
    move |link| {
        if let Err(failure) = dir.replace(FILE, format!("{link}\n").as_bytes()) {
            let text = format!("the page at / can be had by token only: {}", failure.text());
            telemetry.emit(&Event::ConfigWarning { text: &text });
        }
    }
}

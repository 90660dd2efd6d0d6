//! What a run found out, written for people and for other programs. All of it is made from a
//! [`RunResult`](crate::result::RunResult) alone, so it can be made again.

mod chart;
mod diff;
mod folder;
mod html;
mod junit;
mod leaderboard;
mod markdown;
mod measure;
mod story;
mod summary;
mod table;
mod tables;
pub(crate) mod words;

pub use diff::{Change, Diff, FigureChange, VerdictChange};
pub use folder::{Folder, FolderError, render};
pub use leaderboard::{Leaderboard, Standing};
pub use measure::Measure;
pub use summary::Summary;

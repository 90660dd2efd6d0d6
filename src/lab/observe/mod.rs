//! What is seen of a target while a scenario runs, and the arithmetic over it.
//!
//! `timeline` knows which fault was on when, and which of them is behind a failure; `availability`
//! turns looks at the tools into seconds; `recovery` says how soon each fault was noticed and over;
//! `slope` finds a leak; `process` and `metrics` read what the target uses and tells of itself. All
//! but the last two are pure.

pub mod availability;
pub mod metrics;
pub mod process;
pub mod recovery;
pub mod slope;
pub mod timeline;

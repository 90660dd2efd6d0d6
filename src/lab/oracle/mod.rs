//! The oracle: sets what clients sent against what they were answered and what the target says ran.
//!
//! A target with the oracle tools (`oracle_run`, `oracle_count`) counts each run under the key that
//! came with it. `judge` is pure; `tools` knows the names and the forms of those tools; `harmless`
//! finds the one of any other server that may be called.

mod harmless;
mod judge;
pub mod tools;

pub use judge::{Finding, Judged, Sent, Wrong, judge};

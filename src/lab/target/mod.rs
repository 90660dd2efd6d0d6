//! What is tested: where it is, and the process when the lab started it.
//!
//! `spec` is what was asked for, `shown` how it is shown, `process` a process that was started,
//! `Place` a target that is there.

mod place;
mod process;
mod shown;
mod spec;

pub use place::Place;
pub(crate) use place::plain_http;
pub use spec::{TargetError, TargetSpec};

//! The reliability lab: runs scenarios against any MCP server, sees it only from outside, and tells
//! when and why its tools were gone.
//!
//! [`result`] is what a run found out, as values that can be written and read again. [`progress`] is
//! what is shown while it runs.

pub mod compare;
pub mod load;
pub mod observe;
pub mod oracle;
pub mod persona;
pub mod progress;
pub mod report;
pub mod result;
pub mod run;
pub mod scenario;
pub mod target;

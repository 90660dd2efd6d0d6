//! The reliability lab: runs scenarios against any MCP server, sees it only from outside, and tells
//! when and why its tools were gone.
//!
//! [`result`] is what a run found out, as values that can be written and read again; [`report`]
//! writes it for people. [`progress`] is what a run says of itself while it goes on, and [`live`]
//! shows it; [`exposed`] tells it to Prometheus.

pub mod compare;
pub mod exposed;
pub mod live;
pub mod load;
pub mod observe;
pub mod oracle;
pub mod persona;
pub mod progress;
#[cfg(test)]
mod published;
pub mod report;
pub mod result;
pub mod run;
pub mod scenario;
pub mod target;

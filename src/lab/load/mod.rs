//! Calls at a rate, and how long calls took. `arrivals` says when each call is due, whatever became of
//! those before; `latency` keeps durations. Both are pure.

pub mod arrivals;
pub mod latency;

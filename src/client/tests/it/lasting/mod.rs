//! The client that does not give up, against servers that go away and come back.

mod away;
mod child;
mod diagnosing;
mod endpoints;
mod example;
mod guarded;
mod restraint;
mod server;
mod waiting;
mod wishing;

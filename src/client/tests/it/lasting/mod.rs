//! The client that does not give up, against servers that go away and come back.

mod away;
mod server;

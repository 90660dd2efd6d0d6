//! The store as the server uses it, against real files.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a failing test panics, and one that cannot run says so"
)]

mod bounds;
mod catalogue;
mod damage;
mod disk;
mod durability;
mod kill;
mod measure;
mod model;
mod support;

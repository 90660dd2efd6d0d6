//! The client against real parts: child processes, sockets, and the reference server.
#![expect(
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a failing test panics, and nothing is public here"
)]

mod everything;
mod http_legacy;
mod http_modern;
mod http_streams;
mod lasting;
#[path = "../../../../tests/it/support/port.rs"]
mod port;
mod stdio;
mod stdio_ends;
mod support;
mod websocket;

//! Clients that mean harm. While each of them does, a well-behaved client calls `echo` again and
//! again: every call succeeds in time, and the server's memory stays below a bound. `./test` runs
//! them short, `./test --long` whole (`soak/abuse.rs`).

pub mod flood;
pub mod large;
pub mod slow;

use crate::support::{Modern, Server, text};
use serde_json::json;
use std::{cell::Cell, time::Duration};
use tokio::time::{Instant, timeout};

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Sockets that are slow, or never read, at once.
    pub sockets: usize,
    /// Sockets that are opened and dropped.
    pub connections: usize,
    /// Requests of a flood.
    pub requests: usize,
    /// How many large messages.
    pub large: usize,
}

/// What `./test` runs.
pub const SHORT: Size = Size { sockets: 200, connections: 5_000, requests: 2_000, large: 1 };

/// What `./test --long` runs.
pub const WHOLE: Size =
    Size { sockets: 2_000, connections: 100_000, requests: 100_000, large: 100 };

/// Longest time of one call of the well-behaved client, connecting included. A debug build on a
/// busy machine takes seconds; a client that has to wait for an abuser's end takes more.
const IN_TIME: Duration = Duration::from_secs(10);

/// What a server may take beyond what it takes at rest and what its limits allow: buffers,
/// the allocator's keep, the calls of the well-behaved client.
const SLACK_MIB: usize = 32;

/// A figure of `/proc/PID/status` in MiB.
fn memory(server: &Server, figure: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(figure)).unwrap();
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    digits.parse::<usize>().unwrap() / 1024
}

/// Runs an abuse beside a well-behaved client. What the limits allow the abuse to take, in MiB,
/// is all that memory may grow by, also for a moment.
pub async fn during<T>(server: &Server, allowed_mib: usize, abuse: impl Future<Output = T>) -> T {
    let rest = memory(server, "VmRSS:");
    let (over, calls, slowest) = (Cell::new(false), Cell::new(0), Cell::new(Duration::ZERO));
    let begun = Instant::now();
    let abuse = async {
        let output = abuse.await;
        over.set(true);
        output
    };
    let good = async {
        let client = Modern::with(server, "well-behaved", json!({}));
        while !over.get() || calls.get() == 0 {
            let begun = Instant::now();
            let said = format!("call {}", calls.get());
            let call = timeout(IN_TIME, client.call("echo", json!({"message": said})));
            assert_eq!(text(&call.await.expect("a call that was held up")), said);
            slowest.set(slowest.get().max(begun.elapsed()));
            calls.set(calls.get() + 1);
        }
    };
    let (output, ()) = Box::pin(async { tokio::join!(abuse, good) }).await;
    let peak = memory(server, "VmHWM:");
    let bound = rest + allowed_mib + SLACK_MIB;
    let (took, calls, slowest) = (begun.elapsed(), calls.get(), slowest.get());
    // For whoever runs it with `--no-capture`.
    eprintln!("{took:?}: {calls} calls, slowest {slowest:?}; {rest} MiB, peak {peak} of {bound}");
    assert!(peak <= bound, "{peak} MiB at the peak, {rest} before, {bound} allowed");
    output
}

/// How often a limit was reached.
pub async fn reached(server: &Server, limit: &str) -> f64 {
    server.scrape().await.sum("mcp_limit_refusals_total", &[("limit", limit)])
}

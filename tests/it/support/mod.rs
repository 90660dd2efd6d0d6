//! What every test here stands on: the binary as a child process, clients that speak raw MCP over
//! its socket, its `/metrics` as numbers, and the check that all of it adds up.

mod accounting;
mod bridge;
mod chance;
mod client;
mod cutter;
mod keepalive;
mod metrics;
mod outside;
mod poll;
mod port;
mod prometheus;
mod raw;
mod server;
mod stream;
mod wire;

pub use accounting::assert_sums;
pub use bridge::Bridge;
pub use chance::{dice, once_for_each_key};
pub use client::{Legacy, Modern, Reply, built, http, modern_meta, pooled, trust};
pub use cutter::Cutter;
pub use keepalive::{Raw, RawReply, initialize};
pub use metrics::Scrape;
pub use outside::{Peer, node, planned, python, run_plan, run_script, tool};
pub use poll::{until, until_within, within};
pub use port::Port;
pub use prometheus::{Prometheus, job};
pub use raw::{connect, head, many_files, narrow, request, rest};
pub use server::{
    CONFIG, SERVERS, Server, Setup, alive, descendants, example_path, fixture_path, kill_all, text,
};
pub use stream::Messages;
pub use wire::{Cut, Wire, bind};

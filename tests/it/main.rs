//! Every test of the assembled system: each starts the binary and talks to its socket.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a failing test panics, and nothing is public here"
)]

mod abuse;
mod activation;
mod agents;
mod alerts;
mod auth;
mod builtins;
mod cancelling;
mod catalogue;
mod chaos;
mod churn;
mod cli;
mod clients;
mod collectors;
mod connect;
mod connect_agents;
mod connect_modern;
mod connect_settings;
mod connect_starting;
mod dashboards;
mod disk;
mod embedding;
mod handshakes;
mod killing;
mod lab;
mod lab_report;
mod layers;
mod lifecycle;
mod limits;
mod log_file;
mod malformed;
mod many;
mod mistakes;
mod page;
mod passing;
mod pausing;
mod questions;
mod readme;
mod reconnecting;
mod refusals;
mod reload;
mod restart;
mod resume;
mod reviving;
mod scraping;
mod session_model;
mod session_scenarios;
mod sessions;
mod sessions_api;
mod setup;
mod soak;
mod stopping;
mod support;
mod tasks;
mod tls;
mod traces;
mod transports;
mod unkept;
mod upstream_calls;
mod upstreams;
mod websocket;
mod websocket_client;
mod websocket_resume;

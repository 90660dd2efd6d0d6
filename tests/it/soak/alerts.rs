//! Minutes in which nothing is wrong, then every fault: no alert, then each its own.
//!
//! How long usual traffic is looked at, is in `MCP_TEST_QUIET`, in seconds: an hour is
//! `MCP_TEST_QUIET=3600 cargo nextest run --workspace --profile long usual_traffic`.

use crate::alerts::{clients_and_servers, quiet, upstreams};
use std::{env, time::Duration};

const QUIET: Duration = Duration::from_secs(300);

#[tokio::test]
async fn minutes_of_upstreams_without_an_alert_and_then_each_fault_with_its_own() {
    println!("{}", upstreams(QUIET).await);
}

#[tokio::test]
async fn minutes_of_clients_without_an_alert_and_then_each_fault_with_its_own() {
    println!("{}", clients_and_servers(QUIET).await);
}

#[tokio::test]
async fn usual_traffic_raises_no_alert_and_the_loss_of_an_upstream_does() {
    let given = env::var("MCP_TEST_QUIET").ok();
    let given = given.map(|text| Duration::from_secs(text.parse().expect("seconds")));
    println!("{}", quiet(given.unwrap_or(QUIET)).await);
}

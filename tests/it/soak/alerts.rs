//! Minutes in which nothing is wrong, then every fault: no alert, then each its own.

use crate::alerts::{clients_and_servers, upstreams};
use std::time::Duration;

const QUIET: Duration = Duration::from_secs(300);

#[tokio::test]
async fn minutes_of_upstreams_without_an_alert_and_then_each_fault_with_its_own() {
    println!("{}", upstreams(QUIET).await);
}

#[tokio::test]
async fn minutes_of_clients_without_an_alert_and_then_each_fault_with_its_own() {
    println!("{}", clients_and_servers(QUIET).await);
}

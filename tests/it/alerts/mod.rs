//! Faults of each kind, done for real, under the rules of the lab: the alert that names the cause is
//! raised within two minutes, and while nothing is wrong none is but the watchdog.

mod clients;
mod upstreams;

pub use clients::clients_and_servers;
pub use upstreams::upstreams;

use crate::support::{Prometheus, until_within};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

/// For how long nothing is wrong at first: longer than what the rules look back on.
const QUIET: Duration = Duration::from_secs(18);
/// Longest time until an alert is raised.
const RAISED: Duration = Duration::from_secs(120);

/// What is done where, the alert of it, and what that says of the cause: the table in
/// `docs/runbooks.md` has the same rows.
const FAULTS: [(&str, &str, &str, &str); 19] = [
    ("upstream", "status-401", "McpUpstreamDown", "refused"),
    ("upstream", "status-500", "McpUpstreamErrors", "outcome_unknown"),
    ("upstream", "reset", "McpUpstreamDown", "connection_lost"),
    ("upstream", "half_open", "McpUpstreamDown", "silent"),
    ("upstream", "pause", "McpUpstreamDown", "silent"),
    ("upstream", "session_lost", "McpUpstreamFlapping", "session_lost"),
    ("upstream", "reply_lost", "McpUpstreamErrors", "outcome_unknown"),
    ("upstream", "kill", "McpUpstreamFlapping", "exited"),
    ("upstream", "stop", "McpUpstreamFlapping", "hung"),
    ("server", "stop", "McpTargetDown", ""),
    ("server", "kill", "McpCrashLoop", ""),
    ("clients", "reset", "McpSessionLossSpike", "client_gone"),
    ("clients", "half_open", "McpSessionLossSpike", "heartbeat_lost"),
    ("clients", "far", "McpClientsFar", ""),
    ("clients", "cut", "McpReconnectSpike", ""),
    ("clients", "session_lost", "McpReconnectFailing", ""),
    ("clients", "token", "McpHandshakeFailures", "unauthorized"),
    ("lab", "latency", "McpClientsSeeDelay", "latency"),
    ("lab", "reset", "McpClientsSeeFailures", "reset"),
];

/// Tells all that act that the quiet time is over.
type Go = watch::Receiver<bool>;

async fn gone(go: &Go) {
    // Whoever tells outlives all that act.
    let mut go = go.clone();
    let _told = go.wait_for(|go| *go).await;
}

/// The rules of the lab, with more time for machines that are busy with other tests: what is slow
/// there is what takes two seconds.
fn rules(dir: &Path) -> Vec<PathBuf> {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus/lab");
    let read = |file: &str| fs::read_to_string(lab.join(file)).unwrap();
    let alerts = read("alerts.yml");
    assert_eq!(alerts.matches("> 0.06").count(), 3);
    fs::write(dir.join("alerts.yml"), alerts.replace("> 0.06", "> 2")).unwrap();
    fs::write(dir.join("availability.yml"), read("availability.yml")).unwrap();
    ["availability.yml", "alerts.yml"].map(|file| dir.join(file)).into()
}

/// The alerts that are raised; but that of the disk, which is this machine's and may truly be full.
async fn firing(prometheus: &Prometheus) -> Vec<Value> {
    let answer = prometheus.api("alerts", &[]).await;
    let all = answer["data"]["alerts"].as_array().unwrap().clone();
    let is_ours = |alert: &Value| alert["labels"]["alertname"] != "McpDiskFilling";
    all.into_iter().filter(|alert| alert["state"] == "firing" && is_ours(alert)).collect()
}

/// Waits until so many targets are scraped, and no alert is left of the time before.
async fn all_scraped(prometheus: &Prometheus, targets: usize) {
    let wanted = targets.to_string();
    until_within(60, "all targets are scraped and none is missed", || async {
        let answer = prometheus.api("query", &[("query", "count(up == 1)")]).await;
        let up = answer["data"]["result"][0]["value"][1].as_str() == Some(&wanted);
        up && firing(prometheus).await.len() == 1
    })
    .await;
}

/// Fails if an alert is raised though nothing is wrong; the watchdog must be.
async fn stays_quiet(prometheus: &Prometheus, quiet: Duration) {
    let end = Instant::now() + quiet;
    let mut watched = false;
    while Instant::now() < end {
        for alert in firing(prometheus).await {
            assert_eq!(alert["labels"]["alertname"], "McpWatchdog", "nothing is wrong: {alert}");
            watched = true;
        }
        sleep(Duration::from_millis(500)).await;
    }
    assert!(watched, "the watchdog always fires");
}

/// Waits until each fault of a place has raised its alert. `label` tells by which label, and which
/// value of it, the alert of a fault is known.
async fn all_raised(
    prometheus: &Prometheus,
    place: &str,
    label: impl Fn(&str) -> (&'static str, String),
) -> String {
    let begun = Instant::now();
    let mut raised: BTreeMap<&str, f32> = BTreeMap::new();
    let mut last = Vec::new();
    let wanted: Vec<_> = FAULTS.iter().filter(|(at, ..)| *at == place).collect();
    while raised.len() < wanted.len() {
        let missing: Vec<_> =
            wanted.iter().filter(|(_, fault, ..)| !raised.contains_key(fault)).collect();
        assert!(begun.elapsed() < RAISED, "{raised:?}, but not {missing:?}: {last:#?}");
        last = firing(prometheus).await;
        for (_, fault, alert, cause) in missing {
            let (name, value) = label(fault);
            let is_it = |found: &&Value| {
                let says = found["annotations"]["description"].as_str().unwrap_or_default();
                let labels = &found["labels"];
                labels["alertname"] == *alert && labels[name] == value && says.contains(cause)
            };
            if last.iter().any(|found| is_it(&found)) {
                raised.insert(fault, begun.elapsed().as_secs_f32());
            }
        }
        sleep(Duration::from_millis(500)).await;
    }
    format!("{place}: seconds until the alert: {raised:.1?}")
}

/// Waits until each of these kinds of faults is told as injected.
async fn all_told(prometheus: &Prometheus, kinds: &[&str]) {
    let end = Instant::now() + RAISED;
    loop {
        let told = firing(prometheus).await;
        let is_told = |kind: &&&str| {
            told.iter().any(|alert| {
                let labels = &alert["labels"];
                labels["alertname"] == "McpFaultInjected" && labels["fault"] == **kind
            })
        };
        if kinds.iter().all(|kind| is_told(&kind)) {
            return;
        }
        assert!(Instant::now() < end, "{kinds:?}: {told:#?}");
        sleep(Duration::from_millis(500)).await;
    }
}

#[test]
fn the_table_in_the_runbooks_has_these_rows() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbooks.md");
    let page = fs::read_to_string(page).unwrap();
    for (place, fault, alert, cause) in FAULTS {
        let start = format!("| {place} | `{fault}`");
        let row = page.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("no row `{start}`"));
        assert!(row.contains(&format!("[{alert}](#{})", alert.to_lowercase())), "{row}");
        assert!(cause.is_empty() || row.contains(&format!("`{cause}`")), "{row}: `{cause}`");
    }
}

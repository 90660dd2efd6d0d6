//! Faults of each kind, done for real, under the rules of the lab: the alert that names the cause is
//! raised within two minutes, and while nothing is wrong none is but the watchdog.

mod clients;
mod quiet;
mod upstreams;

pub use clients::clients_and_servers;
pub use quiet::quiet;
pub use upstreams::upstreams;

use crate::support::{Prometheus, until_within};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
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
const FAULTS: [(&str, &str, &str, &str); 29] = [
    ("upstream", "status-401", "McpUpstreamDown", "refused"),
    ("upstream", "status-429", "McpUpstreamErrors", "rate_limited"),
    ("upstream", "status-500", "McpUpstreamErrors", "server_error"),
    ("upstream", "latency", "McpUpstreamSlow", ""),
    ("upstream", "bandwidth", "McpUpstreamSlow", ""),
    ("upstream", "loss", "McpUpstreamSlow", ""),
    ("upstream", "slice", "McpUpstreamSlow", ""),
    ("upstream", "corrupt", "McpUpstreamErrors", "protocol_error"),
    ("upstream", "refuse", "McpUpstreamDown", "connection_lost"),
    ("upstream", "cut", "McpUpstreamDown", "silent"),
    ("upstream", "empty_tools", "McpUpstreamEmpty", ""),
    ("upstream", "reset", "McpUpstreamDown", "connection_lost"),
    ("upstream", "half_open", "McpUpstreamDown", "silent"),
    ("upstream", "pause", "McpUpstreamDown", "silent"),
    ("upstream", "session_lost", "McpUpstreamFlapping", "session_lost"),
    ("upstream", "reply_lost", "McpUpstreamErrors", "outcome_unknown"),
    ("upstream", "kill", "McpUpstreamFlapping", "exited"),
    ("upstream", "stop", "McpUpstreamFlapping", "hung"),
    ("server", "stop", "McpTargetDown", ""),
    ("server", "kill", "McpCrashLoop", ""),
    ("server", "cpu", "McpServerSlow", ""),
    ("clients", "reset", "McpSessionLossSpike", "client_gone"),
    ("clients", "half_open", "McpSessionLossSpike", "heartbeat_lost"),
    ("clients", "far", "McpClientsFar", ""),
    ("clients", "cut", "McpReconnectSpike", ""),
    ("clients", "session_lost", "McpReconnectFailing", ""),
    ("clients", "token", "McpHandshakeFailures", "unauthorized"),
    ("lab", "latency", "McpClientsSeeDelay", "latency"),
    ("lab", "reset", "McpClientsSeeFailures", "reset"),
];

/// Faults that raise none, though they are done to an upstream for all of the time.
const HARMLESS: [&str; 6] =
    ["noop", "reorder", "duplicate", "slow_close", "stream_cut", "list_changed_lost"];

/// Tells all that act that the quiet time is over.
type Go = watch::Receiver<bool>;

async fn gone(go: &Go) {
    // Whoever tells outlives all that act.
    let mut go = go.clone();
    let _told = go.wait_for(|go| *go).await;
}

/// The rules of the lab, with more time for machines that are busy with other tests: what is slow
/// there is what takes two seconds, and of a scrape one and a half.
fn rules(dir: &Path) -> Vec<PathBuf> {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus/lab");
    let read = |file: &str| fs::read_to_string(lab.join(file)).unwrap();
    let alerts = read("alerts.yml");
    assert_eq!(["> 0.1\n", "> 0.4\n"].map(|limit| alerts.matches(limit).count()), [3, 1]);
    let alerts = alerts.replace("> 0.1\n", "> 2\n").replace("> 0.4\n", "> 1.5\n");
    fs::write(dir.join("alerts.yml"), alerts).unwrap();
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
async fn all_told(prometheus: &Prometheus, mut kinds: BTreeSet<String>) {
    let end = Instant::now() + RAISED;
    while !kinds.is_empty() {
        assert!(Instant::now() < end, "not told: {kinds:?}");
        for alert in firing(prometheus).await {
            if alert["labels"]["alertname"] == "McpFaultInjected" {
                kinds.remove(alert["labels"]["fault"].as_str().unwrap());
            }
        }
        sleep(Duration::from_millis(500)).await;
    }
}

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

#[test]
fn every_kind_of_fault_raises_an_alert_or_there_is_a_reason_why_not() {
    let (faults, runbooks) = (page("chaos.md"), page("runbooks.md"));
    let kinds = faults.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
    let kinds: Vec<&str> = kinds.collect();
    assert!(kinds.len() > 20, "{kinds:?}");
    let (raised, none) = runbooks.split_once("These raise none").expect("two tables");
    let none = none.split_once("\n## ").expect("a section").0;
    for kind in kinds {
        let has = |text: &str| {
            let rows = text.lines().filter(|line| line.starts_with('|'));
            let starts = [format!("`{kind}`"), format!("`{kind}-")];
            rows.filter(|row| starts.iter().any(|start| row.contains(start))).count() > 0
        };
        assert!(has(raised) || has(none), "what does `{kind}` raise?");
        let is_seen = FAULTS.iter().any(|(_, fault, ..)| fault.split('-').next() == Some(kind));
        let is_none = HARMLESS.contains(&kind) || kind == "memory";
        let is_alike = ["terminate", "restart"].contains(&kind);
        assert!(is_seen || is_none || is_alike, "`{kind}` is not done");
    }
}

#[test]
fn the_table_in_the_runbooks_has_these_rows() {
    let page = page("runbooks.md");
    for (place, fault, alert, cause) in FAULTS {
        let start = format!("| {place} | `{fault}`");
        let row = page.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("no row `{start}`"));
        assert!(row.contains(&format!("[{alert}](#{})", alert.to_lowercase())), "{row}");
        assert!(cause.is_empty() || row.contains(&format!("`{cause}`")), "{row}: `{cause}`");
    }
}

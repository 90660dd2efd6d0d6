//! Dashboards, rules, runbooks and the reference page agree with each other and with what the server
//! exposes. `files` reads them, `promql` takes expressions apart, `shape` and `lint` look at each dashboard,
//! `live` asks a real Prometheus everything that they ask, `drawn` has Grafana's front-end parts draw
//! them from one, before which `stage` acts; `empty` knows what may have no answer.

mod drawn;
mod empty;
mod files;
mod lint;
mod live;
mod promql;
mod shape;
mod stage;

use crate::cli;
use files::{Dashboard, dashboards, read, words};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Where the page goes on after what the command prints.
const BY_HAND: &str = "\n# Not on a dashboard\n";

fn listed(format: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let listed = cli::run(home.path(), &["metrics", "list", "--format", format]);
    assert_eq!(listed.code, Some(0), "{}", listed.err);
    listed.out
}

/// The labels of every metric, by its name.
fn catalogue() -> BTreeMap<String, BTreeSet<String>> {
    let metrics: Vec<Value> = serde_json::from_str(&listed("json")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    metrics
        .iter()
        .map(|metric| {
            let labels = metric["labels"].as_array().unwrap();
            (text(&metric["name"]), labels.iter().map(text).collect())
        })
        .collect()
}

/// The metric that a series belongs to.
fn base(name: &str) -> &str {
    let suffixes = ["_bucket", "_count", "_sum"];
    suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
}

fn is_metric(name: &str) -> bool {
    ["mcp_", "process_", "tokio_"].iter().any(|prefix| name.starts_with(prefix))
}

fn used_by(dashboard: &Dashboard) -> BTreeSet<String> {
    dashboard.expressions().iter().flat_map(|expression| words(&expression.text)).collect()
}

/// Names of recording rules of a file of rules.
fn recorded() -> BTreeSet<String> {
    let rules = read("deploy/prometheus/availability.yml");
    let names = rules.lines().filter_map(|line| line.trim().strip_prefix("- record: "));
    names.map(str::to_owned).collect()
}

fn alerts() -> Vec<String> {
    let rules = read("deploy/prometheus/alerts.yml");
    let names = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.map(str::to_owned).collect()
}

#[test]
fn every_name_in_dashboards_and_rules_exists() {
    let (catalogue, recorded) = (catalogue(), recorded());
    let mut places: Vec<(String, BTreeSet<String>)> =
        dashboards().iter().map(|dashboard| (dashboard.file.clone(), used_by(dashboard))).collect();
    for file in ["availability.yml", "alerts.yml", "lab/availability.yml", "lab/alerts.yml"] {
        let path = format!("deploy/prometheus/{file}");
        places.push((path.clone(), words(&read(&path))));
    }
    for page in ["docs/runbooks.md", "docs/observe.md", "docs/upstreams.md", "README.md"] {
        places.push((page.to_owned(), words(&read(page))));
    }
    let mut seen = 0;
    for (place, names) in places {
        for name in names.iter().filter(|name| is_metric(name) && !name.ends_with('_')) {
            let known = catalogue.contains_key(name) || catalogue.contains_key(base(name));
            assert!(known, "{place}: no metric `{name}`");
            seen += 1;
        }
        for name in names.iter().filter(|name| name.contains(":mcp_")) {
            assert!(recorded.contains(name), "{place}: no rule records `{name}`");
            seen += 1;
        }
    }
    assert!(seen > 150, "{seen} names");
}

#[test]
fn every_metric_is_on_a_dashboard_or_has_a_reason_not_to_be() {
    let used: BTreeSet<String> = dashboards().iter().flat_map(used_by).collect();
    let used: BTreeSet<&str> = used.iter().map(|name| base(name)).collect();
    let page = read("docs/metrics.md");
    let (_, reasons) = page.split_once(BY_HAND).expect("what is on no dashboard is listed");
    let reasons: BTreeMap<&str, &str> = reasons
        .lines()
        .filter_map(|line| line.strip_prefix("- `")?.split_once("`: "))
        .inspect(|(name, reason)| assert!(reason.len() > 20, "{name} is left out without a reason"))
        .collect();
    // What the rules read is seen through what they record.
    let rules = words(&read("deploy/prometheus/availability.yml"));
    for name in catalogue().keys() {
        let shown = used.contains(name.as_str()) || used.contains(base(name));
        assert!(
            shown != reasons.contains_key(name.as_str()),
            "{name}: either on a dashboard ({shown}) or in docs/metrics.md with a reason; rules: {}",
            rules.contains(name)
        );
    }
    for name in reasons.keys() {
        assert!(catalogue().contains_key(*name), "{name} is no metric");
    }
}

#[test]
fn the_reference_page_is_what_the_command_prints() {
    let page = read("docs/metrics.md");
    let (printed, _) = page.split_once(BY_HAND).unwrap();
    let now = listed("markdown");
    assert!(
        printed == now,
        "docs/metrics.md is old: put `mcp-orchestrator metrics list --format markdown` before{BY_HAND}"
    );
}

#[test]
fn every_alert_has_a_runbook_a_dashboard_and_a_test() {
    let (rules, runbooks) = (read("deploy/prometheus/alerts.yml"), read("docs/runbooks.md"));
    let tests = read("deploy/prometheus/rules.test.yml");
    let sections: Vec<&str> =
        runbooks.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(sections, alerts(), "the sections of docs/runbooks.md are the alerts, in order");
    let uids: Vec<String> = dashboards().iter().map(|dashboard| dashboard.uid.clone()).collect();
    for rule in rules.split("      - alert: ").skip(1) {
        let name = rule.lines().next().unwrap();
        let anchor = format!("runbook: docs/runbooks.md#{}\n", name.to_lowercase());
        assert!(rule.contains(&anchor), "{name} names its runbook");
        let named = |uid: &String| rule.contains(&format!("dashboard: /d/{uid}\n"));
        assert!(uids.iter().any(named), "{name} names a dashboard");
        assert!(
            tests.contains(&format!("alertname=\"{name}\"")),
            "{name} is seen firing in a test"
        );
    }
}

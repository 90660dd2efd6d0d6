//! The rules of Grafana's `dashboard-linter`, as far as they are not in `shape`, and what follows from
//! them here. One of them does not hold: nothing is chosen by `job`, since no other program exposes
//! `mcp_…`; where a metric is one that others expose too, its job is named.

use super::{
    base, catalogue,
    files::{Dashboard, dashboards},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Metrics of programs beside the server, which have instances of their own.
const BESIDE: [&str; 2] = ["mcp_chaos_", "mcp_lab_"];
/// Functions that make something of a counter.
const RATES: [&str; 4] = ["rate", "increase", "changes", "resets"];

/// A metric as it stands in an expression.
#[derive(Debug)]
struct Selector<'a> {
    /// What it is given to, if it is alone in the parentheses.
    function: &'a str,
    name: &'a str,
    matchers: &'a str,
    range: &'a str,
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | ':')
}

/// The part in these brackets that a text begins with, and what follows.
fn bracketed(text: &str, brackets: [char; 2]) -> (&str, &str) {
    let inside = text.strip_prefix(brackets[0]);
    inside.and_then(|inside| inside.split_once(brackets[1])).unwrap_or(("", text))
}

/// All metrics of an expression, known by how they begin.
fn selectors(expression: &str) -> Vec<Selector<'_>> {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(is_word) {
        let before = &expression[..expression.len() - rest.len() + start];
        let word = &rest[start..];
        let end = word.find(|letter| !is_word(letter)).unwrap_or(word.len());
        let (name, after) = word.split_at(end);
        rest = after;
        if before.ends_with(['"', '$', '~']) || before.matches('"').count() % 2 == 1 {
            continue;
        }
        if !(name.starts_with("mcp_") || is_common(name)) {
            continue;
        }
        let (matchers, after) = bracketed(after, ['{', '}']);
        let (range, _) = bracketed(after, ['[', ']']);
        let outside = before.strip_suffix('(').unwrap_or_default();
        let function = outside.rsplit(|letter| !is_word(letter)).next().unwrap_or_default();
        found.push(Selector { function, name, matchers, range });
    }
    found
}

/// Whether any program may expose it.
fn is_common(name: &str) -> bool {
    name.starts_with("process_") || ["up", "mcp_build_info"].contains(&name)
}

fn is_counter(name: &str) -> bool {
    ["_total", "_bucket", "_count", "_sum"].iter().any(|end| name.ends_with(end))
}

/// What is wrong with a metric in an expression.
fn faults(selector: &Selector<'_>, labels: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut must = |holds: bool, rule: &str| {
        if !holds {
            faults.push(format!("{rule}: {selector:?}"));
        }
    };
    let Selector { function, name, matchers, range } = selector;
    // The lab's own begin with its run, and are counts of that.
    let is_whole = !is_counter(name) || name.starts_with("mcp_lab_");
    must(is_whole || RATES.contains(function), "a counter is shown as a rate");
    let is_variable = ["", "$__rate_interval", "$__range"].contains(range);
    must(is_variable, "the range follows the chosen time");
    if BESIDE.iter().any(|beside| name.starts_with(beside)) {
        return faults;
    }
    must(matchers.contains("instance=~\"$instance\""), "the instance can be chosen");
    let common = is_common(name);
    must(!common || matchers.contains("job=\"mcp-orchestrator\""), "its job is named");
    let own = labels.get(*name).or_else(|| labels.get(base(name)));
    for label in ["transport", "upstream"] {
        let has = own.is_some_and(|own| own.contains(label));
        let chosen = format!("{label}=~\"${label}\"");
        must(!has || matchers.contains(&chosen), &format!("the {label} can be chosen"));
    }
    faults
}

#[test]
fn what_dashboards_ask_follows_the_variables_and_the_chosen_time() {
    let labels = catalogue();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for dashboard in dashboards() {
        for panel in dashboard.panels() {
            for target in panel["targets"].as_array().expect("targets") {
                for selector in selectors(target["expr"].as_str().expect("an expression")) {
                    seen += 1;
                    let faults = faults(&selector, &labels).into_iter();
                    wrong.extend(faults.map(|fault| format!("{}: {fault}", panel["title"])));
                }
            }
        }
    }
    assert!(seen > 150, "{seen} metrics");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_dashboard_has_the_variables_that_it_uses() {
    for dashboard in dashboards() {
        let asked = dashboard.expressions();
        for variable in dashboard.list("/templating/list") {
            let name = variable["name"].as_str().expect("a name");
            if variable["type"] != "query" {
                continue;
            }
            let used = asked.iter().any(|one| one.text.contains(&format!("\"${name}\"")));
            assert!(used, "{}: nothing depends on {name}", dashboard.uid);
        }
    }
}

/// Every value under this key, wherever it stands.
fn under<'a>(json: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match json {
        Value::Object(fields) => {
            found.extend(fields.get(key));
            fields.values().for_each(|value| under(value, key, found));
        }
        Value::Array(list) => list.iter().for_each(|value| under(value, key, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn source_is_a_variable(dashboard: &Dashboard) {
    let mut found = Vec::new();
    under(&dashboard.json, "datasource", &mut found);
    assert!(found.len() > 30, "{}: {} data sources", dashboard.uid, found.len());
    for source in found {
        assert_eq!(source["uid"], "${datasource}", "{}", dashboard.uid);
    }
}

#[test]
fn nothing_is_bound_to_one_grafana() {
    for dashboard in dashboards() {
        source_is_a_variable(&dashboard);
        assert_eq!(dashboard.json["editable"], false, "what is changed by hand would be lost");
        let titles: Vec<&str> =
            dashboard.panels().map(|panel| panel["title"].as_str().expect("a title")).collect();
        let different: BTreeSet<&&str> = titles.iter().collect();
        assert_eq!(different.len(), titles.len(), "{}: a title twice", dashboard.uid);
        for variable in dashboard.list("/templating/list") {
            let refreshed = variable["refresh"].as_u64();
            let wanted = if variable["type"] == "query" { 2 } else { 1 };
            assert_eq!(refreshed, Some(wanted), "{}: {}", dashboard.uid, variable["name"]);
        }
    }
}

#[test]
fn an_expression_is_taken_apart_and_faults_are_seen() {
    let text = "sum by (le) (rate(mcp_a_total{x=~\"$x\", y=\"mcp_b\"}[$__range] @ end())) / mcp_c";
    let found = selectors(text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!((found[0].function, found[0].name), ("rate", "mcp_a_total"));
    assert_eq!((found[0].matchers, found[0].range), ("x=~\"$x\", y=\"mcp_b\"", "$__range"));
    assert_eq!((found[1].name, found[1].matchers, found[1].range), ("mcp_c", "", ""));
    let labels = catalogue();
    for (text, times) in [
        (
            "rate(mcp_connections_total{instance=~\"$instance\", transport=~\"$transport\"}[$__range])",
            0,
        ),
        ("rate(mcp_connections_total{instance=~\"$instance\"}[$__range])", 1),
        ("mcp_connections_total", 3),
        ("rate(mcp_connections_total[5m])", 3),
        ("sum(up{instance=~\"$instance\"})", 1),
        ("sum(mcp_chaos_fault_active)", 0),
    ] {
        let all: usize = selectors(text).iter().map(|one| faults(one, &labels).len()).sum();
        assert_eq!(all, times, "{text}");
    }
}

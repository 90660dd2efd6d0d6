//! What Grafana needs of a dashboard, and what we ask of one beyond that.

use super::files::{Dashboard, dashboards};
use serde_json::Value;
use std::collections::BTreeSet;

const TYPES: [&str; 5] = ["timeseries", "stat", "table", "state-timeline", "row"];
const SOURCES: [&str; 3] = ["datasource", "logs", "traces"];

#[test]
fn dashboards_are_what_grafana_provisions() {
    let mut uids = BTreeSet::new();
    for dashboard in dashboards() {
        let json = &dashboard.json;
        assert!(uids.insert(dashboard.uid.clone()), "{} is there twice", dashboard.uid);
        assert!(dashboard.file.ends_with(&format!("{}.json", dashboard.uid)));
        assert!(json["schemaVersion"].as_u64().is_some_and(|version| version >= 39));
        assert!(json.get("id").is_none_or(Value::is_null), "ids are given by Grafana");
        for text in ["title", "description", "refresh", "timezone"] {
            assert!(json[text].as_str().is_some_and(|text| !text.is_empty()), "{text}");
        }
        assert!(json["time"]["from"].is_string() && json["time"]["to"].is_string());
        assert_eq!(json["tags"][0], "mcp-orchestrator");
        variables(&dashboard);
        for annotation in dashboard.list("/annotations/list") {
            assert_eq!(annotation["datasource"]["uid"], "${datasource}");
            assert_eq!(annotation["enable"], true);
        }
        places(&dashboard);
        for panel in dashboard.list("/panels") {
            assert!(TYPES.contains(&panel["type"].as_str().unwrap()), "{panel}");
        }
        dashboard.panels().for_each(|panel| shown(&dashboard, panel));
    }
    let lab = dashboards().into_iter().find(|dashboard| dashboard.uid == "mcp-lab").unwrap();
    let annotations = lab.list("/annotations/list");
    let faults = |annotation: &&Value| annotation["expr"] == "mcp_chaos_fault_active > 0";
    assert_eq!(annotations.iter().filter(faults).count(), 1, "faults are laid over the lab's run");
}

fn variables(dashboard: &Dashboard) {
    let list = dashboard.list("/templating/list");
    let names: Vec<&str> = list.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert!(names.starts_with(&SOURCES) && names.contains(&"instance"), "{names:?}");
    for variable in list {
        match variable["type"].as_str().unwrap() {
            "datasource" => assert!(variable["query"].is_string()),
            "query" => {
                assert_eq!(variable["datasource"]["uid"], "${datasource}");
                assert!(variable["multi"] == true && variable["includeAll"] == true);
                assert_eq!(variable["allValue"], ".*");
            }
            other => panic!("a variable of type {other}"),
        }
    }
}

/// Every panel has an id of its own, lies within the width, and on no other.
fn places(dashboard: &Dashboard) {
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard.list("/panels") {
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{}: {panel}", dashboard.uid);
        let [x, y, w, h] =
            ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().expect("a place"));
        assert!(w > 0 && h > 0 && x + w <= 24, "{}: {panel}", dashboard.uid);
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{}: {} overlaps", dashboard.uid, panel["title"]);
        }
    }
}

fn shown(dashboard: &Dashboard, panel: &Value) {
    let place = format!("{}: {}", dashboard.uid, panel["title"]);
    let description = panel["description"].as_str().unwrap_or_default();
    assert!(
        description.len() > 60 && description.matches(['.', ':', ';']).count() > 1,
        "{place}: a description says what it shows and what to do: {description}"
    );
    assert_eq!(panel["datasource"]["uid"], "${datasource}", "{place}");
    let unit = panel["fieldConfig"]["defaults"]["unit"].as_str();
    assert!(panel["type"] == "table" || unit.is_some_and(|unit| unit != "short"), "{place}: unit");
    let targets = panel["targets"].as_array().expect("questions");
    let ids: BTreeSet<&str> =
        targets.iter().map(|target| target["refId"].as_str().expect("a refId")).collect();
    assert!(!targets.is_empty() && ids.len() == targets.len(), "{place}");
    for target in targets {
        assert_eq!(target["datasource"]["uid"], "${datasource}", "{place}");
        assert!(target["instant"] == true || target["range"] == true, "{place}");
    }
    let links = panel["links"].as_array().expect("links");
    let leads = |to: &str| links.iter().any(|link| link["url"].as_str().unwrap().contains(to));
    assert!(leads("${logs}") || leads("${traces}"), "{place}: a link to logs or traces");
    for link in links {
        pane(link["url"].as_str().unwrap());
    }
}

/// The address of a link holds the JSON of a pane.
fn pane(url: &str) {
    let url = reqwest::Url::parse(&format!("http://grafana{url}")).expect("an address");
    let (_, panes) = url.query_pairs().find(|(key, _)| key == "panes").expect("panes");
    let panes: Value = serde_json::from_str(&panes).expect("JSON");
    let query = &panes["a"]["queries"][0];
    assert!(query["expr"].is_string() || query["query"].is_string(), "{panes}");
    assert_eq!(panes["a"]["range"]["from"], "${__from}");
}

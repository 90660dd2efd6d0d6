//! The dashboards as somebody sees them: drawn by Grafana's own front-end parts in a browser, from a
//! Prometheus that has scraped a server with clients, faults, a lost upstream and a crash.
//!
//! `MCP_TEST_PICTURES` names a folder for the pictures; without one they are not kept.

use super::{
    empty::excuse,
    files::{dashboards, path},
    promql::filled,
    stage::{had_data, has_data, lab_run, load, lose_upstream, prometheus, websocket},
};
use crate::support::{Port, Prometheus, Server, Setup, node, run_script, until, within};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{process::Command, time::Instant};

/// What charts take for the time between scrapes, in seconds: some may come late.
const SCRAPE: u64 = 5;

/// Until each of these has an answer, the upstream was lost, the server was killed, and the lab has
/// played a scenario and plays the next one.
const SEEN: [&str; 4] = [
    "sum(mcp_chaos_faults_injected_total) > 0",
    "rate(mcp_heartbeat_rtt_seconds_count{transport=\"websocket\"}[20s]) > 0",
    "rate(mcp_tool_calls_total{status=\"tool_error\"}[20s]) > 0",
    "sum(mcp_lab_scenarios_total) > 0",
];

/// Clients come and go, faults are injected, the upstream is lost and the server is killed. Gives the
/// time when all of it had been scraped.
async fn act(server: &mut Server, prometheus: &Prometheus, metrics: &Port) -> u64 {
    until("the series have two samples", || {
        has_data(prometheus, "scrapes", "count_over_time(mcp_upstream_restarts_total[30s]) > 1")
    })
    .await;
    load(server).await;
    lose_upstream(server).await;
    // What the next process knows nothing of.
    until("the loss was scraped", || {
        has_data(
            prometheus,
            "scrapes",
            "rate(mcp_upstream_recovery_duration_seconds_count[30s]) > 0",
        )
    })
    .await;
    load(server).await;
    server.start_again("KILL").await;
    server.upstreams(&["fix"], "connected").await;
    let socket = websocket(server).await;
    let mut lab = lab_run(server, metrics);
    let end = Instant::now() + Duration::from_secs(100);
    loop {
        // What is drawn is what was there then, and not a moment later.
        let then = now();
        if all_seen(prometheus, then).await {
            drop(socket);
            return then;
        }
        assert!(Instant::now() < end, "not all of {SEEN:?} was seen: {}", server.log());
        load(server).await;
        if lab.try_wait().expect("a child").is_some() {
            lab = lab_run(server, metrics);
        }
    }
}

async fn all_seen(prometheus: &Prometheus, at: u64) -> bool {
    for expression in SEEN {
        if !had_data(prometheus, expression, at).await {
            return false;
        }
    }
    true
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// The folders of Grafana's parts and of the page; `./test` has made them.
async fn prepared() -> [String; 2] {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty());
    let cache = cache.map_or_else(
        || Path::new(&std::env::var_os("HOME").expect("HOME")).join(".cache"),
        |folder| Path::new(&folder).to_owned(),
    );
    let mut command = Command::new(node());
    command.arg(path("tests/dashboards/prepare.mjs")).arg(cache.join("mcp-orchestrator"));
    let made = within(200, "the page is built", command.kill_on_drop(true).output()).await;
    let made = made.expect("node");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let folders = String::from_utf8(made.stdout).expect("paths");
    let (parts, page) = folders.trim().split_once('\n').expect("two lines");
    [parts.to_owned(), page.to_owned()]
}

/// Has all of them drawn over that time, in one browser: `{uid: {file, looks}}`.
async fn draw(prometheus: &Prometheus, [from, to]: [u64; 2], wanted: Value) -> Vec<Value> {
    let [installed, page] = prepared().await;
    let pictures = std::env::var("MCP_TEST_PICTURES").ok();
    let plan = json!({
        "installed": installed, "page": page, "prometheus": prometheus.base(), "from": from, "to": to,
        "scrape": SCRAPE, "dashboards": wanted, "pictures": pictures,
    });
    let drawn = run_script("../dashboards/draw.mjs", &plan, 200, String::new).await;
    drawn.as_array().expect("looks").clone()
}

/// Nothing is in error, and what is empty has a reason.
fn assert_well(look: &Value) {
    let none = json!([]);
    assert_eq!((&look["errors"], &look["strange"]), (&none, &none), "{look}");
    assert_eq!(look["broken"], none, "{look}");
    assert_eq!(look["fits"], true, "{} at {}", look["uid"], look["width"]);
    assert_eq!(look["cut"], none, "titles of {} at {}", look["uid"], look["width"]);
    for answer in look["answered"].as_array().expect("answers") {
        assert_eq!(answer["error"], Value::Null, "{}: {answer}", look["uid"]);
    }
}

/// Expressions without a number, that have no reason to be.
fn empty(look: &Value) -> Vec<String> {
    let answers = look["answered"].as_array().expect("answers").iter();
    let without = answers.filter(|answer| answer["series"] == 0).map(|answer| {
        let [place, expression] = ["place", "expr"].map(|key| answer[key].as_str().expect("text"));
        (format!("{}: {place}", look["uid"].as_str().expect("a uid")), filled(expression))
    });
    let unexcused = without.filter(|(place, expression)| excuse(place, expression).is_none());
    unexcused.map(|(place, expression)| format!("{place}: {expression}")).collect()
}

/// A dashboard with a panel that is well, one that asks nonsense, one that nobody can draw and one
/// that is empty.
fn spoilt(file: &Path) {
    let all = dashboards();
    let mut json = all.into_iter().find(|one| one.uid == "mcp-runtime").expect("it is there").json;
    let panels = json["panels"].as_array_mut().expect("panels");
    panels.retain(|panel| panel["type"] == "stat");
    panels.truncate(4);
    panels[1]["targets"][0]["expr"] = json!("sum(");
    panels[2]["type"] = json!("crystal-ball");
    panels[3]["targets"][0]["expr"] = json!("mcp_nothing_total");
    fs::write(file, json.to_string()).expect("a dashboard");
}

/// Each dashboard as it is shipped, in two looks, and one that is spoilt.
fn wanted(server: &Server) -> Value {
    let instance = server.base().trim_start_matches("http://").to_owned();
    let one = json!({"instance": instance, "transport": "http", "upstream": "fix"});
    let looks = json!([[1280, "light"], [1024, "dark", one]]);
    let shipped = dashboards().into_iter();
    let shipped = shipped.map(|one| (one.uid, json!({"file": one.file, "looks": looks})));
    let mut wanted: serde_json::Map<String, Value> = shipped.collect();
    let file = server.dir().join("spoilt.json");
    spoilt(&file);
    wanted.insert("spoilt".to_owned(), json!({"file": file, "looks": [[1280, "light"]]}));
    Value::Object(wanted)
}

/// What is wrong is seen, and told from what is merely empty.
fn assert_spoilt(look: &Value) {
    let broken = look["broken"].as_array().expect("what is broken");
    assert_eq!(broken.len(), 2, "{look}");
    assert!(look["broken"].to_string().contains("crystal-ball"), "{look}");
    assert_eq!(empty(look).len(), 2, "{look}");
    let nothing = look["stats"]["Store failures"].as_str().expect("a panel");
    assert!(nothing.ends_with("no data"), "what is not known is not well: {nothing}");
}

#[tokio::test]
async fn every_panel_is_drawn_by_grafanas_parts_and_none_is_in_error() {
    let setup = Setup::new().fixture("fix", json!({})).set("limits.heartbeat", 0.3);
    let mut server = setup.start().await;
    server.upstreams(&["fix"], "connected").await;
    let metrics = Port::reserve();
    let prometheus = prometheus(&server, &metrics).await;
    let since = now();
    let time = [since, act(&mut server, &prometheus, &metrics).await];
    let drawn = draw(&prometheus, time, wanted(&server)).await;
    let (spoilt, drawn): (Vec<_>, Vec<_>) = drawn.iter().partition(|look| look["uid"] == "spoilt");
    assert_spoilt(spoilt[0]);
    let dashboards = dashboards();
    assert_eq!(drawn.len(), 2 * dashboards.len());
    let mut missing = Vec::new();
    for look in &drawn {
        let dashboard = dashboards.iter().find(|one| look["uid"] == one.uid).expect("it is ours");
        assert_well(look);
        assert_eq!(look["panels"], dashboard.panels().count());
        for variable in look["variables"].as_array().expect("variables") {
            assert!(variable["choices"].as_u64() > Some(0), "{}: {variable}", dashboard.uid);
        }
        // A choice of one transport may well leave a panel of another empty.
        missing.extend(if look["width"] == 1280 { empty(look) } else { Vec::new() });
    }
    assert!(missing.is_empty(), "nothing is shown by\n{}", missing.join("\n"));
    let listed = prometheus.api("query", &[("query", "count(mcp_tool_available)")]).await;
    let listed = listed["data"]["result"][0]["value"][1].as_str().expect("a number").to_owned();
    let upstreams = drawn.iter().find(|look| look["uid"] == "mcp-upstreams").expect("it is drawn");
    let shown = upstreams["stats"]["Tools listed"].as_str().expect("a panel");
    assert_eq!(shown.lines().last(), Some(&*listed), "{shown}");
    drop(prometheus);
    server.signal("TERM");
    assert_eq!(server.exit_code().await, Some(0));
}

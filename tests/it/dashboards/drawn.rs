//! The dashboards as somebody sees them: drawn by Grafana's own front-end parts in a browser, from a
//! Prometheus that has scraped a server with clients, faults, a lost upstream and a crash.
//!
//! `MCP_TEST_PICTURES` names a folder for the pictures; without one they are not kept.

use super::{
    empty::excuse,
    files::{dashboards, path},
    promql::filled,
    stage::{api, has_data, load, lose_upstream, prometheus, websocket},
};
use crate::support::{Peer, Port, Server, Setup, node, run_script, until, within};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    process::Stdio,
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::process::Command;

/// Every half second some messages are late, and some connections are cut.
const PLAN: &str = r#"
seed = 7
[[fault]]
kind = "latency"
delay = "50ms"
share = 0.5
for = "1s"
every = "2s"
[[fault]]
kind = "reset"
share = 0.2
at = "1s"
for = "1s"
every = "2s"
"#;
/// What charts take for the time between scrapes, in seconds: some may come late.
const SCRAPE: u64 = 5;

fn orchestrator() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-orchestrator"));
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// A chaos proxy before the server, with the addresses of its clients and of its `/metrics`.
async fn chaos(server: &Server) -> (Peer, String, String) {
    let plan = server.dir().join("plan.toml");
    fs::write(&plan, PLAN).expect("a plan");
    let (proxy, control) = (Port::reserve(), Port::reserve());
    let [proxy_at, control_at] = [&proxy, &control].map(|port| port.address().to_string());
    let mut command = orchestrator();
    command.args(["chaos", "--upstream", server.base(), "--listen", &proxy_at]);
    command.args(["--control", &control_at, "--plan"]).arg(&plan);
    (Peer::start(command, vec![proxy, control]).await, proxy_at, control_at)
}

/// A run of the lab through the proxy. Under these faults it may fail; what counts is that it was.
async fn lab_run(server: &Server, proxy: &str) {
    let mut command = orchestrator();
    command.args(["lab", "run", "--quick", "connection-stability", "--target"]);
    command.arg(format!("http://{proxy}/mcp")).arg("--out").arg(server.dir().join("results"));
    command.env("MCP_ORCHESTRATOR_TOKEN", server.token());
    let ended = within(90, "the lab has run", command.output()).await.expect("the lab runs");
    let code = ended.status.code();
    assert!(matches!(code, Some(0 | 1)), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// Clients come and go, faults are injected, the upstream is lost and the server is killed.
async fn act(server: &mut Server, base: &str, proxy: &str) {
    until("the series have two samples", || {
        has_data(base, "scrapes", "count_over_time(mcp_upstream_restarts_total[30s]) > 1")
    })
    .await;
    let socket = websocket(server).await;
    load(server).await;
    lose_upstream(server).await;
    tokio::join!(lab_run(server, proxy), load(server));
    drop(socket);
    server.start_again("KILL").await;
    server.upstreams(&["fix"], "connected").await;
    let socket = websocket(server).await;
    for expression in [
        "sum(mcp_chaos_faults_injected_total) > 0",
        "rate(mcp_heartbeat_rtt_seconds_count{transport=\"websocket\"}[20s]) > 0",
        "rate(mcp_tool_calls_total{status=\"error\"}[20s]) > 0 or rate(mcp_tool_calls_total{status=\"tool_error\"}[20s]) > 0",
    ] {
        until(expression, || async {
            load(server).await;
            has_data(base, "stage", expression).await
        })
        .await;
    }
    drop(socket);
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// The folder with Grafana's parts and the page; `./test` has made it.
async fn prepared() -> String {
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
    String::from_utf8(made.stdout).expect("a path").trim().to_owned()
}

/// What is drawn, and how: dashboards by their uids out of a folder, each in all looks.
struct Drawing<'a> {
    base: &'a str,
    installed: &'a str,
    since: u64,
}

impl Drawing<'_> {
    async fn of(&self, folder: &Path, uids: &[String], looks: Value) -> Vec<Value> {
        let pictures = std::env::var("MCP_TEST_PICTURES").ok();
        let plan = json!({
            "installed": self.installed, "dashboards": folder, "prometheus": self.base, "uids": uids,
            "from": self.since, "to": now(), "scrape": SCRAPE, "looks": looks, "pictures": pictures,
        });
        let drawn = run_script("../dashboards/draw.mjs", &plan, 200, String::new).await;
        drawn.as_array().expect("looks").clone()
    }
}

/// Nothing is in error, and what is empty has a reason.
fn assert_well(look: &Value) {
    let none = json!([]);
    assert_eq!((&look["errors"], &look["strange"]), (&none, &none), "{look}");
    assert_eq!(look["broken"], none, "{look}");
    assert_eq!(look["fits"], true, "{} at {}", look["uid"], look["width"]);
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
fn spoilt(folder: &Path) {
    let all = dashboards();
    let mut json = all.into_iter().find(|one| one.uid == "mcp-runtime").expect("it is there").json;
    let panels = json["panels"].as_array_mut().expect("panels");
    panels.retain(|panel| panel["type"] == "stat");
    panels.truncate(4);
    panels[1]["targets"][0]["expr"] = json!("sum(");
    panels[2]["type"] = json!("crystal-ball");
    panels[3]["targets"][0]["expr"] = json!("mcp_nothing_total");
    fs::write(folder.join("spoilt.json"), json.to_string()).expect("a dashboard");
}

#[tokio::test]
async fn every_panel_is_drawn_by_grafanas_parts_and_none_is_in_error() {
    let installed = prepared().await;
    let setup = Setup::new().fixture("fix", json!({})).set("limits.heartbeat", 0.3);
    let mut server = setup.start().await;
    server.upstreams(&["fix"], "connected").await;
    let (faults, proxy, control) = chaos(&server).await;
    let (peer, base) = prometheus(&server, &[("mcp-chaos", &control)]).await;
    let since = now();
    act(&mut server, &base, &proxy).await;
    let drawing = Drawing { base: &base, installed: &installed, since };
    let uids: Vec<String> = dashboards().iter().map(|one| one.uid.clone()).collect();
    let instance = server.base().trim_start_matches("http://").to_owned();
    let one = json!({"instance": instance, "transport": "http", "upstream": "fix"});
    let looks = json!([[1280, "light"], [1024, "dark", one]]);
    let drawn = drawing.of(&path("dashboards"), &uids, looks).await;
    assert_eq!(drawn.len(), 2 * uids.len());
    let mut missing = Vec::new();
    for (look, dashboard) in drawn.iter().zip(dashboards().iter().flat_map(|one| [one, one])) {
        assert_well(look);
        assert_eq!(look["panels"], dashboard.panels().count());
        for variable in look["variables"].as_array().expect("variables") {
            assert!(variable["choices"].as_u64() > Some(0), "{}: {variable}", dashboard.uid);
        }
        // A choice of one transport may well leave a panel of another empty.
        missing.extend(if look["width"] == 1280 { empty(look) } else { Vec::new() });
    }
    assert!(missing.is_empty(), "nothing is shown by\n{}", missing.join("\n"));
    let listed = api(&base, "query", &[("query", "count(mcp_tool_available)")]).await;
    let listed = listed["data"]["result"][0]["value"][1].as_str().expect("a number").to_owned();
    let upstreams = drawn.iter().find(|look| look["uid"] == "mcp-upstreams").expect("it is drawn");
    let shown = upstreams["stats"]["Tools listed"].as_str().expect("a panel");
    assert_eq!(shown.lines().last(), Some(&*listed), "{shown}");

    spoilt(server.dir());
    let spoilt = drawing.of(server.dir(), &["spoilt".to_owned()], json!([[1280, "light"]])).await;
    let broken = spoilt[0]["broken"].as_array().expect("what is broken");
    assert_eq!(broken.len(), 2, "{spoilt:?}");
    assert!(spoilt[0]["broken"].to_string().contains("crystal-ball"), "{spoilt:?}");
    assert_eq!(empty(&spoilt[0]).len(), 2, "{spoilt:?}");
    let nothing = spoilt[0]["stats"]["Store failures"].as_str().expect("a panel");
    assert!(nothing.ends_with("no data"), "what is not known is not well: {nothing}");
    drop((peer, faults));
    server.signal("TERM");
    assert_eq!(server.exit_code().await, Some(0));
}

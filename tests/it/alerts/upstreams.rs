//! Faults on the way to upstreams, and of their processes, all at once: each at an upstream of its own.

use super::{HARMLESS, all_raised, all_scraped, all_told, firing, gone, rules, stays_quiet};
use crate::support::{Modern, Prometheus, Server, Setup, descendants, job};
use futures_util::future::join_all;
use mcp_chaos::{Fault, Proxy, ProxyOptions, control::Control};
use mcp_telemetry::Telemetry;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use tokio::{sync::watch, time::sleep};

/// Calls at once of each upstream.
const CALLERS: usize = 3;

/// The faults of the network, by the name of their upstream.
fn faults() -> Vec<(&'static str, Value)> {
    // Connections that are open are not refused, and lists are read by new ones.
    let first = json!({"kind": "reset", "for": "8s"});
    vec![
        ("status-429", json!({"kind": "status", "code": 429, "methods": ["tools/call"]})),
        ("latency", json!({"kind": "latency", "delay": "3s"})),
        ("bandwidth", json!({"kind": "bandwidth", "rate": 600})),
        ("loss", json!({"kind": "loss", "rate": 0.5, "timeout": "300ms"})),
        ("slice", json!({"kind": "slice", "size": 40, "gap": "80ms"})),
        ("corrupt", json!({"kind": "corrupt", "share": 0.7})),
        ("refuse", json!([{"kind": "refuse"}, first])),
        ("cut", json!({"kind": "cut", "after": 100})),
        ("empty_tools", json!([{"kind": "empty_tools"}, first])),
        ("status-401", json!({"kind": "status", "code": 401})),
        ("status-500", json!({"kind": "status", "code": 500, "methods": ["tools/call"]})),
        ("reset", json!({"kind": "reset"})),
        ("half_open", json!({"kind": "half_open"})),
        ("pause", json!({"kind": "pause"})),
        ("session_lost", json!({"kind": "session_lost", "for": "500ms", "every": "4s"})),
        ("reply_lost", json!({"kind": "reply_lost"})),
    ]
}

/// Those that raise none.
fn harmless(name: &str) -> Value {
    match name {
        "duplicate" => json!({"kind": name, "direction": "both"}),
        "slow_close" => json!({"kind": name, "delay": "2s"}),
        "stream_cut" => json!({"kind": name, "after": 1}),
        _ => json!({"kind": name}),
    }
}

/// All of them.
fn given() -> impl Iterator<Item = (&'static str, Value)> {
    faults().into_iter().chain(HARMLESS.map(|name| (name, harmless(name))))
}

/// One, or all of several.
fn each(fault: &Value) -> &[Value] {
    fault.as_array().map_or(std::slice::from_ref(fault), Vec::as_slice)
}

/// Their kinds.
fn kinds() -> BTreeSet<String> {
    let kinds = |fault: Value| -> Vec<String> {
        each(&fault).iter().map(|one| one["kind"].as_str().unwrap().to_owned()).collect()
    };
    given().flat_map(|(_, fault)| kinds(fault)).collect()
}

/// Fails if an alert tells of an upstream to which only such was done.
async fn none_of_the_harmless(prometheus: &Prometheus) {
    for alert in firing(prometheus).await {
        let upstream = alert["labels"]["upstream"].as_str().unwrap_or_default();
        assert!(!HARMLESS.contains(&upstream), "{alert}");
    }
}

/// Their ways to the server behind them, one each; all count in one place.
async fn ways(behind: &Server) -> (Vec<(&'static str, Proxy)>, Control) {
    let telemetry = Telemetry::for_chaos().unwrap();
    let mut ways = Vec::new();
    for (name, _) in given() {
        let options = ProxyOptions {
            telemetry: Some(telemetry.clone()),
            seed: 7,
            ..ProxyOptions::before(behind.base().trim_start_matches("http://"))
        };
        ways.push((name, Proxy::start(options).await.unwrap()));
    }
    let control = Control::start(&ways[0].1, ([127, 0, 0, 1], 0).into(), None).await.unwrap();
    (ways, control)
}

async fn server(ways: &[(&'static str, Proxy)]) -> Server {
    let mut setup = Setup::new();
    for (key, value) in [
        ("park", 1.0),
        ("upstream_ping", 1.0),
        ("upstream_ping_timeout", 5.0),
        ("tool_timeout", 15.0),
    ] {
        setup = setup.set(&format!("limits.{key}"), value);
    }
    for (name, proxy) in ways {
        let url = format!("http://{}/mcp", proxy.address());
        setup = setup.upstream(name, json!({"type": "http", "url": url}));
    }
    for name in ["kill", "stop"] {
        setup = setup.fixture(name, json!({"MARK": name}));
    }
    let server = setup.start().await;
    let names: Vec<&str> = ways.iter().map(|(name, _)| *name).chain(["kill", "stop"]).collect();
    server.upstreams(&names, "connected").await;
    server
}

/// Calls a tool of that upstream again and again.
async fn call(server: &Server, upstream: &str) {
    let client = Modern::with(server, upstream, json!({}));
    let (name, arguments) = match upstream {
        "kill" | "stop" => ("test_simple_text", json!({})),
        // In many segments.
        "loss" => ("echo", json!({"message": "x".repeat(10_000)})),
        "bandwidth" | "slice" => ("echo", json!({"message": "x".repeat(2_000)})),
        _ => ("echo", json!({"message": "x"})),
    };
    let params = json!({"name": format!("{upstream}__{name}"), "arguments": arguments});
    loop {
        client.ask("tools/call", params.clone()).await;
        sleep(Duration::from_millis(300)).await;
    }
}

/// Sends the process of that upstream a signal.
fn signal(server: &Server, upstream: &str, name: &str) {
    for pid in descendants(server.pid()) {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mark = format!("MARK={upstream}");
        if environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes()) {
            // It may be gone by now.
            let _sent =
                std::process::Command::new("kill").args(["-s", name, &pid.to_string()]).status();
        }
    }
}

#[tokio::test]
async fn each_fault_of_an_upstream_raises_the_alert_that_names_its_cause() {
    println!("{}", upstreams(super::QUIET).await);
}

/// All of them, after so long a time without: how soon each alert was raised.
pub async fn upstreams(quiet: Duration) -> String {
    let behind = Setup::new().open().start().await;
    let (ways, control) = ways(&behind).await;
    let server = server(&ways).await;
    let jobs = [
        job("mcp-orchestrator", &[server.base().trim_start_matches("http://").to_owned()]),
        job("mcp-chaos", &[control.address().to_string()]),
    ];
    let prometheus = Prometheus::start(server.dir(), 2, &jobs, &rules(server.dir())).await;
    let names: Vec<&str> = ways.iter().map(|(name, _)| *name).chain(["kill", "stop"]).collect();
    let callers = names.iter().flat_map(|name| [name; CALLERS]);
    let calls = join_all(callers.map(|name| call(&server, name)));
    let (tell, go) = watch::channel(false);
    let look = async {
        all_scraped(&prometheus, jobs.len()).await;
        stays_quiet(&prometheus, quiet).await;
        tell.send_replace(true);
        for ((_, fault), (_, proxy)) in given().zip(&ways) {
            for fault in each(&fault) {
                proxy.add(serde_json::from_value::<Fault>(fault.clone()).unwrap()).unwrap();
            }
        }
        let ((), raised) = tokio::join!(
            all_told(&prometheus, kinds()),
            all_raised(&prometheus, "upstream", |fault| ("upstream", fault.to_owned()))
        );
        none_of_the_harmless(&prometheus).await;
        raised
    };
    let processes = async {
        gone(&go).await;
        loop {
            sleep(Duration::from_secs(2)).await;
            signal(&server, "kill", "KILL");
            signal(&server, "stop", "STOP");
        }
    };
    let raised = tokio::select! {
        raised = look => raised,
        _never = async { tokio::join!(calls, processes) } => unreachable!("they go on for ever"),
    };
    signal(&server, "stop", "KILL");
    server.end().await;
    behind.end().await;
    raised
}

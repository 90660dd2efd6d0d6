//! Faults on the way to upstreams, and of their processes, all at once: each at an upstream of its own.

use super::{all_raised, all_scraped, all_told, gone, rules, stays_quiet};
use crate::support::{Modern, Prometheus, Server, Setup, descendants, job};
use futures_util::future::join_all;
use mcp_chaos::{Fault, Proxy, ProxyOptions, control::Control};
use mcp_telemetry::Telemetry;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{sync::watch, time::sleep};

/// The faults of the network, by the name of their upstream.
fn faults() -> Vec<(&'static str, Value)> {
    vec![
        ("status-401", json!({"kind": "status", "code": 401})),
        ("status-500", json!({"kind": "status", "code": 500, "methods": ["tools/call"]})),
        ("reset", json!({"kind": "reset"})),
        ("half_open", json!({"kind": "half_open"})),
        ("pause", json!({"kind": "pause"})),
        ("session_lost", json!({"kind": "session_lost", "for": "500ms", "every": "4s"})),
        ("reply_lost", json!({"kind": "reply_lost"})),
    ]
}

/// Their ways to the server behind them, one each; all count in one place.
async fn ways(behind: &Server) -> (Vec<(&'static str, Proxy)>, Control) {
    let telemetry = Telemetry::for_chaos().unwrap();
    let mut ways = Vec::new();
    for (name, _) in faults() {
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
    let calls = join_all(names.iter().map(|name| call(&server, name)));
    let (tell, go) = watch::channel(false);
    let look = async {
        all_scraped(&prometheus, jobs.len()).await;
        stays_quiet(&prometheus, quiet).await;
        tell.send_replace(true);
        for ((name, fault), (_, proxy)) in faults().into_iter().zip(&ways) {
            let mut fault = fault;
            fault["name"] = name.into();
            proxy.add(serde_json::from_value::<Fault>(fault).unwrap()).unwrap();
        }
        let kinds = ["status", "reset", "half_open", "pause", "reply_lost"];
        let ((), raised) = tokio::join!(
            all_told(&prometheus, &kinds),
            all_raised(&prometheus, "upstream", |fault| ("upstream", fault.to_owned()))
        );
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

//! `mcp-orchestrator chaos`: its words, its control API, its end.

use super::{address, server};
use crate::{
    cli,
    support::{Port, Scrape, Server, http, within},
};
use reqwest::Method;
use serde_json::{Value, json};
use std::{fs, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    task::JoinSet,
};

/// A proxy as a process, with a control API.
struct Running {
    child: Child,
    proxy: String,
    control: String,
    _reading: JoinSet<()>,
}

impl Running {
    async fn start(server: &Server, more: &[&str], token: Option<&str>) -> Self {
        let (proxy, control) = (Port::reserve(), Port::reserve());
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-orchestrator"));
        command.args([
            "chaos",
            "--upstream",
            server.base(),
            "--listen",
            &proxy.address().to_string(),
        ]);
        command.args(["--control", &control.address().to_string()]).args(more);
        command.env("MCP_CHAOS_TOKEN", token.unwrap_or_default());
        let mut child =
            command.kill_on_drop(true).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let found = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if line.starts_with("faults are at") {
                    return;
                }
            }
            panic!("it ended early");
        };
        within(30, "it stands there", found).await;
        // What it says later is read, so that it never waits to say it.
        let read = async move { while let Ok(Some(_)) = lines.next_line().await {} };
        let mut reading = JoinSet::new();
        reading.spawn(read);
        let base = |port: &Port| format!("http://{}", port.address());
        Self { child, proxy: base(&proxy), control: base(&control), _reading: reading }
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}{path}", self.control);
        let mut request = http().request(method, url);
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let text = response.text().await.expect("text");
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    async fn reaches(&self) -> bool {
        http().get(format!("{}/health", self.proxy)).send().await.is_ok()
    }

    async fn end(mut self) {
        let id = self.child.id().expect("it runs").to_string();
        let told = Command::new("kill").args(["-s", "TERM", &id]).status().await;
        assert!(told.expect("a signal").success());
        let ended = within(30, "its end", self.child.wait()).await.expect("a status");
        assert!(ended.success(), "{ended}");
    }
}

#[tokio::test]
async fn faults_are_controlled_over_http() {
    let server = server().await;
    let running = Running::start(&server, &["--seed", "42"], None).await;
    let (status, health) = running.ask(Method::GET, "/health", Value::Null).await;
    assert_eq!(
        (status, &health["seed"], &health["upstream"]),
        (200, &json!(42), &json!(address(&server)))
    );
    assert!(running.reaches().await);

    let refuse = json!({"name": "no", "kind": "refuse"});
    assert_eq!(running.ask(Method::POST, "/faults", refuse.clone()).await.0, 201);
    assert_eq!(running.ask(Method::POST, "/faults", refuse).await.0, 409);
    assert!(!running.reaches().await);
    let slow = json!({"kind": "latency", "delay": "1ms"});
    let (status, changed) = running.ask(Method::PUT, "/faults/no", slow).await;
    assert_eq!((status, &changed["kind"]), (200, &json!("latency")));
    assert!(running.reaches().await);
    let (_, listed) = running.ask(Method::GET, "/faults", Value::Null).await;
    assert_eq!(listed["faults"][0]["active"], true);
    assert!(listed["faults"][0]["injected"].as_u64() >= Some(1));

    let (_, told) = running.ask(Method::GET, "/events?after=1", Value::Null).await;
    let phases: Vec<&str> =
        told["events"].as_array().unwrap().iter().filter_map(|e| e["phase"].as_str()).collect();
    assert_eq!(phases[..3], ["injected", "ended", "began"]);
    let scrape = http().get(format!("{}/metrics", running.control)).send().await.unwrap();
    let scrape = Scrape::parse(&scrape.text().await.unwrap());
    let labels = [("fault", "refuse"), ("direction", "both")];
    assert_eq!(scrape.sum("mcp_chaos_faults_injected_total", &labels), 1.0);
    assert_eq!(scrape.sum("mcp_chaos_fault_active", &[]), 1.0);
    assert_eq!(scrape.sum("mcp_requests_total", &[]), 0.0, "no metric of a server");

    assert_eq!(running.ask(Method::DELETE, "/faults/no", Value::Null).await.0, 200);
    let (status, error) = running.ask(Method::DELETE, "/faults/no", Value::Null).await;
    assert_eq!((status, &error["error"]), (404, &json!("there is no fault `no`")));
    let (status, error) =
        running.ask(Method::POST, "/faults", json!({"kind": "refuse", "x": 1})).await;
    assert!(status == 400 && error["error"].as_str().unwrap().contains('x'), "{error}");
    for (method, path, status, why) in [
        (Method::GET, "/toxics", 404, "there is no path /toxics"),
        (Method::GET, "/reset", 405, "/reset does not take GET"),
    ] {
        let refused = running.ask(method, path, Value::Null).await;
        assert_eq!(refused, (status, json!({"error": why})), "{path}");
    }
    running.end().await;
}

#[tokio::test]
async fn a_toxiproxy_client_finds_its_words() {
    let server = server().await;
    let running = Running::start(&server, &[], None).await;
    let (_, proxies) = running.ask(Method::GET, "/proxies", Value::Null).await;
    assert_eq!(proxies["mcp"]["upstream"], address(&server));
    let toxic = json!({"type": "latency", "stream": "downstream", "toxicity": 1.0,
        "attributes": {"latency": 100, "jitter": 10}});
    let (status, added) = running.ask(Method::POST, "/proxies/mcp/toxics", toxic).await;
    assert_eq!((status, &added["name"]), (200, &json!("latency_downstream")), "{added}");
    let from = tokio::time::Instant::now();
    assert!(running.reaches().await);
    assert!(from.elapsed().as_millis() >= 90);
    let path = "/proxies/mcp/toxics/latency_downstream";
    assert_eq!(running.ask(Method::GET, path, Value::Null).await.1["toxicity"], 1.0);
    assert_eq!(running.ask(Method::DELETE, path, Value::Null).await.0, 204);
    assert_eq!(running.ask(Method::GET, "/proxies/other", Value::Null).await.0, 404);
    assert_eq!(running.ask(Method::POST, "/reset", Value::Null).await.0, 204);
    running.end().await;
}

#[tokio::test]
async fn only_who_may_controls_it() {
    let server = server().await;
    let running = Running::start(&server, &[], Some("secret")).await;
    let url = format!("{}/faults", running.control);
    let ask = |token: &'static str| http().get(&url).bearer_auth(token).send();
    assert_eq!(ask("secret").await.unwrap().status(), 200);
    assert_eq!(ask("other").await.unwrap().status(), 401);
    let page = http().get(&url).bearer_auth("secret").header("origin", "http://localhost");
    assert_eq!(page.send().await.unwrap().status(), 403);
    running.end().await;
}

#[tokio::test]
async fn a_plan_is_in_force_from_the_start_and_its_server_ends_with_it() {
    let (server, dir, port) = (server().await, tempfile::tempdir().unwrap(), Port::reserve());
    let plan = dir.path().join("plan.toml");
    fs::write(&plan, "seed = 9\n[[fault]]\nkind = \"stop\"\nat = \"1h\"\nfor = \"1s\"\n").unwrap();
    let spawn = format!(
        "{} serve --no-auth --listen {} --data-dir {}",
        env!("CARGO_BIN_EXE_mcp-orchestrator"),
        port.address(),
        dir.path().join("data").display()
    );
    let arguments = ["--plan", plan.to_str().unwrap(), "--spawn", &spawn];
    let running = Running::start(&server, &arguments, None).await;
    let health = || http().get(format!("http://{}/health", port.address())).send();
    crate::support::until("its server answers", || async { health().await.is_ok() }).await;
    let (_, listed) = running.ask(Method::GET, "/faults/stop", Value::Null).await;
    assert_eq!((&listed["active"], &listed["at"]), (&json!(false), &json!("3600s")));
    let (_, told) = running.ask(Method::GET, "/health", Value::Null).await;
    assert_eq!(told["seed"], 9);
    running.end().await;
    assert!(health().await.is_err(), "it ended");
}

#[test]
fn what_is_wrong_is_told_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    file("bad.toml", "[[fault]]\nkind = \"latency\"\ndelay = 5\n");
    file("kill.toml", "[[fault]]\nkind = \"kill\"\n");
    let (here, up) = ("127.0.0.1:0", "127.0.0.1:9");
    let refuses = |arguments: &[&str], words: &[&str]| {
        let ended = cli::run(dir.path(), arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.err);
        for word in words {
            assert!(ended.err.contains(word), "{arguments:?}: no `{word}` in {}", ended.err);
        }
    };
    refuses(&["chaos", "--listen", here], &["--upstream"]);
    refuses(&["chaos", "--listen", here, "--upstream", "example.com"], &["names no port"]);
    let with = |plan: &'static str| ["chaos", "--listen", here, "--upstream", up, "--plan", plan];
    refuses(&with("none.toml"), &["none.toml cannot be read"]);
    refuses(&with("bad.toml"), &["bad.toml is wrong", "with its unit"]);
    refuses(&with("kill.toml"), &["`kill` needs a server", "--spawn"]);
    let open = ["chaos", "--listen", here, "--upstream", up, "--control", "0.0.0.0:0"];
    refuses(&open, &["could be reached from other machines", "token"]);
}

//! Programs that nobody here wrote: SDK clients, upstream servers, Prometheus, a trace receiver.
//! `./test` installs them and names their folder in `MCP_TEST_TOOLS`.

use super::{Port, Server, until, within};
use serde_json::{Value, json};
use std::{
    fs::File,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    task::JoinSet,
};

/// A program that `./test` installed.
pub fn tool(path: &str) -> PathBuf {
    let folder = std::env::var_os("MCP_TEST_TOOLS").expect("MCP_TEST_TOOLS is not set: run ./test");
    let path = Path::new(&folder).join(path);
    assert!(path.exists(), "{} is not installed: run ./test", path.display());
    path
}

/// The Node that `./test` installed.
pub fn node() -> PathBuf {
    tool("node_modules/node/bin/node")
}

/// The Python with the packages of the tests.
pub fn python() -> PathBuf {
    tool("venv/bin/python")
}

/// The folder of the SDK client scripts.
pub fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// Runs an SDK client script with a plan against the server, and gives what it printed.
/// What it sent is noted at the server.
pub async fn run_plan(server: &Server, script: &str, plan: Value) -> Value {
    let report = run_script(script, &at(server, plan), 60, || server.log()).await;
    for (method, times) in report["sent"].as_object().into_iter().flatten() {
        server.sent_times(method, times.as_u64().expect("a count"));
    }
    report
}

/// The same for a server that is started anew meanwhile: nothing is noted there.
pub fn planned(server: &Server, script: &str, plan: Value) -> impl Future<Output = Value> + use<> {
    let (script, plan) = (script.to_owned(), at(server, plan));
    async move { run_script(&script, &plan, 60, String::new).await }
}

/// The plan with the address and the token of the server, where it names no others.
fn at(server: &Server, mut plan: Value) -> Value {
    let defaults = json!({"url": server.url(), "token": server.token()});
    for (key, value) in defaults.as_object().expect("an object") {
        plan.as_object_mut().expect("an object").entry(key).or_insert(value.clone());
    }
    plan
}

/// Runs an SDK client script with a plan, for so many seconds at most, and gives what it printed;
/// where it fails, with what `context` knows about it.
pub async fn run_script(
    script: &str,
    plan: &Value,
    seconds: u64,
    context: impl Fn() -> String,
) -> Value {
    let path = clients().join(script);
    let mut command = if script.ends_with(".py") {
        let mut command = Command::new(python());
        command.arg(&path).stdin(Stdio::null());
        command
    } else {
        let mut command = Command::new(node());
        let input = File::open(&path).expect("the script is there");
        command.arg("--input-type=module").current_dir(tool("")).stdin(input);
        command
    };
    command.env("MCP_PLAN", plan.to_string()).env("MCP_CLIENTS", clients()).kill_on_drop(true);
    let output = within(seconds, script, command.output()).await.expect("the client runs");
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success(),
        "{script} {plan}: {}\n{out}\n{err}\n{}",
        output.status,
        context()
    );
    serde_json::from_str(out.trim()).unwrap_or_else(|error| panic!("{error}: {out}\n{err}"))
}

/// A program that runs beside the server until it is dropped.
pub struct Peer {
    _child: Child,
    output: Arc<Mutex<Vec<String>>>,
    _readers: JoinSet<()>,
    _ports: Vec<Port>,
}

impl Peer {
    /// Starts it on ports of its own and waits until it takes connections at the last of them.
    pub async fn start(mut command: Command, ports: Vec<Port>) -> Self {
        let port = ports.last().expect("a port").address();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let output = Arc::new(Mutex::new(Vec::new()));
        let mut readers = JoinSet::new();
        readers.spawn(collect(child.stdout.take().expect("piped"), Arc::clone(&output)));
        readers.spawn(collect(child.stderr.take().expect("piped"), Arc::clone(&output)));
        until(&format!("{command:?} listens"), || {
            let ended = child.try_wait().expect("a child");
            assert!(ended.is_none(), "{command:?} ended: {:?}", output.lock());
            async move { TcpStream::connect(port).is_ok() }
        })
        .await;
        Self { _child: child, output, _readers: readers, _ports: ports }
    }

    /// What it printed so far.
    pub fn output(&self) -> String {
        self.output.lock().expect("no reader panics").join("\n")
    }
}

async fn collect(stream: impl AsyncRead + Unpin, output: Arc<Mutex<Vec<String>>>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        output.lock().expect("no reader panics").push(line);
    }
}

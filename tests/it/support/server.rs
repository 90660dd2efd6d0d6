//! The binary as a child process with a data folder, a token and upstreams of its own.

use super::{Port, Scrape, client::http, until, within};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    net::TcpListener,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStderr, Command},
    task::JoinSet,
};

/// The names of the files that a server is configured by.
pub const CONFIG: &str = "config.toml";
pub const SERVERS: &str = "mcp.json";
const TOKEN: &str = "token-of-this-test-0123456789abcdef";

/// What a server is started with.
pub struct Setup {
    upstreams: serde_json::Map<String, Value>,
    config: toml::Table,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    token: Option<&'static str>,
    data_dir: Option<PathBuf>,
    socket: Option<TcpListener>,
}

impl Setup {
    /// No upstreams; a modern client counts as gone after a second.
    pub fn new() -> Self {
        let setup = Self {
            upstreams: serde_json::Map::new(),
            config: toml::Table::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
            token: Some(TOKEN),
            data_dir: None,
            socket: None,
        };
        setup.set("limits.presence_idle", 1.0).set("limits.session_sweep", 0.3)
    }

    /// Adds an upstream as it stands in an `mcpServers` file.
    pub fn upstream(mut self, name: &str, entry: Value) -> Self {
        self.upstreams.insert(name.to_owned(), entry);
        self
    }

    /// Adds the fixture over stdio, with those variables.
    pub fn fixture(self, name: &str, environment: Value) -> Self {
        let entry = json!({"command": fixture_path(), "args": [], "env": environment});
        self.upstream(name, entry)
    }

    /// With the principals `alice` and `bob`, whose tokens are `token-of-<name>-0123456789`.
    pub fn two_principals(self) -> Self {
        let tokens = toml::toml! {
            [[t]]
            name = "alice"
            token = "token-of-alice-0123456789"
            [[t]]
            name = "bob"
            token = "token-of-bob-0123456789"
        };
        self.set("auth.tokens", tokens["t"].clone())
    }

    /// Sets `section.key` of the configuration file.
    pub fn set(mut self, path: &str, value: impl Into<toml::Value>) -> Self {
        let (sections, key) = path.rsplit_once('.').unwrap_or(("", path));
        let mut table = &mut self.config;
        for section in sections.split('.').filter(|section| !section.is_empty()) {
            let entry = table.entry(section).or_insert_with(|| toml::Table::new().into());
            table = entry.as_table_mut().expect("a section");
        }
        table.insert(key.to_owned(), value.into());
        self
    }

    /// Adds a command line argument.
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Sets an environment variable of the server.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts without asking for a token.
    pub fn open(mut self) -> Self {
        self.token = None;
        self.arg("--no-auth")
    }

    /// Keeps its data there, not in a folder that goes with it.
    pub fn data_dir(mut self, dir: &Path) -> Self {
        self.data_dir = Some(dir.to_owned());
        self
    }

    /// Hands the server a socket of ours, as a service manager does.
    pub fn on_socket(mut self, socket: TcpListener) -> Self {
        self.socket = Some(socket);
        self
    }

    /// Lets the server make its own token.
    pub fn with_own_token(mut self) -> Self {
        self.token = None;
        self
    }

    /// Writes the files that a server is configured by.
    pub fn write(&self, dir: &Path) {
        let file = |name: &str, content: String| {
            std::fs::write(dir.join(name), content).expect("a file in our own folder");
        };
        file(SERVERS, json!({"mcpServers": self.upstreams}).to_string());
        file(CONFIG, toml::to_string(&self.config).expect("a table"));
    }

    /// Starts the server and waits for the line that names its address.
    pub async fn start(self) -> Server {
        let dir = tempfile::tempdir().expect("a folder");
        self.write(dir.path());
        let (upstreams, config) = (dir.path().join(SERVERS), dir.path().join(CONFIG));
        let data = self.data_dir.unwrap_or_else(|| dir.path().join("data"));
        let mut arguments: Vec<OsString> = vec!["--data-dir".into(), data.into()];
        arguments.extend(["--config".into(), config.into()]);
        arguments.extend(["--mcp-servers".into(), upstreams.into()]);
        arguments.extend(self.token.iter().flat_map(|token| ["--token".into(), token.into()]));
        arguments.extend(self.arguments.into_iter().map(OsString::from));
        let (environment, port) = (self.environment, Port::reserve());
        let recipe = Recipe { arguments, environment, port, socket: self.socket };
        let child = recipe.spawn();
        Server::of(child, recipe, dir, self.token.unwrap_or_default()).await
    }
}

/// How a server is started, and started again.
struct Recipe {
    arguments: Vec<OsString>,
    environment: Vec<(String, String)>,
    port: Port,
    socket: Option<TcpListener>,
}

/// Hands what it has as its standard input over as a service manager would.
const HAND_OVER: &str =
    r#"exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS; exec "$@""#;

impl Recipe {
    fn command(&self) -> Command {
        let binary = env!("CARGO_BIN_EXE_mcp-orchestrator");
        let Some(socket) = &self.socket else {
            let mut command = Command::new(binary);
            command.stdin(Stdio::null());
            return command;
        };
        let mut command = Command::new("sh");
        command.args(["-c", HAND_OVER, "sh", binary]);
        command.stdin(OwnedFd::from(socket.try_clone().expect("a socket")));
        command
    }

    fn spawn(&self) -> Child {
        let mut command = self.command();
        command.args(["serve", "--listen", &self.port.address().to_string()]).args(&self.arguments);
        command
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command.kill_on_drop(true).spawn().expect("the binary starts")
    }
}

/// A running server.
pub struct Server {
    child: Child,
    recipe: Recipe,
    dir: TempDir,
    base: String,
    token: String,
    log: Arc<Mutex<Vec<String>>>,
    sent: Mutex<BTreeMap<String, u64>>,
    reader: JoinSet<()>,
}

impl Server {
    async fn of(mut child: Child, recipe: Recipe, dir: TempDir, token: &str) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut reader = JoinSet::new();
        let base = listening_at(&mut child, &log, &mut reader).await;
        Self {
            child,
            recipe,
            dir,
            base,
            token: token.to_owned(),
            log,
            sent: Mutex::default(),
            reader,
        }
    }

    /// The MCP endpoint.
    pub fn url(&self) -> String {
        format!("{}/mcp", self.base)
    }

    /// `http://host:port`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The bearer token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Uses that token from here on.
    pub fn with_token(mut self, token: &str) -> Self {
        token.clone_into(&mut self.token);
        self
    }

    /// A folder that goes with the server.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the server runs")
    }

    /// A POST to the endpoint with the headers every client sends.
    pub fn post(&self, http: &reqwest::Client) -> RequestBuilder {
        let request = http.post(self.url()).header("accept", "application/json, text/event-stream");
        request.header("content-type", "application/json").bearer_auth(&self.token)
    }

    /// A GET with the token.
    pub fn get(&self, http: &reqwest::Client, path: &str) -> RequestBuilder {
        http.get(format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    /// The JSON at a path.
    pub async fn json(&self, path: &str) -> Value {
        let response = self.get(&http(), path).send().await.expect("an answer");
        response.json().await.expect("JSON")
    }

    /// What `/metrics` says now, as text.
    pub async fn metrics_text(&self) -> String {
        let response = self.get(&http(), "/metrics").send().await.expect("metrics are answered");
        assert_eq!(response.status(), 200);
        response.text().await.expect("text")
    }

    /// What `/metrics` says now.
    pub async fn scrape(&self) -> Scrape {
        Scrape::parse(&self.metrics_text().await)
    }

    /// Notes that a request of that method was sent.
    pub fn sent(&self, method: &str) {
        self.sent_times(method, 1);
    }

    /// Notes that so many requests of that method were sent.
    pub fn sent_times(&self, method: &str, times: u64) {
        *self.sent.lock().expect("no panic").entry(method.to_owned()).or_default() += times;
    }

    /// Takes back that so many were sent: they were refused before they became calls.
    pub fn refused(&self, method: &str, times: u64) {
        *self.sent.lock().expect("no panic").get_mut(method).expect("it was sent") -= times;
    }

    /// What was noted.
    pub fn all_sent(&self) -> BTreeMap<String, u64> {
        let mut sent = self.sent.lock().expect("no panic").clone();
        sent.retain(|_, times| *times > 0);
        sent
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("no reader panics").join("\n")
    }

    /// Waits until every named upstream is in that state.
    pub async fn upstreams(&self, names: &[&str], state: &str) {
        until(&format!("{names:?} {state}"), || async {
            let scrape = self.scrape().await;
            names.iter().all(|name| {
                scrape.sum("mcp_upstream_state", &[("upstream", name), ("state", state)]) > 0.0
            })
        })
        .await;
    }

    /// Sends the process a signal, by name.
    pub fn signal(&self, name: &str) {
        let status =
            std::process::Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(status.expect("kill is there").success());
    }

    /// Ends the process with that signal and starts it again with all that it had, at the same
    /// address. What was sent before is forgotten: the new process counts from zero.
    pub async fn start_again(&mut self, signal: &str) {
        self.signal(signal);
        self.exit_code().await;
        self.start_anew().await;
    }

    /// The same where the process has ended already.
    pub async fn start_anew(&mut self) {
        self.log.lock().expect("no reader panics").clear();
        self.sent.lock().expect("no panic").clear();
        self.child = self.recipe.spawn();
        let base = listening_at(&mut self.child, &self.log, &mut self.reader).await;
        assert_eq!(base, self.base);
    }

    /// Waits for the exit code.
    pub async fn exit_code(&mut self) -> Option<i32> {
        within(20, "the server ends", self.child.wait()).await.expect("a child").code()
    }

    /// Stops the server, whatever was done to it; it must end with 0.
    pub async fn end(mut self) {
        self.signal("TERM");
        assert_eq!(self.exit_code().await, Some(0), "{}", self.log());
    }

    /// Asserts that all adds up, then stops the server; it must end with 0 and leave no child.
    pub async fn finish(mut self) {
        super::accounting::assert_accounted(&self).await;
        let children = descendants(self.pid());
        self.signal("TERM");
        assert_eq!(self.exit_code().await, Some(0), "{}", self.log());
        until("no child is left", || async { !children.iter().any(|pid| alive(*pid)) }).await;
    }
}

/// Collects the log of a process that was just started, and waits until it names its address.
async fn listening_at(
    child: &mut Child,
    log: &Arc<Mutex<Vec<String>>>,
    reader: &mut JoinSet<()>,
) -> String {
    reader.spawn(collect(child.stderr.take().expect("stderr is piped"), Arc::clone(log)));
    let found = Arc::new(Mutex::new(String::new()));
    until("the server says where it listens", || {
        let address = log.lock().expect("no reader panics").iter().find_map(|line| listening(line));
        if let Some(address) = &address {
            found.lock().expect("no reader panics").clone_from(address);
        }
        assert!(matches!(child.try_wait(), Ok(None)), "ended at start: {:?}", log.lock());
        async move { address.is_some() }
    })
    .await;
    found.lock().expect("no reader panics").clone()
}

async fn collect(stderr: ChildStderr, log: Arc<Mutex<Vec<String>>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        log.lock().expect("no reader panics").push(line);
    }
}

fn listening(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("listening on ")?;
    match rest.strip_prefix("ws://") {
        None => rest.split_once("/mcp").map(|(base, _)| base.to_owned()),
        Some(rest) => rest.split_once("/ws").map(|(address, _)| format!("http://{address}")),
    }
}

/// All processes below that one.
pub fn descendants(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        let listed = std::process::Command::new("ps")
            .args(["-o", "pid=", "--ppid", &parent.to_string()])
            .output();
        let text = String::from_utf8(listed.expect("ps is there").stdout).expect("digits");
        found.extend(text.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        at += 1;
    }
    found.split_off(1)
}

/// Ends processes without a word; all of them must be there.
pub fn kill_all(pids: &[u32]) {
    for pid in pids {
        let killed = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        assert!(killed.expect("kill is there").success(), "process {pid}");
    }
}

/// Whether a process runs; one that only waits to be reaped does not.
pub fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// The fixture upstream, which cargo builds beside the binary.
pub fn fixture_path() -> PathBuf {
    example_path("fixture")
}

/// An example, which cargo builds beside the binary.
pub fn example_path(name: &str) -> PathBuf {
    let path =
        Path::new(env!("CARGO_BIN_EXE_mcp-orchestrator")).with_file_name("examples").join(name);
    assert!(
        path.exists(),
        "{} is not built: run ./test, or cargo build --examples",
        path.display()
    );
    path
}

/// The text of a tool result's first content.
pub fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {result}"))
}

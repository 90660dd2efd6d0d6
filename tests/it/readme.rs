//! What README.md says is true: its commands run, its files are read, its metrics exist.

use crate::{
    cli,
    support::{Bridge, Legacy, Modern, Server, Setup, fixture_path, http, until},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

/// How a command of the README is tried.
enum Tried {
    /// Here: it ends by itself with 0.
    Ends,
    /// The same, on the data dir of a server that runs.
    EndsAtServer,
    /// Here: it serves until it is told to stop.
    Serves,
    /// Not as a test of its own, for this reason.
    Elsewhere(&'static str),
}

const COMMANDS: [(&str, Tried); 25] = [
    ("cargo run --release", Tried::Serves),
    ("./test", Tried::Elsewhere("it runs this test")),
    ("./test --coverage", Tried::Elsewhere("it runs this test, too")),
    ("mcp-orchestrator serve --mcp-servers servers.json", Tried::Serves),
    ("mcp-orchestrator serve --agents", Tried::Serves),
    ("mcp-orchestrator setup claude", Tried::Elsewhere("setup.rs runs it, and answers")),
    ("mcp-orchestrator setup claude --remove", Tried::Elsewhere("setup.rs runs it, too")),
    ("mkdir -m 700 backup", BACKUP),
    (
        "cp -p ~/.local/share/mcp-orchestrator/token ~/.local/share/mcp-orchestrator/state.key backup/",
        BACKUP,
    ),
    ("sqlite3 ~/.local/share/mcp-orchestrator/store.db \".backup backup/store.db\"", BACKUP),
    (
        "mv -T ~/.local/share/mcp-orchestrator ~/.local/share/mcp-orchestrator.$(date +%F.%H%M%S) && cp -rp backup ~/.local/share/mcp-orchestrator",
        BACKUP,
    ),
    ("mcp-orchestrator token show", Tried::Ends),
    ("mcp-orchestrator metrics list", Tried::Ends),
    ("mcp-orchestrator sessions list", Tried::EndsAtServer),
    ("mcp-orchestrator config default", Tried::Ends),
    ("mcp-orchestrator config check my.toml", Tried::Ends),
    ("mcp-orchestrator config show", Tried::Ends),
    ("mcp-orchestrator health", Tried::Ends),
    ("mcp-orchestrator token rotate", Tried::Ends),
    (
        "mcp-orchestrator chaos --upstream 127.0.0.1:3001 --plan plan.toml --control 127.0.0.1:8474",
        Tried::Elsewhere("chaos/command.rs starts it with each of these flags"),
    ),
    ("mcp-orchestrator lab list", Tried::Ends),
    (
        "mcp-orchestrator lab run --quick --target http://127.0.0.1:3001/mcp",
        Tried::Elsewhere("lab/shipped.rs and outages.rs run each scenario with these flags"),
    ),
    (
        "mcp-orchestrator lab compare tests/targets/targets.toml --quick --seed 7",
        Tried::Elsewhere("it wants what registries offer; lab/comparing.rs compares others"),
    ),
    (
        "./run-mcp-reliability-tests.sh --duration 600",
        Tried::Elsewhere("tests/compose/run starts it, where a container engine runs"),
    ),
    ("cargo run --example embed", Tried::Elsewhere("embedding.rs runs the example")),
];

const BACKUP: Tried = Tried::Elsewhere("a test below goes back to a copy by these lines");

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// The lines of all code blocks of that language.
fn blocks(language: &str) -> Vec<String> {
    let (mut inside, mut found) = (false, Vec::new());
    for line in readme().lines() {
        if line.starts_with("```") {
            inside = !inside && line.trim_start_matches('`') == language;
        } else if inside {
            found.push(line.to_owned());
        }
    }
    found
}

/// The arguments after the program's name; `cargo run --release` gives it none.
fn arguments(line: &str) -> Vec<&str> {
    line.strip_prefix("mcp-orchestrator").unwrap_or_default().split_whitespace().collect()
}

/// A home with the files that the README's commands name.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let servers = json!({"mcpServers": {"fix": {"command": fixture_path()}}});
    fs::write(home.path().join("servers.json"), servers.to_string()).unwrap();
    fs::write(home.path().join("my.toml"), "server_name = \"mine\"\n").unwrap();
    home
}

#[tokio::test]
async fn every_command_of_the_readme_runs() {
    let server = Setup::new().start().await;
    for line in blocks("sh") {
        let (_, tried) = COMMANDS
            .iter()
            .find(|(command, _)| *command == line)
            .unwrap_or_else(|| panic!("no test knows the README's command `{line}`"));
        match tried {
            Tried::Ends => ends(&server, &line, &home().path().join("data")),
            Tried::EndsAtServer => ends(&server, &line, &server.dir().join("data")),
            Tried::Serves => serves(&line),
            Tried::Elsewhere(reason) => assert!(!reason.is_empty()),
        }
    }
    server.finish().await;
}

fn ends(server: &Server, line: &str, dir: &Path) {
    let home = home();
    let listen = server.base().trim_start_matches("http://");
    let dir = ("MCP_ORCHESTRATOR_DATA_DIR", dir.to_str().unwrap());
    let variables = [("MCP_ORCHESTRATOR_LISTEN", listen), dir];
    let ended = cli::run_with(home.path(), &arguments(line), &variables);
    assert_eq!(ended.code, Some(0), "{line}: {} {}", ended.out, ended.err);
    assert!(!ended.out.is_empty(), "{line} says nothing");
}

fn serves(line: &str) {
    let home = home();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-orchestrator"));
    command
        .args(arguments(line))
        .env("HOME", home.path())
        .env("MCP_ORCHESTRATOR_LISTEN", "127.0.0.1:0");
    command.env_remove("XDG_DATA_HOME").current_dir(home.path());
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let listens = lines.any(|line| line.contains("listening on http://127.0.0.1:"));
    let told = Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().unwrap();
    let rest: Vec<String> = lines.collect();
    let ended = child.wait().unwrap();
    assert!(listens && told.success() && ended.success(), "{line}: {ended} {rest:?}");
}

#[test]
fn the_file_of_servers_in_the_readme_is_read() {
    let home = home();
    fs::write(home.path().join("servers.json"), blocks("json").join("\n")).unwrap();
    let ended =
        cli::run_with(home.path(), &["config", "check", "servers.json"], &[("SEARCH_KEY", "x")]);
    assert_eq!(ended.code, Some(0), "{} {}", ended.out, ended.err);
}

/// Runs the README's lines that begin with one of these words, in this home.
fn run_lines(home: &Path, words: &[&str]) {
    for line in blocks("sh").iter().filter(|line| words.iter().any(|word| line.starts_with(word))) {
        let mut command = Command::new("sh");
        let output = command.args(["-c", line]).env("HOME", home).current_dir(home).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test]
async fn a_server_goes_back_to_the_copy_that_was_made_while_it_ran() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join(".local/share/mcp-orchestrator");
    fs::create_dir_all(data.parent().unwrap()).unwrap();
    let server = Setup::new().with_own_token().data_dir(&data).start().await;
    let mut server = server.with_token(&fs::read_to_string(data.join("token")).unwrap());
    let mut kept = Vec::new();
    for _ in 0..20 {
        kept.push(Legacy::open(&server).await.session);
    }
    run_lines(home.path(), &["mkdir ", "cp -p ", "sqlite3 "]);
    let later = Legacy::open(&server).await.session;
    server.signal("KILL");
    server.exit_code().await;
    run_lines(home.path(), &["mv "]);
    server.start_anew().await;
    for session in &kept {
        let client = Legacy::knowing(&server, session);
        assert!(client.tools().await.contains(&"echo".to_owned()));
        client.close().await;
    }
    server.sent("ping");
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let request = server.post(&http()).header("mcp-session-id", later).json(&ping);
    assert_eq!(request.send().await.unwrap().status(), 404, "it came after the copy");
    assert_eq!(server.log().matches("WARN").count(), 0, "{}", server.log());
    server.finish().await;
}

#[tokio::test]
async fn the_entry_for_agents_that_speak_only_stdio_works() {
    let server = Setup::new().start().await;
    let home = home();
    let entry: Value = serde_json::from_str(&blocks("jsonc").join("\n")).unwrap();
    let entry = &entry["mcpServers"]["orchestrator"];
    assert_eq!(entry["command"], "mcp-orchestrator");
    let mut arguments: Vec<String> = serde_json::from_value(entry["args"].clone()).unwrap();
    assert_eq!(arguments.remove(0), "connect");
    assert_eq!(arguments.remove(0), "http://127.0.0.1:3001/mcp");
    let token = home.path().join("token");
    fs::write(&token, server.token()).unwrap();
    *arguments.last_mut().unwrap() = token.to_str().unwrap().to_owned();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut bridge = Bridge::start(&server.url(), home.path(), &arguments);
    bridge.initialize(json!({})).await;
    assert!(bridge.tools().await.contains(&"echo".to_owned()));
    assert_eq!(bridge.finish().await, Some(0));
}

/// Every metric by name, as `metrics list` has it.
fn catalogue() -> BTreeSet<String> {
    let home = home();
    let listed = cli::run(home.path(), &["metrics", "list", "--format", "json"]);
    assert_eq!(listed.code, Some(0), "{}", listed.err);
    let metrics: Value = serde_json::from_str(&listed.out).unwrap();
    let names = metrics
        .as_array()
        .unwrap()
        .iter()
        .map(|metric| metric["name"].as_str().unwrap().to_owned());
    names.collect()
}

fn is_listed(catalogue: &BTreeSet<String>, name: &str) -> bool {
    let base = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix));
    catalogue.contains(name) || base.is_some_and(|base| catalogue.contains(base))
}

#[test]
fn every_metric_that_the_readme_names_exists() {
    let catalogue = catalogue();
    let text = readme();
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    let named: Vec<&str> =
        words.filter(|word| word.starts_with("mcp_") && *word != "mcp_").collect();
    assert!(named.len() >= 6, "{named:?}");
    for name in named {
        assert!(is_listed(&catalogue, name), "no metric `{name}`");
    }
}

#[tokio::test]
async fn only_listed_metrics_are_exposed() {
    let server = Setup::new().fixture("fix", json!({})).start().await;
    server.upstreams(&["fix"], "connected").await;
    Modern::new(&server).call("fix__sleep", json!({"ms": 0})).await;
    let catalogue = catalogue();
    until("the call is counted", || async {
        server.scrape().await.sum("mcp_requests_total", &[]) > 0.0
    })
    .await;
    let scrape = server.scrape().await;
    let unlisted: Vec<&str> = scrape
        .names()
        .into_iter()
        .filter(|name| name.starts_with("mcp_") && !is_listed(&catalogue, name))
        .collect();
    assert!(unlisted.is_empty(), "{unlisted:?}");
    server.finish().await;
}

//! What README.md and the pages of `docs` say is true: their commands run, their links lead somewhere
//! (`links`), their files are read, and what they name exists (`named`).

mod links;
mod named;
mod pages;

use crate::support::{Bridge, Legacy, Server, Setup, fixture_path, http};
use pages::{Page, page};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    env, fs,
    io::{BufRead, BufReader},
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
};

/// How a command is tried.
enum Tried {
    /// Here: it ends by itself with 0.
    Ends,
    /// The same, on the data dir of a server that runs.
    EndsAtServer,
    /// Here: it serves until it is told to stop.
    Serves,
    /// By a test below.
    Below,
    /// By another test: in this file, where these words are.
    Elsewhere(&'static str, &'static str),
}

/// Every command: what stands in a block of `sh` on any page, and what begins as a command between
/// backticks in the README.
const COMMANDS: [(&str, Tried); 34] = [
    ("cargo run --release", Tried::Serves),
    ("./test", TEST),
    ("./test --long", TEST),
    ("./test --coverage", Tried::Elsewhere("test", "tests/coverage/run")),
    ("bench/run", Tried::Elsewhere("test", "bench/run --quick")),
    ("install -D target/release/mcp-orchestrator ~/.local/bin/mcp-orchestrator", Tried::Below),
    ("mcp-orchestrator serve --mcp-servers servers.json", Tried::Serves),
    ("mcp-orchestrator serve --agents", Tried::Serves),
    ("OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317 mcp-orchestrator", Tried::Serves),
    ("mcp-orchestrator connect", Tried::Below),
    ("mcp-orchestrator setup claude", Tried::Elsewhere("tests/it/setup.rs", "\"setup\"")),
    (
        "mcp-orchestrator setup claude --remove",
        Tried::Elsewhere("tests/it/setup.rs", "[\"claude\", \"--remove\"]"),
    ),
    ("mkdir -m 700 backup", Tried::Below),
    (
        "cp -p ~/.local/share/mcp-orchestrator/token ~/.local/share/mcp-orchestrator/state.key backup/",
        Tried::Below,
    ),
    ("sqlite3 ~/.local/share/mcp-orchestrator/store.db \".backup backup/store.db\"", Tried::Below),
    (
        "mv -T ~/.local/share/mcp-orchestrator ~/.local/share/mcp-orchestrator.$(date +%F.%H%M%S) && cp -rp backup ~/.local/share/mcp-orchestrator",
        Tried::Below,
    ),
    ("mcp-orchestrator token show", Tried::Ends),
    ("mcp-orchestrator metrics list", Tried::Ends),
    ("mcp-orchestrator sessions list", Tried::EndsAtServer),
    ("mcp-orchestrator config default", Tried::Ends),
    ("mcp-orchestrator config check my.toml", Tried::Ends),
    ("mcp-orchestrator config show", Tried::Ends),
    ("mcp-orchestrator health", Tried::Ends),
    ("mcp-orchestrator token rotate", Tried::Ends),
    ("mcp-orchestrator chaos", Tried::Elsewhere("tests/it/chaos/command.rs", "\"chaos\"")),
    (
        "mcp-orchestrator chaos --upstream 127.0.0.1:3001 --plan plan.toml --control 127.0.0.1:8474",
        Tried::Elsewhere("tests/it/chaos/command.rs", "\"--plan\""),
    ),
    ("mcp-orchestrator lab list", Tried::Ends),
    (LAB, Tried::Below),
    (
        "mcp-orchestrator lab run --quick --spawn 'my-server --port {port}'",
        Tried::Elsewhere("tests/it/lab/mod.rs", "\"--quick\""),
    ),
    (
        "mcp-orchestrator lab compare tests/targets/targets.toml --quick --seed 7",
        // It wants what registries offer; others are compared there.
        Tried::Elsewhere("tests/it/lab/comparing.rs", "\"compare\""),
    ),
    ("./run-mcp-reliability-tests.sh", STACK),
    ("./run-mcp-reliability-tests.sh --duration 600", STACK),
    (
        "compose() { docker compose -p mcp-reliability -f /path/to/docker-compose.mcp-reliability.yml \"$@\"; }",
        Tried::Elsewhere("tests/compose/checks.sh", "compose() {"),
    ),
    ("cargo run --example embed", Tried::Elsewhere("tests/it/embedding.rs", "examples/embed.rs")),
];

/// The command that plays all scenarios against a server that runs.
const LAB: &str = "MCP_ORCHESTRATOR_TOKEN=$(mcp-orchestrator token show) mcp-orchestrator lab run --quick --target http://127.0.0.1:3001/mcp";

const TEST: Tried = Tried::Elsewhere("test", "cargo nextest run");
const STACK: Tried = Tried::Elsewhere("tests/compose/run", "run-mcp-reliability-tests.sh");

/// Commands between backticks, such as stand in a table.
fn inline(page: &Page) -> Vec<String> {
    let begins = ["mcp-orchestrator ", "cargo ", "./"];
    let spans =
        page.text.split("```").step_by(2).flat_map(|prose| prose.split('`').skip(1).step_by(2));
    spans
        .filter(|span| begins.iter().any(|begin| span.starts_with(begin)))
        .map(str::to_owned)
        .collect()
}

fn commands() -> BTreeSet<String> {
    let of_blocks = pages::all().into_iter().flat_map(|page| page.lines("sh"));
    of_blocks.chain(inline(&page("README.md"))).collect()
}

/// What a shell runs for this line: the program is the one under test, also where cargo would build it.
fn shell(line: &str, home: &Path) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_mcp-orchestrator"));
    let folders = format!("{}:{}", program.parent().unwrap().display(), env::var("PATH").unwrap());
    let line = line.replace("cargo run --release", "mcp-orchestrator");
    let mut command = Command::new("sh");
    command.args(["-c", &line]).env("PATH", folders).env("HOME", home).current_dir(home);
    command.env_remove("XDG_DATA_HOME").stdin(Stdio::null());
    command
}

/// A home with the files that the commands name.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let servers = json!({"mcpServers": {"fix": {"command": fixture_path()}}});
    fs::write(home.path().join("servers.json"), servers.to_string()).unwrap();
    fs::write(home.path().join("my.toml"), "server_name = \"mine\"\n").unwrap();
    home
}

#[tokio::test]
async fn every_command_runs() {
    let server = Setup::new().start().await;
    let commands = commands();
    for line in &commands {
        let (_, tried) = COMMANDS
            .iter()
            .find(|(command, _)| command == line)
            .unwrap_or_else(|| panic!("no test knows the command `{line}`"));
        match tried {
            Tried::Ends => ends(&server, line, &home().path().join("data")),
            Tried::EndsAtServer => ends(&server, line, &server.dir().join("data")),
            Tried::Serves => serves(line),
            Tried::Below => {}
            Tried::Elsewhere(file, words) => {
                assert!(page(file).text.contains(words), "{line}: not in {file}")
            }
        }
    }
    for (command, _) in COMMANDS {
        assert!(commands.contains(command), "no page has `{command}` any more");
    }
    server.finish().await;
}

fn ends(server: &Server, line: &str, dir: &Path) {
    let home = home();
    let mut command = shell(line, home.path());
    command.env("MCP_ORCHESTRATOR_LISTEN", server.base().trim_start_matches("http://"));
    let output = command.env("MCP_ORCHESTRATOR_DATA_DIR", dir).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {} {said}", output.status);
    assert!(!output.stdout.is_empty(), "{line} says nothing");
}

fn serves(line: &str) {
    let home = home();
    // In the place of the shell, so that it is the one that is told to stop.
    let mut command = shell(&format!("exec env {line}"), home.path());
    command.env("MCP_ORCHESTRATOR_LISTEN", "127.0.0.1:0");
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let listens = lines.any(|line| line.contains("listening on http://127.0.0.1:"));
    let told = Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().unwrap();
    let rest: Vec<String> = lines.collect();
    let ended = child.wait().unwrap();
    assert!(listens && told.success() && ended.success(), "{line}: {ended} {rest:?}");
}

/// Runs the README's lines that begin with one of these words, in this home.
fn run_lines(home: &Path, words: &[&str]) {
    let lines = page("README.md").lines("sh");
    for line in lines.iter().filter(|line| words.iter().any(|word| line.starts_with(word))) {
        let output = shell(line, home).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_program_is_put_where_the_readme_says() {
    let home = tempfile::tempdir().unwrap();
    let built = home.path().join("target/release");
    fs::create_dir_all(&built).unwrap();
    symlink(env!("CARGO_BIN_EXE_mcp-orchestrator"), built.join("mcp-orchestrator")).unwrap();
    run_lines(home.path(), &["install "]);
    let put = home.path().join(".local/bin/mcp-orchestrator");
    assert!(Command::new(put).arg("--version").status().unwrap().success());
}

#[tokio::test]
async fn the_lab_is_let_in_with_the_token_that_the_server_made() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join(".local/share/mcp-orchestrator");
    fs::create_dir_all(data.parent().unwrap()).unwrap();
    let server = Setup::new().with_own_token().data_dir(&data).start().await;
    let server = server.with_token(&fs::read_to_string(data.join("token")).unwrap());
    let line = LAB.replace("http://127.0.0.1:3001/mcp", &server.url());
    // One of them, where the README's command plays all.
    let mut command = shell(&format!("{line} handshake-reliability --out out"), home.path());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(home.path().join("out/report.html").exists());
    server.end().await;
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
    let entry: Value =
        serde_json::from_str(&page("docs/connect.md").lines("jsonc").join("\n")).unwrap();
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

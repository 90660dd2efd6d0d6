//! The command line: its commands, its one-sentence errors, its exit codes.

use crate::support::{Port, Setup};
use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

/// The variables that a command is given: how to find programs, whose process it is, and where its
/// lines are counted when coverage is measured.
const KEPT: [&str; 3] = ["PATH", "MCP_TEST_RUN", "LLVM_PROFILE_FILE"];

/// What a command printed and how it ended.
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs a command to its end, at home in that folder.
pub fn run(home: &Path, arguments: &[&str]) -> Ended {
    run_with(home, arguments, &[])
}

/// The same, with variables set.
pub fn run_with(home: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let output = Command::new(env!("CARGO_BIN_EXE_mcp-orchestrator"))
        .args(arguments)
        .env_clear()
        .envs(std::env::vars().filter(|(name, _)| KEPT.contains(&name.as_str())))
        .envs(variables.iter().copied())
        .env("HOME", home)
        .current_dir(home)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Fails unless the command ends with that code and one sentence that holds all those words.
pub fn refuses(home: &Path, arguments: &[&str], code: i32, words: &[&str]) {
    let ended = run(home, arguments);
    assert_eq!(ended.code, Some(code), "{arguments:?}: {} {}", ended.out, ended.err);
    for word in words {
        assert!(ended.err.contains(word), "{arguments:?}: no `{word}` in {}", ended.err);
    }
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
}

#[test]
fn the_default_configuration_is_printed_and_passes_its_own_check() {
    let home = home();
    let printed = run(home.path(), &["config", "default"]);
    assert_eq!(printed.code, Some(0), "{}", printed.err);
    fs::write(home.path().join("mine.toml"), &printed.out).unwrap();
    let checked = run(home.path(), &["config", "check", "mine.toml"]);
    assert_eq!(checked.code, Some(0), "{} {}", checked.out, checked.err);
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_known_one() {
    let home = home();
    fs::write(home.path().join("bad.toml"), "[limits]\nsesions = 5\n").unwrap();
    refuses(home.path(), &["config", "check", "bad.toml"], 2, &["sesions", "sessions"]);
    refuses(
        home.path(),
        &["serve", "--listen", "127.0.0.1:0", "--config", "bad.toml"],
        2,
        &["sesions", "sessions"],
    );
    refuses(home.path(), &["serve", "--config", "missing.toml"], 2, &["missing.toml"]);
    fs::write(home.path().join("broken.toml"), "listen = \n").unwrap();
    refuses(home.path(), &["config", "check", "broken.toml"], 2, &["broken.toml"]);
    refuses(home.path(), &["--no-such-flag"], 2, &["--no-such-flag"]);
}

#[test]
fn secrets_are_masked_where_the_configuration_is_shown() {
    let home = home();
    let servers = r#"{"mcpServers": {"a": {"command": "x", "env": {"KEY": "hidden-1"}},
        "b": {"url": "https://b.example/mcp", "headers": {"Authorization": "Bearer hidden-2"}}}}"#;
    fs::write(home.path().join("mcp.json"), servers).unwrap();
    let shown = run(
        home.path(),
        &["config", "show", "--mcp-servers", "mcp.json", "--token", "hidden-3-0123456789abcdef"],
    );
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    assert!(shown.out.contains("b.example"), "{}", shown.out);
    assert!(!shown.out.contains("hidden") && !shown.err.contains("hidden"), "{}", shown.out);
}

#[test]
fn the_token_is_made_once_kept_private_and_changed_when_asked() {
    let home = home();
    let data = home.path().join("data");
    let data_dir = ["--data-dir", data.to_str().unwrap()];
    let show = || run(home.path(), &[&["token", "show"][..], &data_dir].concat());
    let first = show();
    assert_eq!(first.code, Some(0), "{}", first.err);
    assert!(first.out.trim().len() >= 32, "{}", first.out);
    assert_eq!(show().out, first.out);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for entry in fs::read_dir(&data).unwrap().map(Result::unwrap) {
        assert_eq!(mode(&entry.path()), 0o600, "{:?}", entry.path());
    }
    let rotated = run(home.path(), &[&["token", "rotate"][..], &data_dir].concat());
    assert_eq!(rotated.code, Some(0), "{}", rotated.err);
    assert_ne!(show().out, first.out);
}

#[test]
fn a_port_in_use_is_told_in_one_sentence() {
    let home = home();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refuses(home.path(), &["serve", "--listen", &address, "--data-dir", "data"], 1, &[&address]);
}

#[test]
fn without_a_token_only_loopback_is_served() {
    let home = home();
    let port = Port::reserve();
    let listen = format!("0.0.0.0:{}", port.address().port());
    refuses(
        home.path(),
        &["serve", "--listen", &listen, "--no-auth", "--data-dir", "data"],
        2,
        &["loopback"],
    );
}

#[test]
fn bad_upstream_files_are_told_by_name() {
    let home = home();
    let check = |content: &str, words: &[&str]| {
        fs::write(home.path().join("mcp.json"), content).unwrap();
        refuses(home.path(), &["config", "check", "mcp.json"], 2, words);
    };
    check("{\"mcpServers\": {", &["mcp.json"]);
    check("{\"mcpServers\": {\"a\": {}}}", &["a", "command"]);
    refuses(
        home.path(),
        &["serve", "--mcp-servers", "none.json", "--data-dir", "data"],
        2,
        &["none.json"],
    );
}

#[test]
fn the_health_command_says_by_its_exit_code_whether_a_server_is_there() {
    let home = home();
    let nobody = Port::reserve();
    let address = nobody.address().to_string();
    refuses(home.path(), &["health", "--listen", &address], 1, &[&address]);
}

#[tokio::test]
async fn a_running_server_is_healthy_and_keeps_its_data_folder_to_itself() {
    let server = Setup::new().start().await;
    let address = server.base().trim_start_matches("http://").to_owned();
    let (folder, data) = (server.dir().to_owned(), server.dir().join("data").display().to_string());
    let healthy = run(&folder, &["health", "--listen", &address]);
    assert_eq!(healthy.code, Some(0), "{} {}", healthy.out, healthy.err);
    refuses(&folder, &["serve", "--listen", "127.0.0.1:0", "--data-dir", &data], 1, &[&data]);
    server.finish().await;
}

#[tokio::test]
async fn on_loopback_a_server_without_a_token_may_be_asked_for() {
    let server = Setup::new().open().start().await;
    let client = crate::support::Modern::new(&server);
    assert!(client.tools().await.contains(&"echo".to_owned()));
    server.finish().await;
}

#[tokio::test]
async fn variables_set_what_flags_set_and_flags_win() {
    let server = Setup::new().env("MCP_ORCHESTRATOR_SERVER_NAME", "by-variable").start().await;
    assert_eq!(server.json("/health").await["serverName"], "by-variable");
    server.finish().await;
    let server = Setup::new().env("MCP_ORCHESTRATOR_LISTEN", "127.0.0.1:1").start().await;
    assert_ne!(server.base(), "http://127.0.0.1:1");
    server.finish().await;
}

#[tokio::test]
async fn without_a_terminal_the_token_is_not_printed_but_its_file_is_named() {
    use crate::support::{Modern, http};
    let server = Setup::new().with_own_token().start().await;
    let file = server.dir().join("data/token");
    let token = fs::read_to_string(&file).unwrap().trim().to_owned();
    assert!(!server.log().contains(&token), "the token is in the log");
    assert!(server.log().contains(file.to_str().unwrap()), "{}", server.log());
    let refused = http().post(server.url()).body("{}").send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let server = server.with_token(&token);
    Modern::new(&server).call("echo", serde_json::json!({"message": "x"})).await;
    server.finish().await;
}

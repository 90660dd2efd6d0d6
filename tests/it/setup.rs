//! `mcp-orchestrator setup`: the entry in an agent's file works, says no secret, and nothing else in
//! the file changes.

use crate::{
    cli::{self, Ended},
    support::{Bridge, Setup},
};
use serde_json::{Value, json};
use std::{
    fs::{self, Permissions},
    io::Write,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

const FILES: [(&str, &str, &str); 3] = [
    ("claude", ".claude.json", "mcpServers"),
    ("cursor", ".cursor/mcp.json", "mcpServers"),
    ("vscode", ".config/Code/User/mcp.json", "servers"),
];

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn value(path: &Path) -> Value {
    serde_json::from_str(&read(path)).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn backup(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".mcp-orchestrator.bak");
    name.into()
}

/// Runs it, without being asked; it must end well.
fn set_up(home: &Path, arguments: &[&str]) -> Ended {
    let ended = cli::run(home, &[&["setup", "--yes"], arguments].concat());
    assert_eq!(ended.code, Some(0), "{arguments:?}: {} {}", ended.out, ended.err);
    ended
}

/// Claude Code's file as people have it: much that is not ours, some of it secret.
const OTHERS: &str = "{\n  \"numStartups\": 12,\n  \"big\": 12345678901234567890,\n  \"float\": 1.0,\n  \
    \"mcpServers\": {\n    \"github\": {\n      \"type\": \"http\",\n      \"url\": \"https://x.example/mcp\",\n      \
    \"headers\": {\"Authorization\": \"Bearer hunter2\"}\n    }\n  },\n  \"projects\": {\"/a\": {\"u\": \"\\u00e9\"}}\n}\n";

#[test]
fn each_agent_gets_an_entry_in_its_own_place_and_is_rid_of_it_again() {
    for (agent, file, section) in FILES {
        let home = home();
        let path = home.path().join(file);
        let ended = set_up(home.path(), &[agent]);
        assert!(ended.out.contains(&format!("{section}.orchestrator")), "{}", ended.out);
        let entry = &value(&path)[section]["orchestrator"];
        assert_eq!(entry["type"], "stdio");
        assert_eq!(entry["command"], env!("CARGO_BIN_EXE_mcp-orchestrator"));
        let token = home.path().join(".local/share/mcp-orchestrator/token");
        let token = token.to_str().unwrap();
        let arguments = json!(["connect", "http://127.0.0.1:3001/mcp", "--token-file", token]);
        assert_eq!(entry["args"], arguments);
        assert!(!read(&path).contains(&read(Path::new(token))), "no secret in the agent's file");
        assert_eq!(mode(&path), 0o600);
        let again = set_up(home.path(), &[agent]);
        assert!(again.out.contains("has it already") && !backup(&path).exists(), "{}", again.out);
        set_up(home.path(), &[agent, "--remove"]);
        assert_eq!(value(&path), json!({section: {}}));
        assert!(set_up(home.path(), &[agent, "--remove"]).out.contains("no such entry"));
    }
}

#[test]
fn what_others_have_in_the_file_stays_byte_for_byte_and_a_copy_is_kept() {
    let home = home();
    let path = home.path().join("dotfiles.json");
    fs::write(&path, OTHERS).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    symlink(&path, home.path().join(".claude.json")).unwrap();
    let ended = set_up(home.path(), &["claude"]);
    assert!(!ended.out.contains("hunter2"), "{}", ended.out);
    assert!(value(&path)["mcpServers"]["orchestrator"].is_object(), "the link is followed");
    assert!(home.path().join(".claude.json").is_symlink(), "and stays one");
    assert_eq!((read(&backup(&path)).as_str(), mode(&path)), (OTHERS, 0o640));
    assert_eq!(mode(&backup(&path)), 0o640);
    set_up(home.path(), &["claude", "--remove"]);
    assert_eq!(read(&path), OTHERS);
    let mut names: Vec<_> =
        fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let expected =
        [".claude.json", ".local", "dotfiles.json", "dotfiles.json.mcp-orchestrator.bak"];
    assert_eq!(names, expected, "no draft is left");
}

#[test]
fn an_entry_of_that_name_is_shown_without_its_secrets_before_it_is_replaced() {
    let home = home();
    let path = home.path().join(".mcp.json");
    fs::write(&path, OTHERS.replace("github", "orchestrator")).unwrap();
    let arguments = ["claude", "--file", ".mcp.json", "--url", "https://o.example/mcp"];
    let ended = set_up(home.path(), &arguments);
    assert!(ended.out.contains("-   \"url\": \"https://x.example/mcp\""), "{}", ended.out);
    assert!(!ended.out.contains("hunter2"), "{}", ended.out);
    let entry = &value(&path)["mcpServers"]["orchestrator"];
    assert_eq!(entry["args"], json!(["connect", "https://o.example/mcp"]), "our token is ours");
    assert!(!home.path().join(".local").exists(), "nothing is made for a server elsewhere");
}

#[test]
fn what_cannot_be_done_is_told_and_changes_nothing() {
    let home = home();
    let path = home.path().join(".cursor/mcp.json");
    fs::create_dir(home.path().join(".cursor")).unwrap();
    let refuses = |text: &str, arguments: &[&str], code: i32, words: &str| {
        fs::write(&path, text).unwrap();
        let ended = cli::run(home.path(), &[&["setup", "cursor"], arguments].concat());
        assert_eq!(ended.code, Some(code), "{arguments:?}: {} {}", ended.out, ended.err);
        assert!(ended.err.contains(words), "{words}: {}", ended.err);
        assert!(!ended.err.contains("hunter2") && !ended.out.contains("hunter2"));
        assert_eq!(read(&path), text);
        assert!(!backup(&path).exists());
    };
    let broken = "{\n  \"mcpServers\": {\"a\": \"hunter2\",,}\n}";
    refuses(broken, &["--yes"], 1, "mcp.json is not JSON: line 2, column");
    refuses("[]", &["--yes"], 1, "holds no object");
    refuses("{}", &[], 2, "--yes");
    refuses("{}", &["--yes", "--token-file", "nowhere"], 2, "no token file nowhere");
    refuses("{}", &["--yes", "--ca-file", "nowhere"], 2, "no CA file nowhere");
    refuses("{}", &["--yes", "--url", "o.example/hunter"], 2, "cannot be used");
    refuses("{}", &["--yes", "--url", "ftp://me:hunter2@o.example/"], 2, "http://");
    refuses("{}", &["--yes", "--name", "a b"], 2, "letters, digits");
    fs::write(home.path().join("own.toml"), "[auth]\ntoken = \"hunter2\"\n").unwrap();
    refuses("{}", &["--yes", "--config", "own.toml"], 2, "--token-file");
    let nobody = cli::run(home.path(), &["setup", "emacs"]);
    assert_eq!(nobody.code, Some(2));
    assert!(nobody.err.contains("claude, cursor, vscode"), "{}", nobody.err);
}

#[test]
fn with_tls_it_says_what_the_certificate_must_be_and_takes_the_authority() {
    let home = home();
    let path = home.path().join("mcp.json");
    fs::write(home.path().join("ca.pem"), "").unwrap();
    let variables = [
        ("MCP_ORCHESTRATOR_TLS__CERT_FILE", "cert.pem"),
        ("MCP_ORCHESTRATOR_TLS__KEY_FILE", "key.pem"),
    ];
    let flags = ["setup", "cursor", "--yes", "--file", "mcp.json", "--ca-file", "ca.pem"];
    let ended = cli::run_with(home.path(), &flags, &variables);
    assert_eq!(ended.code, Some(0), "{} {}", ended.out, ended.err);
    assert!(ended.out.contains("TLS") && ended.out.contains("give --url"), "{}", ended.out);
    let arguments = value(&path)["mcpServers"]["orchestrator"]["args"].clone();
    let ca = home.path().join("ca.pem");
    assert_eq!(arguments[1], "https://127.0.0.1:3001/mcp");
    assert_eq!((&arguments[4], &arguments[5]), (&json!("--ca-file"), &json!(ca.to_str().unwrap())));
}

/// By the name in PATH, whatever the file is called that it leads to.
#[test]
fn it_is_started_by_its_name_in_path() {
    let home = home();
    let link = home.path().join("mcp-orchestrator");
    let binary = home.path().join("mcp-orchestrator-0.1.0");
    fs::copy(env!("CARGO_BIN_EXE_mcp-orchestrator"), &binary).unwrap();
    symlink(&binary, &link).unwrap();
    let mut command = Command::new(&binary);
    command.args(["setup", "cursor", "--yes", "--file", "mcp.json", "--url", "http://a.test/mcp"]);
    command.env("PATH", home.path()).env("HOME", home.path()).current_dir(home.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let entry = &value(&home.path().join("mcp.json"))["mcpServers"]["orchestrator"];
    assert_eq!(entry["command"], link.to_str().unwrap());
}

/// Answers on a terminal of its own.
fn answered(home: &Path, answer: &str) -> String {
    let command = format!("{} setup cursor", env!("CARGO_BIN_EXE_mcp-orchestrator"));
    let mut script = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("HOME", home)
        .env_remove("XDG_DATA_HOME")
        .env_remove("XDG_CONFIG_HOME")
        .current_dir(home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    script.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
    let output = script.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn on_a_terminal_it_shows_the_change_and_asks() {
    let home = home();
    let path = home.path().join(".cursor/mcp.json");
    for no in ["n\n", "\n"] {
        let shown = answered(home.path(), no);
        assert!(shown.contains("+   \"type\": \"stdio\"") && shown.contains("[y/N]"), "{shown}");
        assert!(shown.contains("nothing was changed") && !path.exists(), "{shown}");
    }
    let shown = answered(home.path(), "y\n");
    assert!(shown.contains("is written"), "{shown}");
    assert!(value(&path)["mcpServers"]["orchestrator"].is_object());
}

#[tokio::test]
async fn what_the_entry_starts_is_a_server_with_the_tools() {
    let server = Setup::new().with_own_token().start().await;
    let home = home();
    let listen = server.base().trim_start_matches("http://");
    let data = server.dir().join("data");
    let variables = [
        ("MCP_ORCHESTRATOR_LISTEN", listen),
        ("MCP_ORCHESTRATOR_DATA_DIR", data.to_str().unwrap()),
    ];
    let ended = cli::run_with(home.path(), &["setup", "cursor", "--yes"], &variables);
    assert_eq!(ended.code, Some(0), "{} {}", ended.out, ended.err);
    let entry = &value(&home.path().join(".cursor/mcp.json"))["mcpServers"]["orchestrator"];
    let arguments: Vec<String> = serde_json::from_value(entry["args"].clone()).unwrap();
    assert_eq!((arguments[0].as_str(), arguments[1].as_str()), ("connect", &*server.url()));
    let rest: Vec<&str> = arguments[2..].iter().map(String::as_str).collect();
    let mut bridge = Bridge::start(&arguments[1], home.path(), &rest);
    bridge.initialize(json!({})).await;
    assert!(bridge.tools().await.contains(&"echo".to_owned()));
    assert_eq!(bridge.finish().await, Some(0));
}

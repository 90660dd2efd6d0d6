//! What was kept is damaged, what was named is of no use: one sentence says what and what to do.

use crate::{
    cli::{refuses, run},
    support::within,
};
use std::{fs, os::unix::fs::DirBuilderExt, process::Stdio};
use tokio::process::Command;

/// Serves nowhere: what it refuses, it refuses before it listens.
const SERVE: [&str; 5] = ["serve", "--listen", "127.0.0.1:0", "--data-dir", "data"];

#[test]
fn a_token_file_without_a_token_is_named_and_a_new_one_mends_it() {
    let home = tempfile::tempdir().unwrap();
    let data = ["--data-dir", "data"];
    let show = [&["token", "show"][..], &data].concat();
    assert_eq!(run(home.path(), &show).code, Some(0));
    fs::write(home.path().join("data/token"), "\n").unwrap();
    let words = ["data/token holds no token", "token rotate"];
    refuses(home.path(), &show, 1, &words);
    refuses(home.path(), &SERVE, 1, &words);
    assert_eq!(run(home.path(), &[&["token", "rotate"][..], &data].concat()).code, Some(0));
    assert_eq!(run(home.path(), &show).code, Some(0));
}

#[test]
fn only_a_token_of_our_own_is_changed() {
    let home = tempfile::tempdir().unwrap();
    let mine = "of-my-own-0123456789abcdef0123456789";
    fs::write(home.path().join("mine"), mine).unwrap();
    let rotate =
        |more: &[&'static str]| [&["token", "rotate", "--data-dir", "data"][..], more].concat();
    refuses(home.path(), &rotate(&["--token-file", "mine"]), 2, &["which is yours"]);
    assert_eq!(fs::read_to_string(home.path().join("mine")).unwrap(), mine);
    refuses(home.path(), &rotate(&["--token", mine]), 2, &["--token", "change it there"]);
    refuses(home.path(), &rotate(&["--no-auth"]), 2, &["none to rotate"]);
    refuses(home.path(), &["token", "show", "--no-auth"], 2, &["no token is asked for"]);
}

#[test]
fn a_data_dir_that_cannot_be_one_is_named() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("data"), "a file").unwrap();
    refuses(home.path(), &SERVE, 1, &["the data dir data cannot be made", "--data-dir"]);
    fs::remove_file(home.path().join("data")).unwrap();
    fs::DirBuilder::new().mode(0o700).create(home.path().join("data")).unwrap();
    for name in ["orchestrator.lock", "token", "state.key"] {
        fs::create_dir(home.path().join("data").join(name)).unwrap();
        refuses(home.path(), &SERVE, 1, &[&format!("data/{name} cannot be used")]);
        fs::remove_dir(home.path().join("data").join(name)).unwrap();
    }
}

#[test]
fn what_is_no_upstream_in_the_configuration_is_told_with_its_line() {
    let home = tempfile::tempdir().unwrap();
    let check = |text: &str, words: &[&str]| {
        fs::write(home.path().join("c.toml"), text).unwrap();
        refuses(home.path(), &["config", "check", "c.toml"], 2, words);
    };
    check("upstreams = 5\n", &["[upstreams.NAME]"]);
    check("\n[upstreams]\na = 5\n", &["c.toml, line 3", "[upstreams.a]"]);
    check("limits = 5\n", &["`limits` is a section, written [limits]"]);
    check("[upstreams.a]\ncommand = 'x'\nzzzzzz = 1\n", &["c.toml, line 3", "an upstream has "]);
    check("[upstreams.a]\ncomand = 'x'\n", &["c.toml, line 2", "is `command` meant?"]);
    check("qqqq = 1\n", &["`qqqq` is unknown", "config default"]);
}

/// What a service manager hands over, which `sh` plays here.
#[tokio::test]
async fn a_service_manager_that_hands_over_something_else_is_told() {
    let home = tempfile::tempdir().unwrap();
    let given = |count: usize| {
        format!(
            "exec 3</dev/null 4</dev/null; LISTEN_PID=$$ LISTEN_FDS={count}; \
             export LISTEN_PID LISTEN_FDS; exec \"$@\""
        )
    };
    for (count, words) in [(1, "no TCP socket"), (2, "handed over 2 sockets")] {
        let mut command = Command::new("sh");
        command.args(["-c", &given(count), "sh", env!("CARGO_BIN_EXE_mcp-orchestrator")]);
        command.args(SERVE).current_dir(home.path()).stdin(Stdio::null()).kill_on_drop(true);
        let ended = within(30, "it ends", command.output()).await.unwrap();
        let told = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{told}");
        assert!(told.contains(words) && told.contains("ListenStream="), "{told}");
    }
}

#[test]
fn a_run_of_the_lab_that_cannot_be_is_refused_before_it_begins() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("taken"), "a file").unwrap();
    let run = |more: &[&'static str]| {
        [&["lab", "run", "half-open", "--target", "http://127.0.0.1:9/mcp"][..], more].concat()
    };
    refuses(home.path(), &run(&["--out", "taken"]), 2, &["taken"]);
    refuses(home.path(), &run(&["--duration", "0"]), 2, &["write a number above 0"]);
    refuses(home.path(), &run(&["--time-scale", "x"]), 2, &["it is no number"]);
    refuses(home.path(), &["lab", "run", "none.toml", "--spawn", "x {port}"], 2, &["none.toml"]);
    refuses(home.path(), &["lab", "report", "nowhere"], 2, &["nowhere"]);
}

//! What README.md and the pages of `docs` name exists: metrics, keys of the configuration; and files
//! that they show are taken.

use super::pages::{self, Page, page};
use crate::{
    cli,
    support::{Modern, Setup, until},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};

/// Every metric by name, as `metrics list` has it.
fn catalogue() -> BTreeSet<String> {
    let home = tempfile::tempdir().unwrap();
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
fn every_metric_that_is_named_exists() {
    let catalogue = catalogue();
    let (mut seen, others) = (0, ["mcp_servers"]);
    for page in pages::all() {
        let words =
            page.text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
        for name in words.filter(|word| word.starts_with("mcp_") && !word.ends_with('_')) {
            let is_right = is_listed(&catalogue, name) || others.contains(&name);
            assert!(is_right, "{}: no metric `{name}`", page.path.display());
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen} names");
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

/// Every key as `section.key`, as `config default` has it, also those that are commented out.
fn keys() -> BTreeSet<String> {
    let home = tempfile::tempdir().unwrap();
    let printed = cli::run(home.path(), &["config", "default"]).out;
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in printed.lines().map(|line| line.trim_start_matches("# ")) {
        if let Some(named) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = named.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, _)) = line.split_once(" = ") {
            keys.insert(format!("{section}.{key}"));
        }
    }
    keys
}

#[test]
fn every_key_that_is_named_exists() {
    let keys = keys();
    let sections: BTreeSet<&str> = keys.iter().filter_map(|key| key.split('.').next()).collect();
    let (mut seen, files) = (0, ["store.db", "log.json"]);
    for page in pages::all() {
        for span in page.text.split('`').filter(|span| !span.contains(char::is_whitespace)) {
            let Some((section, key)) = span.split_once('.') else { continue };
            let is_key = key.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
            if sections.contains(section) && is_key && !files.contains(&span) {
                assert!(keys.contains(span), "{}: no key `{span}`", page.path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 15, "{seen} keys");
}

/// Fails unless `config check` takes what the page shows, as a file of that name.
fn is_taken(page: &Page, name: &str, text: &str) {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join(name), text).unwrap();
    let variables = [("SEARCH_KEY", "x"), ("MY_KEY", "x")];
    let ended = cli::run_with(home.path(), &["config", "check", name], &variables);
    assert_eq!(ended.code, Some(0), "{}: {text}{}{}", page.path.display(), ended.out, ended.err);
}

#[test]
fn files_that_are_shown_are_taken() {
    for path in ["README.md", "docs/upstreams.md"] {
        let page = page(path);
        let blocks = page.blocks("json");
        assert!(!blocks.is_empty(), "{path} shows no file of servers");
        blocks.iter().for_each(|text| is_taken(&page, "servers.json", text));
    }
    for path in ["docs/configure.md", "docs/tasks-and-agents.md"] {
        let page = page(path);
        let blocks = page.blocks("toml");
        assert!(!blocks.is_empty(), "{path} shows no configuration");
        blocks.iter().for_each(|text| is_taken(&page, "my.toml", text));
    }
}

/// What `--help` says of every command, and what the scripts beside it say of themselves.
fn all_help() -> String {
    let home = tempfile::tempdir().unwrap();
    let commands = [
        "serve",
        "connect",
        "setup",
        "config check",
        "config show",
        "token rotate",
        "health",
        "sessions list",
        "sessions show",
        "metrics list",
        "agent",
        "chaos",
        "lab list",
        "lab run",
        "lab compare",
        "lab report",
        "lab diff",
    ];
    let help = commands.map(|command| {
        let arguments: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let printed = cli::run(home.path(), &arguments);
        assert_eq!(printed.code, Some(0), "{command}: {}", printed.err);
        printed.out
    });
    let scripts = ["test", "run-mcp-reliability-tests.sh"].map(|script| page(script).text);
    [help.concat(), scripts.concat()].concat()
}

#[test]
fn every_flag_that_is_named_exists() {
    let help = all_help();
    let is_of_flag = |letter: char| letter.is_ascii_lowercase() || letter == '-';
    let known: BTreeSet<&str> = help.split(|letter| !is_of_flag(letter)).collect();
    // Of cargo, docker, kubectl, systemctl, du, and of an agent that is an example.
    let others = [
        "--example",
        "--stop-timeout",
        "--from-literal",
        "--kustomize",
        "--now",
        "--max-depth",
        "--stdio",
    ];
    let mut seen = 0;
    for page in pages::all() {
        let words = page.text.split(|letter| !is_of_flag(letter));
        for flag in words.filter(|word| word.starts_with("--") && word.len() > 3) {
            if flag.trim_matches('-').is_empty() || others.contains(&flag) {
                continue;
            }
            assert!(known.contains(flag), "{}: no flag `{flag}`", page.path.display());
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen} flags");
}

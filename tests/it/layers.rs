//! The walls of the house: which crate lists which, and in which order the modules of the server
//! use each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The modules of the server in the order a message meets them.
const STAGES: [&str; 11] = [
    "serve",
    "transport",
    "pipeline",
    "admission",
    "session",
    "dispatch",
    "tools",
    "tasks",
    "agents",
    "upstream",
    "call",
];

/// Which crates of ours a crate may list.
const CRATES: [(&str, &[&str]); 7] = [
    ("protocol", &[]),
    ("telemetry", &["protocol"]),
    ("store", &["protocol", "telemetry"]),
    ("client", &["protocol", "telemetry"]),
    ("server", &["protocol", "telemetry", "store", "client"]),
    ("chaos", &["protocol", "telemetry"]),
    ("lab", &["protocol", "telemetry", "client", "chaos"]),
];

/// Dependencies of which only these crates may know; a name that ends in `*` is a prefix.
const KEPT_TO: [(&str, &[&str]); 6] = [
    ("rusqlite", &["store"]),
    ("prometheus", &["telemetry"]),
    ("opentelemetry*", &["telemetry"]),
    ("tracing-opentelemetry", &["telemetry"]),
    ("tracing*", &["telemetry"]),
    ("axum*", &["server", "chaos", "lab"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The first names after each `prefix` in a source text: `crate::a::b` and `crate::{a, b::{c}}`.
fn names_after(text: &str, prefix: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices(prefix) {
        let rest = &text[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(group) => names.extend(first_names(group)),
            None => names.extend([identifier(rest)]),
        }
    }
    names
}

fn first_names(group: &str) -> Vec<String> {
    let (mut depth, mut entry, mut names) = (0, String::new(), Vec::new());
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(std::mem::take(&mut entry)),
            _ if depth == 0 => entry.push(letter),
            _ => {}
        }
    }
    names.push(entry);
    names.iter().map(|name| identifier(name.trim())).collect()
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

/// What a file of a stage names at the root of its crate, by `crate::` or by enough `super::`.
fn named_at_root(file: &Path, server: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap();
    let inside = file.strip_prefix(server).unwrap();
    let depth = inside.components().count() - usize::from(inside.ends_with("mod.rs"));
    let mut names = names_after(&text, "crate::");
    names.extend(names_after(&text, &"super::".repeat(depth)));
    names
}

#[test]
fn a_stage_of_the_server_uses_only_later_stages() {
    let server = root().join("src/server");
    for (here, stage) in STAGES.iter().enumerate() {
        let files = sources(&server.join(stage));
        assert!(!files.is_empty(), "no sources for {stage}");
        for file in files {
            let names = named_at_root(&file, &server);
            for earlier in &STAGES[..here] {
                assert!(
                    !names.contains(*earlier),
                    "{}: `{stage}` uses the earlier `{earlier}`",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn every_module_of_the_server_is_a_stage_or_the_configuration() {
    for entry in fs::read_dir(root().join("src/server")).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        let beside = ["config", "lib", "Cargo.toml"].contains(&module);
        assert!(
            beside || STAGES.contains(&module),
            "`{name}` has no place in the order of the stages"
        );
    }
}

/// Dependencies (not those for tests) by crate.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let mut crates = BTreeMap::new();
    for entry in fs::read_dir(root().join("src")).unwrap().map(Result::unwrap) {
        let Ok(text) = fs::read_to_string(entry.path().join("Cargo.toml")) else { continue };
        let manifest: toml::Table = text.parse().unwrap();
        let listed = manifest["dependencies"].as_table().unwrap().keys().cloned().collect();
        crates.insert(entry.file_name().into_string().unwrap(), listed);
    }
    let manifest: toml::Table =
        fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    crates.insert(
        "root".to_owned(),
        manifest["dependencies"].as_table().unwrap().keys().cloned().collect(),
    );
    crates
}

#[test]
fn a_crate_lists_only_crates_below_it() {
    for (name, listed) in dependencies() {
        let ours = listed.iter().filter_map(|dependency| dependency.strip_prefix("mcp-"));
        if name == "root" {
            continue;
        }
        let (_, allowed) = CRATES
            .iter()
            .find(|(crate_name, _)| *crate_name == name)
            .unwrap_or_else(|| panic!("`{name}` has no place among the crates"));
        for dependency in ours {
            assert!(allowed.contains(&dependency), "`{name}` lists `mcp-{dependency}`");
        }
    }
}

#[test]
fn a_dependency_is_known_only_where_it_belongs() {
    for (name, listed) in dependencies() {
        for (pattern, owners) in KEPT_TO {
            let matches = |dependency: &String| match pattern.strip_suffix('*') {
                Some(prefix) => dependency.starts_with(prefix),
                None => dependency == pattern,
            };
            let found = listed.iter().find(|dependency| matches(dependency));
            assert!(found.is_none() || owners.contains(&name.as_str()), "`{name}` lists {found:?}");
        }
    }
}

#[test]
fn the_protocol_does_no_input_or_output_and_reads_no_clock() {
    let forbidden =
        ["tokio", "std::net", "std::fs", "std::io", "std::process", "Instant", "SystemTime"];
    for file in sources(&root().join("src/protocol")) {
        let text = fs::read_to_string(&file).unwrap();
        for word in forbidden {
            let used = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .any(|line| line.contains(word));
            assert!(!used, "{}: uses `{word}`", file.display());
        }
    }
    let listed = &dependencies()["protocol"];
    assert!(!listed.contains("tokio"), "protocol lists tokio");
}

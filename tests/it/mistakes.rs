//! One wrong input of each kind for each command: what is said is one sentence, in words that a person
//! knows, that names the thing. What is wrong inside a scenario or a configuration is looked at in
//! `lab/mistakes.rs`, `cli.rs` and `refusals.rs`, and what a server answers over HTTP in `malformed`.

use crate::cli;
use std::{fs, net::TcpListener, path::Path};

/// The command line, its exit code, and words of what is said.
type Mistake<'a> = (&'a str, i32, &'a [&'a str]);

const OF_FILES: &[Mistake<'_>] = &[
    ("config check none", 2, &["the file none cannot be read: there is no such file"]),
    ("config check dir", 2, &["the file dir cannot be read: it is a folder"]),
    ("config check bytes", 2, &["the file bytes cannot be read: it is not text"]),
    ("serve --config none", 2, &["the config file none cannot be read"]),
    ("serve --mcp-servers dir", 2, &["the file of MCP servers dir", "it is a folder"]),
    ("serve --token-file none", 2, &["the token file none", "there is no such file"]),
    ("serve --data-dir broken.toml", 1, &["the data dir broken.toml", "a file of that name"]),
    ("serve --data-dir /proc/none", 1, &["the data dir /proc/none", "no such file", "--data-dir"]),
    ("serve --data-dir d --log-file /proc/none/l", 1, &["/proc/none/l", "no such", "log.file"]),
    ("connect http://a.example/mcp --config none", 2, &["the config file none"]),
    ("connect http://a.example/mcp --config broken.toml", 2, &["broken.toml, line 1: "]),
    (
        "connect http://a.example/mcp --config key.toml",
        2,
        &["`limits.sesions`", "not known; there are"],
    ),
    ("connect http://a.example/mcp --token-file dir", 2, &["the token file dir"]),
    ("connect http://a.example/mcp --ca-file none", 2, &["the CA file none", "no such file"]),
    ("setup claude --file dir --yes", 1, &["dir cannot be read"]),
    ("chaos --upstream 127.0.0.1:9 --plan none", 2, &["the plan none cannot be read"]),
    ("chaos --upstream 127.0.0.1:9 --plan dir", 2, &["the plan dir", "it is a folder"]),
    ("chaos --upstream 127.0.0.1:9 --plan broken.toml", 2, &["broken.toml is wrong: line 1: "]),
    ("chaos --upstream 127.0.0.1:9 --plan key.toml", 2, &["key.toml is wrong: line 1", "`limits`"]),
    (
        "chaos --upstream 127.0.0.1:9 --plan kind.toml",
        2,
        &["line 2: fault `latancy`: there is no kind"],
    ),
    (
        "lab run none.toml --target http://127.0.0.1:9/mcp",
        2,
        &["the scenario none.toml cannot be read"],
    ),
    ("lab run dir.toml --target http://127.0.0.1:9/mcp", 2, &["dir.toml", "it is a folder"]),
    ("lab run broken.toml --target http://127.0.0.1:9/mcp", 2, &["broken.toml: line 1: "]),
    (
        "lab run --target http://127.0.0.1:9/mcp --out broken.toml",
        2,
        &["cannot write broken.toml", "choose another folder"],
    ),
    ("lab run --target http://127.0.0.1:9/mcp --out .", 2, &["not empty", "choose another folder"]),
    (
        "lab report none",
        2,
        &["cannot read none", "no such file or folder", "a run of the lab wrote"],
    ),
    ("lab report dir", 2, &["cannot read dir/result.json", "a run of the lab wrote"]),
    ("lab diff dir dir", 2, &["cannot read dir/result.json"]),
    ("lab compare none", 2, &["the file of targets none cannot be read"]),
    ("lab compare broken.toml", 2, &["broken.toml: line 1: "]),
    ("lab compare key.toml", 2, &["key.toml", "`limits`"]),
];

const OF_VALUES: &[Mistake<'_>] = &[
    ("serve --listen localhost:1", 2, &["--listen must be an IP address and a port"]),
    ("serve --log-level loud", 2, &["log level `loud`", "such as `info`"]),
    ("serve --otlp-endpoint collector", 2, &["--otlp-endpoint", "http://127.0.0.1:4317"]),
    ("serve --token two_words! --token-file x", 2, &["contradict each other"]),
    ("connect", 2, &["which server?"]),
    ("connect none", 2, &["none cannot be used", "http://127.0.0.1:3001/mcp"]),
    ("connect ftp://a.example", 2, &["must start with http://"]),
    ("connect http://a.example/mcp --header x", 2, &["NAME=VALUE"]),
    ("chaos --upstream 127.0.0.1", 2, &["names no port"]),
    ("chaos --upstream 127.0.0.1:9 --log-level loud", 2, &["log level `loud`"]),
    ("lab run --target none", 2, &["--target: `none` is no URL", "http://127.0.0.1:3001/mcp"]),
    ("lab run none --target http://127.0.0.1:9/mcp", 2, &["none", "`lab list`"]),
];

/// What the parser of the command line says, in lines of its own.
const OF_FLAGS: &[Mistake<'_>] = &[
    ("serve --lisen x", 2, &["--lisen", "a similar argument exists: '--listen'"]),
    ("sreve", 2, &["sreve", "a similar subcommand exists: 'serve'"]),
    (
        "chaos --upstream 127.0.0.1:9 --listen localhost:3100",
        2,
        &["--listen", "write an IP address and a port"],
    ),
    ("lab run --metrics nowhere", 2, &["--metrics", "write an IP address and a port"]),
    ("lab diff dir", 2, &["<AFTER>"]),
];

/// A home with things that are wrong.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(home.path().join(name), bytes).unwrap();
    put("bytes", &[0xff, 0xfe]);
    put("broken.toml", b"listen = \n");
    put("key.toml", b"[limits]\nsesions = 5\n");
    put("kind.toml", b"seed = 7\n[[fault]]\nkind = \"latancy\"\n");
    for dir in ["dir", "dir.toml"] {
        fs::create_dir(home.path().join(dir)).unwrap();
    }
    home
}

fn said(home: &Path, (line, code, words): &Mistake<'_>) -> String {
    let ended = cli::run(home, &line.split(' ').collect::<Vec<_>>());
    assert_eq!(ended.code, Some(*code), "{line}: {}", ended.err);
    for word in *words {
        assert!(ended.err.contains(word), "{line}: no `{word}` in {}", ended.err);
    }
    for odd in ["os error", "panicked", "TOML parse error", "relative URL"] {
        assert!(!ended.err.contains(odd), "{line}: {}", ended.err);
    }
    ended.err
}

#[test]
fn each_mistake_is_told_in_one_sentence() {
    let home = home();
    for mistake in OF_FILES.iter().chain(OF_VALUES) {
        let said = said(home.path(), mistake);
        assert_eq!(said.trim_end().lines().count(), 1, "{}: {said}", mistake.0);
    }
    for mistake in OF_FLAGS {
        said(home.path(), mistake);
    }
}

#[test]
fn an_address_in_use_is_told_by_each_that_listens() {
    let home = home();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let chaos = "chaos --upstream 127.0.0.1:9";
    for (line, words) in [
        (format!("serve --data-dir d --listen {address}"), "the port is in use"),
        (format!("{chaos} --listen {address}"), "something else listens there"),
        (
            format!("{chaos} --listen 127.0.0.1:0 --control {address}"),
            "something else listens there",
        ),
        (
            format!("lab run --target http://127.0.0.1:9/mcp --metrics {address} --out out"),
            "something else listens there; choose another address",
        ),
    ] {
        let said = said(home.path(), &(&line, 1, &[&address, words]));
        assert_eq!(said.trim_end().lines().count(), 1, "{line}: {said}");
    }
}

#[test]
fn where_nothing_listens_that_is_told() {
    let free = crate::support::Port::reserve();
    let address = free.address().to_string();
    let line = format!("health --listen {address}");
    said(home().path(), &(&line, 1, &[&address, "nothing listens there; start it"]));
}

//! `log.file`: the lines that standard error has, kept within bounds, whatever the disk does.

use crate::{
    cli,
    disk::Disk,
    support::{Legacy, Server, Setup, http, text, until},
};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

const SECRET: &str = "hunter2-0123456789abcdef";

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Each line must be whole.
fn lines(text: &str) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert!(text.is_empty() || text.ends_with('\n'), "half a line: {text}");
    text.lines().map(parse).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn has(text: &str, event: &str) -> bool {
    lines(text).iter().any(|line| line["event"] == event)
}

async fn echo(client: &Legacy<'_>) {
    assert_eq!(text(&client.call("echo", json!({"message": SECRET})).await), SECRET);
}

/// Lines of the file that were lost, as `/metrics` has it.
async fn lost(server: &Server) -> f64 {
    server.scrape().await.sum("mcp_telemetry_dropped_total", &[("signal", "logs")])
}

#[tokio::test]
async fn the_file_has_every_line_of_standard_error_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.json");
    let setup = Setup::new().fixture("fix", json!({"KEY": SECRET})).set("log.level", "debug");
    let setup = setup.set("log.format", "json").set("log.file", path.to_str().unwrap());
    let mut server = setup.start().await;
    server.upstreams(&["fix"], "connected").await;
    let client = Legacy::open(&server).await;
    echo(&client).await;
    let wrong = http().post(server.url()).bearer_auth(SECRET).body("{}").send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    client.close().await;
    assert_eq!(lost(&server).await, 0.0);
    server.signal("TERM");
    assert_eq!(server.exit_code().await, Some(0), "{}", server.log());
    until("standard error is read to its end", || async {
        server.log().contains("\"server_stopped\"")
    })
    .await;
    let written = read(&path);
    let on_stderr: Vec<String> =
        server.log().lines().filter(|line| line.starts_with('{')).map(str::to_owned).collect();
    let mut in_file: Vec<&str> = written.lines().collect();
    let mut told: Vec<&str> = on_stderr.iter().map(String::as_str).collect();
    // Two threads may write one after the other here and the other way round there, and each
    // reads the clock for itself.
    let known = |line: &&str| line.split_once(r#","level""#).map(|(_, rest)| rest.to_owned());
    in_file.sort_by_key(known);
    told.sort_by_key(known);
    let known = |lines: &[&str]| lines.iter().map(known).collect::<Vec<_>>();
    assert_eq!(known(&in_file), known(&told));
    for event in ["server_started", "call_finished", "auth_failed", "server_stopped"] {
        assert!(has(&written, event), "no {event}: {written}");
    }
    assert!(!written.contains(SECRET) && !written.contains(server.token()), "{written}");
    assert_eq!(mode(&path), 0o600);
}

#[tokio::test]
async fn it_is_put_aside_by_size_and_few_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.json");
    let setup = Setup::new().set("log.level", "trace").set("log.file_max_size", 8_192);
    let setup = setup.set("log.file_keep", 2).arg("--log-file").arg(path.to_str().unwrap());
    let server = setup.start().await;
    let client = Legacy::open(&server).await;
    let is_there = |name: &str| folder.path().join(name).exists();
    for _ in 0..1_000 {
        echo(&client).await;
        if is_there("log.json.2") {
            break;
        }
    }
    assert!(is_there("log.json.2"), "1,000 calls say more than that");
    let oldest = read(&folder.path().join("log.json.2"));
    for _ in 0..1_000 {
        echo(&client).await;
        if read(&folder.path().join("log.json.2")) != oldest {
            break;
        }
    }
    client.close().await;
    server.finish().await;
    let mut names: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["log.json", "log.json.1", "log.json.2"]);
    for name in names {
        let file = folder.path().join(name);
        let size = fs::metadata(&file).unwrap().len();
        assert!(size <= 8_192, "{size}");
        assert_eq!(mode(&file), 0o600);
        assert!(!lines(&read(&file)).is_empty());
    }
}

#[tokio::test]
async fn one_that_others_may_read_stays_so_and_one_that_was_moved_away_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.json");
    fs::write(&path, "{\"event\":\"before\"}\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let variable = ("MCP_ORCHESTRATOR_LOG_FILE", path.to_str().unwrap());
    let server = Setup::new().set("log.level", "debug").env(variable.0, variable.1).start().await;
    until("it has lines", || async { has(&read(&path), "server_started") }).await;
    let moved = folder.path().join("log.json-20261121");
    fs::rename(&path, &moved).unwrap();
    let client = Legacy::open(&server).await;
    until("there are lines in a new one", || async { has(&read(&path), "handshake_finished") })
        .await;
    assert!(has(&read(&moved), "before") && has(&read(&moved), "server_started"));
    assert_eq!((mode(&path), mode(&moved)), (0o640, 0o640));
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn a_full_disk_costs_counted_lines_and_no_call() {
    let Some(disk) = Disk::small("a full disk under the log file") else { return };
    let path = disk.path().join("log.json");
    let setup = Setup::new().set("log.level", "trace").set("log.file", path.to_str().unwrap());
    let server = setup.start().await;
    let client = Legacy::open(&server).await;
    until("it has lines", || async { has(&read(&path), "handshake_finished") }).await;
    disk.fill();
    until("lines are lost", || async {
        echo(&client).await;
        lost(&server).await > 0.0
    })
    .await;
    until("standard error says so", || async {
        server.log().contains("the log file cannot be written")
    })
    .await;
    disk.make_room();
    until("it says how many were lost", || async {
        echo(&client).await;
        has(&read(&path), "log_file_works")
    })
    .await;
    let told: u64 = lines(&read(&path)).iter().filter_map(|line| line["lost"].as_u64()).sum();
    assert!(told > 0 && told as f64 <= lost(&server).await, "{told}");
    client.close().await;
    server.finish().await;
}

#[test]
fn a_place_that_cannot_be_written_to_is_told_at_the_start() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("folder")).unwrap();
    for (place, why) in
        [("nowhere/log.json", "there is no such file"), ("folder", "it is not a file")]
    {
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--log-file", place];
        let ended = cli::run(home.path(), &arguments);
        assert_eq!(ended.code, Some(1), "{}", ended.err);
        let text = ended.err.trim();
        assert!(text.starts_with(&format!("error: the log file {place} cannot be opened: {why}")));
        assert!(text.ends_with("name another with `log.file`") && text.lines().count() == 1);
    }
}

//! What is written beside the page: JUnit XML, Markdown, JSON, a file for each client.

use super::{folder, lab, printed, reports, sample, text};
use crate::support::python;
use mcp_lab::{
    report::{Folder, Leaderboard},
    result::{Line, RunResult, Verdict, What, Written},
};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command};

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Every case as the library `junitparser` reads it.
const JUNIT: &str = "
import json, sys
from junitparser import Failure, JUnitXml, Skipped
kind = lambda case: 'failed' if any(isinstance(r, Failure) for r in case.result) else \
    'skipped' if any(isinstance(r, Skipped) for r in case.result) else 'passed'
xml = JUnitXml.fromfile(sys.argv[1])
print(json.dumps([{'suite': s.name, 'tests': s.tests, 'failures': s.failures, 'skipped': s.skipped,
    'cases': [{'name': c.name, 'kind': kind(c), 'message': c.result[0].message if c.result else None}
    for c in s]} for s in xml]))
";

#[test]
fn what_shows_test_results_reads_the_junit_file() {
    let dir = reports();
    let path = dir.path().join("junit.xml");
    let output = Command::new(python()).args(["-c", JUNIT]).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let suites: Value = serde_json::from_slice(&output.stdout).unwrap();
    let suites = suites.as_array().unwrap();
    let counts: Vec<Value> =
        suites.iter().map(|s| json!([s["tests"], s["failures"], s["skipped"]])).collect();
    assert_eq!(
        json!(counts),
        json!([[3, 0, 0], [2, 0, 0], [3, 2, 0], [1, 0, 0], [1, 1, 0], [1, 0, 1]])
    );
    assert_eq!(
        suites[2]["cases"][1],
        json!({"name": "nothing runs twice", "kind": "failed",
            "message": "expected 0, measured 2; cause: the server ran a call again after the fault `cut`"})
    );
    assert!(
        suites[4]["suite"]
            .as_str()
            .unwrap()
            .starts_with("</script><img src=x onerror=\"alert('1')\">|`**x")
    );
}

/// How many columns each table has, and whatever only a stranger's name could have brought in.
fn markdown(text: &str) -> (Vec<usize>, Vec<String>) {
    let events: Vec<Event> = Parser::new_ext(text, Options::ENABLE_TABLES).collect();
    let is_head = |event: &Event| matches!(event, Event::Start(Tag::TableHead));
    let is_cell = |event: &Event| matches!(event, Event::Start(Tag::TableCell));
    let columns = |head: &[Event]| {
        let cells = head.iter().take_while(|event| **event != Event::End(TagEnd::TableHead));
        cells.filter(|event| is_cell(event)).count()
    };
    let heads = events.iter().enumerate().filter(|(_, event)| is_head(event));
    let tables = heads.map(|(at, _)| columns(&events[at..])).collect();
    let strange = events.iter().filter(|event| is_strange(event)).map(|event| format!("{event:?}"));
    (tables, strange.collect())
}

fn is_strange(event: &Event) -> bool {
    let is_raw = matches!(event, Event::Html(_) | Event::InlineHtml(_) | Event::Code(_));
    let begins = |tag: &Tag| {
        matches!(tag, Tag::Link { .. } | Tag::Image { .. } | Tag::CodeBlock(_) | Tag::HtmlBlock)
    };
    is_raw || matches!(event, Event::Start(tag) if begins(tag))
}

#[test]
fn markdown_is_tables_and_text_whatever_the_names_are() {
    let dir = reports();
    let report = fs::read_to_string(dir.path().join("report.md")).unwrap();
    let (tables, strange) = markdown(&report);
    assert!(strange.is_empty(), "{strange:?}");
    let headings = report.lines().filter(|line| line.starts_with("### ")).count();
    assert_eq!((tables.len(), tables[0], headings), (37, 9, 36), "{tables:?}");
    let head: Vec<&str> = report.lines().filter(|line| !line.is_empty()).take(3).collect();
    assert_eq!(head[0], "# Reliability of everything-server");
    assert!(
        head[1].starts_with("**Failed.** 2 of 5 scenarios failed: network-chaos and"),
        "{}",
        head[1]
    );
    assert!(
        head[2].starts_with("For 37.3 s of 1 h 3 min not every tool was listed"),
        "{}",
        head[2]
    );
    let mut board = Leaderboard::default();
    board.add(&sample::run());
    board.add_failed(sample::HOSTILE, sample::HOSTILE);
    let (tables, strange) = markdown(&board.markdown());
    assert_eq!((tables.len(), strange.len()), (2, 0));
}

#[test]
fn the_sentence_says_when_and_why_tools_were_gone() {
    let mut run = sample::run();
    run.scenarios = vec![run.scenarios.remove(1)];
    let dir = folder(&run);
    printed(&["report", text(dir.path())]);
    assert_eq!(
        json_of(&dir.path().join("summary.json"))["summary"],
        "For 2.17 s of 1 min not every tool could be called (at worst 0 of 12), in 3 stretches: from \
         10.1 s to 10.9 s (fault kill), from 28.1 s to 28.9 s (fault kill) and from 45 s to 45.6 s \
         (fault kill). All stayed listed throughout."
    );
}

#[test]
fn the_summary_counts_clients_sessions_and_heartbeats() {
    let dir = reports();
    let summary = json_of(&dir.path().join("summary.json"));
    assert_eq!(summary["passed"], false);
    assert_eq!(summary["clients"], 17);
    assert_eq!(summary["success_rate"], 16.0 / 17.0);
    assert_eq!(summary["heartbeat_effectiveness"], 0.98);
    let average = (2.0 * 3_599.0 + 19.0 * 41.5) / 21.0;
    let told = summary["average_session_duration_seconds"].as_f64().unwrap();
    assert!((told - average).abs() < 1e-9, "{told}");
}

#[test]
fn a_run_has_a_folder_with_a_file_for_each_client_and_never_overwrites_another() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("test-results/one");
    let folder = Folder::create(&dir).unwrap();
    let (log, writer) = folder.events().unwrap();
    log.note(Line { at_s: 0.5, scenario: "s".to_owned(), client: None, what: What::ScenarioBegan });
    drop(log);
    assert_eq!(writer.finish().unwrap(), Written { lines: 1, dropped: 0 });
    folder.write(&sample::run()).unwrap();
    let stale = json_of(&dir.join("client_6_stale.json"));
    assert_eq!(stale["scenario"], "concurrent-sessions");
    assert_eq!(stale["final_status"], "expired");
    let beating = json_of(&dir.join("client_16_heartbeat.json"));
    assert_eq!(
        (&beating["heartbeats_sent"], &beating["heartbeats_expected"]),
        (&json!(49), &json!(50))
    );
    let back = json_of(&dir.join("client_13_reconnecting.json"));
    assert_eq!(back["sessions_different"], true);
    assert_ne!(back["session1_id"], back["session2_id"]);
    assert!(dir.join("client_17_______x.json").exists(), "a role names no other folder");
    assert_eq!(RunResult::read(&dir).unwrap(), sample::run());
    let again = Folder::create(&dir).unwrap_err().to_string();
    assert!(again.contains("is not empty: a run never overwrites another"), "{again}");
}

#[test]
fn a_run_of_a_whole_environment_has_its_three_folders() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::create_for_environment(root.path(), "one").unwrap();
    folder.events().unwrap();
    folder.write(&sample::run()).unwrap();
    for file in
        ["test-results/one/events.jsonl", "test-results/one/client_1_normal.json", "logs/one"]
    {
        assert!(root.path().join(file).exists(), "{file}");
    }
    for file in ["result.json", "summary.json", "junit.xml", "report.md", "report.html"] {
        assert!(root.path().join("reports/one").join(file).exists(), "{file}");
    }
    assert!(Folder::create_for_environment(root.path(), "one").is_err());
    Folder::create_for_environment(root.path(), "two").unwrap();
}

#[test]
fn rendering_again_gives_the_same_and_leaves_the_rest() {
    let dir = reports();
    let read = |name: &str| fs::read(dir.path().join(name)).unwrap();
    let names = ["report.html", "report.md", "junit.xml", "summary.json", "result.json"];
    let before = names.map(read);
    printed(&["report", text(dir.path())]);
    assert_eq!(before, names.map(read));
}

#[test]
fn two_runs_are_compared() {
    let (before, mut after) = (sample::run(), sample::run());
    after.scenarios[0].availability.as_mut().unwrap().callable_percent = 99.0;
    after.scenarios[1].recoveries[1].recovered_after_s = Some(0.2);
    after.scenarios[1].recoveries[0].recovered_after_s = Some(0.4);
    // Within what two runs of the same differ by.
    after.scenarios[1].latency.as_mut().unwrap().corrected.p50_ms += 0.5;
    after.scenarios[2].verdict = Verdict::Passed;
    after.scenarios[2].oracle.as_mut().unwrap().ran_twice = 0;
    after.scenarios.pop();
    let (a, b) = (folder(&before), folder(&after));
    let told = printed(&["diff", text(a.path()), text(b.path())]);
    let rows: Vec<&str> = told.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    assert_eq!(
        rows,
        [
            "| network-chaos | verdict | **failed** | passed | better |",
            "| connection-stability | callable | 100 % | 99 % | **worse** |",
            "| server-restart | slowest recovery | 920 ms | 600 ms | better |",
            "| network-chaos | ran twice | 2 | 0 | better |",
        ]
    );
    assert!(told.contains("3 better, 1 worse, of "), "{told}");
    assert!(told.contains("Only in the first run: half-open."), "{told}");
    assert_eq!(told, printed(&["report", text(b.path()), "--against", text(a.path())]));
    let json: Value =
        serde_json::from_str(&printed(&["diff", text(a.path()), text(a.path()), "--form", "json"]))
            .unwrap();
    assert!(json["figures"].as_array().unwrap().iter().all(|figure| figure["change"] == "same"));
    assert_eq!(lab(&["diff", text(a.path())]).status.code(), Some(2));
}

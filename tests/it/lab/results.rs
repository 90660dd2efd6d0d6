//! What a run writes has the published form, and of a target that each client starts for itself it is
//! known what it uses.

use super::{Lab, assert_passed};
use crate::support::fixture_path;
use mcp_lab::result::{ResourceSource, RunResult};
use serde_json::{Value, json};
use std::path::Path;

const SCENARIO: &str = r#"
name = "each-its-own"
description = "Every client starts a server of its own and speaks to it."
duration = 3
expect = [{ that = "failed_clients", at_most = 0 }, { that = "lost", at_most = 0 }]
load = { rate = 10, ramp = 0, seconds = 2, clients = 1 }

[[clients]]
role = "guest"
count = 2
steps = [
  { do = "initialize" },
  { do = "heartbeat", every = 0.3, seconds = 2 },
  { do = "call-tool" },
  { do = "disconnect" },
]
"#;

/// Asserts that some JSON has the form that is published under this place of the schema.
fn assert_form(place: &str, found: &Value) {
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/result.schema.json");
    let schema = std::fs::read_to_string(schema).expect("the published schema");
    let mut schema: Value = serde_json::from_str(&schema).expect("JSON");
    if !place.is_empty() {
        let parts = schema["$defs"].take();
        schema = json!({"$defs": parts, "$ref": place});
    }
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let wrong: Vec<String> = validator.iter_errors(found).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}: {found:#}");
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test]
async fn what_a_run_writes_has_the_published_form() {
    let lab = Lab::new();
    std::fs::write(lab.path("own.toml"), SCENARIO).expect("a file");
    let fixture = fixture_path();
    let spawn = format!("env FIXTURE_ORACLE={} {}", lab.path("ran").display(), fixture.display());
    let out = lab.path("out");
    let out_text = out.display().to_string();
    let ended = lab.lab(&["run", "own.toml", "--spawn", &spawn, "--out", &out_text]).await;
    let result = RunResult::read(&out).unwrap_or_else(|error| panic!("{error}: {}", ended.said));
    assert_passed(&ended, &result, &out);

    assert_form("", &read(&out.join("result.json")));
    let entries = std::fs::read_dir(&out).expect("the folder").flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let clients: Vec<String> = names.filter(|name| name.starts_with("client_")).collect();
    assert_eq!(clients.len(), result.scenarios[0].clients.len(), "{clients:?}");
    assert!(clients.iter().filter(|name| name.ends_with("_guest.json")).count() == 2);
    clients.iter().for_each(|name| assert_form("#/$defs/ClientFile", &read(&out.join(name))));
    let events = std::fs::read_to_string(out.join("events.jsonl")).expect("events");
    let kinds = ["scenario_began", "connected", "call_ended", "resources", "scenario_ended"];
    for kind in kinds {
        let named = |line: &&str| line.contains(&format!(r#""event":"{kind}""#));
        let line = events.lines().find(named).unwrap_or_else(|| panic!("no {kind}: {events}"));
        assert_form("#/$defs/Line", &serde_json::from_str(line).expect("JSON"));
    }

    let resources = result.scenarios[0].resources.as_ref().expect("its process is looked at");
    assert_eq!(resources.source, ResourceSource::Process);
    assert!(resources.samples.len() > 3, "{resources:?}");
    let known = |sample: &mcp_lab::result::ResourceSample| {
        sample.rss_bytes > 1 << 20 && sample.fds.is_some_and(|fds| fds > 2)
    };
    assert!(resources.samples.iter().all(known), "{resources:?}");
    assert!(resources.samples.iter().all(|sample| sample.cpu_seconds.is_some()), "{resources:?}");
}

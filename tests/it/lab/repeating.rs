//! The same seed gives each client the same faults at the same messages.

use super::Lab;
use mcp_lab::result::{Direction, Line, Phase, What};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Client, direction, connection and message.
type Place = (String, String, u64, u64);

const SCENARIO: &str = r#"
name = "lossy"
description = "Some messages are held up, by chance."
needs = ["network"]
duration = 4
faults = [
  { name = "all", kind = "latency", delay = "2ms", direction = "both" },
  { name = "some", kind = "latency", delay = "5ms", share = 0.3, direction = "both" },
]
expect = [{ that = "failed_clients", at_most = 0 }]

[[clients]]
role = "caller"
count = 2
steps = [
  { do = "initialize" },
  { do = "repeat", times = 20, steps = [{ do = "call-tool" }] },
  { do = "disconnect" },
]
"#;

/// The messages that each fault struck, by fault.
fn struck(out: &Path) -> BTreeMap<String, BTreeSet<Place>> {
    let text = std::fs::read_to_string(out.join("events.jsonl")).expect("events");
    let mut struck: BTreeMap<String, BTreeSet<Place>> = BTreeMap::new();
    for line in text.lines() {
        let line: Line = serde_json::from_str(line).expect("an event");
        let What::Fault { fault, phase: Phase::Injected, direction, connection, message, .. } =
            line.what
        else {
            continue;
        };
        let client = line.client.expect("a client's");
        let direction: Option<Direction> = direction;
        let (Some(connection), Some(message)) = (connection, message) else { continue };
        let place = (client, format!("{direction:?}"), connection, message);
        struck.entry(fault).or_default().insert(place);
    }
    struck
}

#[tokio::test]
async fn the_same_seed_strikes_the_same_messages_of_each_client() {
    let lab = Lab::new();
    std::fs::write(lab.path("lossy.toml"), SCENARIO).expect("a file");
    let mut runs = Vec::new();
    for out in ["one", "two"] {
        let (ended, _) = lab.quick("lossy.toml", out, &[]).await;
        assert_eq!(ended.code, 0, "{}", ended.said);
        runs.push(struck(&lab.path(out)));
    }
    // What both runs sent: how many connections a client opens is not for the seed to say.
    let both: BTreeSet<&Place> = runs[0]["all"].intersection(&runs[1]["all"]).collect();
    // Of some 88 messages; a few go over a connection that the other run did not open.
    let callers = both.iter().filter(|place| place.0.starts_with("caller")).count();
    assert!(callers > 60, "{callers} messages of callers in both runs");
    let of = |run: &BTreeMap<String, BTreeSet<Place>>| -> BTreeSet<Place> {
        run["some"].iter().filter(|place| both.contains(place)).cloned().collect()
    };
    assert_eq!(of(&runs[0]), of(&runs[1]));
    let share = of(&runs[0]).len() as f64 / both.len() as f64;
    assert!((0.15..0.45).contains(&share), "a share of {share} was struck");
}

const LATE: &str = r#"
name = "late"
description = "Something is wrong at first; one client comes when it is over."
quick = 1
needs = ["network"]
duration = 7
faults = [
  { name = "always", kind = "noop", direction = "both" },
  { name = "early", kind = "latency", delay = "1ms", direction = "both", for = "4s" },
]
expect = [{ that = "failed_clients", at_most = 0 }]

[[clients]]
role = "late"
after = 4.2
steps = [
  { do = "initialize" },
  { do = "repeat", times = 10, steps = [{ do = "call-tool" }] },
  { do = "disconnect" },
]
"#;

#[tokio::test]
async fn a_schedule_counts_from_the_start_of_the_scenario_for_who_comes_late() {
    let lab = Lab::new();
    std::fs::write(lab.path("late.toml"), LATE).expect("a file");
    let (ended, _) = lab.quick("late.toml", "out", &[]).await;
    assert_eq!(ended.code, 0, "{}", ended.said);
    let struck = struck(&lab.path("out"));
    let clients = |fault: &str| -> BTreeSet<&str> {
        let role = |place: &Place| if place.0.starts_with("late") { "late" } else { "prober" };
        struck[fault].iter().map(role).collect()
    };
    assert_eq!(clients("always"), ["late", "prober"].into());
    assert_eq!(clients("early"), ["prober"].into(), "it was over");
}

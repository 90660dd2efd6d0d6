//! Results of strangers: read or refused in a sentence, within bounds.

use super::{folder, lab, sample, text};
use serde_json::{Value, json};
use std::fs::{self, File};

/// How `lab report` ends on a result, and what it says.
fn refused(result: &Value) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("result.json"), result.to_string()).unwrap();
    let output = lab(&["report", text(dir.path())]);
    assert!(!dir.path().join("report.html").exists(), "nothing is written");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn what_cannot_be_is_refused_and_named() {
    let good = serde_json::to_value(sample::run()).unwrap();
    let table = [
        ("/scenarios/0/verdict", json!("fine"), "unknown variant `fine`"),
        ("/schema", json!(2), "has schema 2; this version reads schema 1"),
        ("/duration_s", json!(-1), "duration_s is -1"),
        ("/scenarios/1/duration_s", json!(1e300), "scenario \"server-restart\": duration_s is 1"),
        ("/scenarios/1/faults/0/to_s", json!(3), "fault \"kill\" ends before it begins"),
        (
            "/scenarios/0/availability/listed_percent",
            json!(101),
            "a percentage is not from 0 to 100",
        ),
        ("/scenarios/1/availability/series/1/at_s", json!(59), "not in the order of time"),
        ("/scenarios", json!({}), "is not a result of a lab run: invalid type: map"),
    ];
    for (place, value, says) in table {
        let mut bad = good.clone();
        *bad.pointer_mut(place).unwrap() = value;
        let (code, error) = refused(&bad);
        assert_eq!(code, Some(1), "{place}");
        assert!(error.contains(says), "{place}: {error}");
    }
    let mut unknown = good;
    unknown["scenarios"][0]["colour"] = json!("red");
    let (_, error) = refused(&unknown);
    assert!(error.contains("unknown field `colour`") && error.contains("line 1 column"), "{error}");
}

#[test]
fn what_is_too_long_too_deep_or_not_there_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("result.json");
    assert_eq!(lab(&["report", text(dir.path())]).status.code(), Some(2), "there is none");
    File::create(&path).unwrap().set_len((128 << 20) + 1).unwrap();
    let error = String::from_utf8(lab(&["report", text(dir.path())]).stderr).unwrap();
    assert!(error.contains("is longer than 134217728 bytes"), "{error}");
    fs::write(&path, "[".repeat(1 << 20)).unwrap();
    assert_eq!(lab(&["report", text(dir.path())]).status.code(), Some(1));
}

#[test]
fn odd_figures_are_drawn_all_the_same() {
    let mut run = sample::run();
    for scenario in &mut run.scenarios {
        scenario.duration_s = 0.0;
        if let Some(availability) = &mut scenario.availability {
            availability.tools = 0;
            availability.series.iter_mut().for_each(|sample| sample.callable = u32::MAX);
        }
        if let Some(latency) = &mut scenario.latency {
            (latency.corrected.p50_ms, latency.raw.max_ms) = (-1.0, f64::MAX);
        }
        for sample in scenario.resources.iter_mut().flat_map(|resources| &mut resources.samples) {
            (sample.rss_bytes, sample.at_s) = (u64::MAX, f64::MAX);
        }
        scenario.calls.started = u64::MAX;
        scenario.recoveries.iter_mut().for_each(|r| r.recovered_after_s = Some(f64::MIN));
    }
    let dir = folder(&run);
    super::printed(&["report", text(dir.path())]);
    let page = fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(!page.contains("NaN") && !page.contains("inf"), "every figure has a place");
    assert!(page.len() < 500_000, "{}", page.len());
}

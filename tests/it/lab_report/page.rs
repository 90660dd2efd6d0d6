//! The page in a browser: nothing it complains about, nothing asked of anybody, charts that are
//! there, nothing broader than the screen, nothing that keeps anybody from reading it.

use super::{folder, printed, reports, sample, text};
use crate::support::run_script;
use mcp_lab::{report::Leaderboard, result::RunResult};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// Where `./test` has Chromium from.
const CHROMIUM: &str = "/usr/bin/chromium";

async fn looks(page: &Path) -> Vec<Value> {
    let plan = json!({
        "chromium": CHROMIUM,
        "url": format!("file://{}", page.display()),
        "looks": [[1280, "light"], [400, "dark"]],
    });
    let script = "../it/lab_report/page.mjs";
    run_script(script, &plan, 110, String::new).await.as_array().unwrap().clone()
}

fn assert_is_well(look: &Value) {
    for trouble in ["errors", "asked", "overflow", "overflowUnfolded", "axe"] {
        assert_eq!(look[trouble], json!([]), "{trouble} at {}, {}", look["width"], look["scheme"]);
    }
    assert_eq!(look["scripts"], 0, "{look}");
    assert_eq!(look["pageWidth"], look["width"], "{look}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_well_at_every_width_in_both_schemes_and_its_charts_are_drawn() {
    let dir = reports();
    for look in looks(&dir.path().join("report.html")).await {
        assert_is_well(&look);
        let charts = look["charts"].as_array().unwrap();
        let count = |title: &str| charts.iter().filter(|chart| chart["title"] == title).count();
        let counts = ["Tools over time", "Latency", "Recovery", "Memory", "Open files"].map(count);
        assert_eq!(counts, [4, 3, 3, 3, 3], "{charts:?}");
        for chart in charts {
            let size = |side: &str| chart[side].as_f64().unwrap();
            assert!(size("width") > 200.0 && size("height") > 60.0, "{chart}");
            assert_eq!(chart["invisible"], 0, "{chart}");
        }
        let drawn = charts.iter().filter(|chart| chart["marks"].as_u64().unwrap() > 0).count();
        // Nobody noticed the fault of the hostile scenario, nor came all back: there is no bar.
        assert_eq!(drawn, charts.len() - 1, "{charts:?}");
        let verdict = look["top"]["verdict"].as_f64().unwrap();
        assert!(verdict < 400.0, "the verdict stands at the top: {verdict}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_that_compare_are_well_too() {
    let (before, after) = (folder(&sample::run()), folder(&worse()));
    let diff = printed(&["diff", text(before.path()), text(after.path()), "--form", "html"]);
    let mut board = Leaderboard::default();
    board.add(&sample::run());
    board.add(&worse());
    board.add_failed(sample::HOSTILE, sample::HOSTILE);
    for page in [diff, board.html()] {
        let path = before.path().join("compared.html");
        fs::write(&path, page).unwrap();
        looks(&path).await.iter().for_each(assert_is_well);
    }
}

fn worse() -> RunResult {
    let mut run = sample::run();
    run.target.name = sample::HOSTILE.to_owned();
    run.scenarios[0].availability.as_mut().unwrap().callable_percent = 50.0;
    run.scenarios[2].name = "another".to_owned();
    run
}

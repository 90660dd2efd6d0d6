//! The time for which tools could be called, and for which they could not, by cause.

use super::{Switch, all_fresh, kill_children};
use crate::support::{Legacy, Scrape, Setup, fixture_path, until_within};
use serde_json::json;
use tokio::time::{Duration, Instant, sleep};

const UNAVAILABLE: &str = "mcp_tool_unavailable_seconds_total";

fn unavailable(scrape: &Scrape, upstream: &str, cause: &str) -> f64 {
    scrape.sum(UNAVAILABLE, &[("upstream", upstream), ("cause", cause)])
}

#[tokio::test]
async fn outages_are_counted_while_they_last_and_our_own_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let switch = Switch::in_dir(dir.path());
    let fixture = switch.wrap("fix", &fixture_path(), &[], &json!({}));
    let mut server = Setup::new()
        .upstream("fix", fixture)
        .upstream("nowhere", json!({"command": dir.path().join("no-such-program")}))
        .start()
        .await;
    server.upstreams(&["fix"], "connected").await;
    let client = Legacy::open(&server).await;
    all_fresh(&server, &client).await;
    let scrape = server.scrape().await;
    let tools = scrape.sum("mcp_tool_available", &[("upstream", "fix")]);
    assert!(tools > 10.0, "{tools}");
    assert_eq!(unavailable(&scrape, "fix", "exited"), 0.0);
    let refreshed = "mcp_catalogue_refreshed_timestamp_seconds";
    assert!(scrape.sum(refreshed, &[("upstream", "fix")]) > 1_700_000_000.0);

    switch.off();
    kill_children(&server);
    let down = Instant::now();
    let mut counted = Vec::new();
    until_within(40, "the outage is counted while it lasts", || async {
        let scrape = server.scrape().await;
        unavailable(&scrape, "fix", "exited") > 0.0
    })
    .await;
    for _ in 0..3 {
        counted.push(unavailable(&server.scrape().await, "fix", "exited"));
        sleep(Duration::from_millis(1_500)).await;
    }
    assert!(counted.windows(2).all(|two| two[0] < two[1]), "{counted:?}");
    let scrape = server.scrape().await;
    // A call that is made in the last 10 s may still be dispatched.
    let most = tools * (down.elapsed().as_secs_f64() - 10.0).max(0.0);
    assert!(unavailable(&scrape, "fix", "exited") <= most, "at most {most}");
    assert_eq!(scrape.sum("mcp_tool_available", &[("upstream", "fix")]), 0.0);
    assert!(unavailable(&scrape, "nowhere", "never_reached") > 0.0, "it counts as one tool");
    let seconds = scrape.sum("mcp_tool_seconds_total", &[("upstream", "nowhere")]);
    assert!(unavailable(&scrape, "nowhere", "never_reached") < seconds, "{seconds}");
    client.close().await;

    server.signal("KILL");
    server.exit_code().await;
    let dead = Instant::now();
    sleep(Duration::from_secs(2)).await;
    server.start_anew().await;
    let away = dead.elapsed().as_secs_f64();
    let scrape = server.scrape().await;
    let ours = unavailable(&scrape, "fix", "orchestrator_down") / tools;
    println!("down for {away:.2} s, counted {ours:.2} s for each tool");
    // That it lives is written every second or so.
    assert!(ours > 1.9 && ours < away + 2.5, "{ours} of {away}");
    assert!(scrape.sum("mcp_tool_seconds_total", &[("upstream", "fix")]) >= ours * tools);
    assert!(scrape.sum(refreshed, &[("upstream", "fix")]) > 1_700_000_000.0, "from the store");
    server.finish().await;
}

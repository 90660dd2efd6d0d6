//! A minute without upstreams: every list stays the same, and what was missing is counted.

use crate::{
    catalogue::{
        Switch, all_fresh, everything, kill_children,
        real::{Remote, local},
    },
    support::{Legacy, Setup, text, until_within},
};
use serde_json::json;
use tokio::time::{Duration, Instant, sleep};

const DOWN: Duration = Duration::from_secs(60);
/// Longest time for which a call waits: of an outage all but that counts.
const PARK: f64 = 10.0;

#[tokio::test]
async fn a_minute_without_upstreams_takes_nothing_out_of_the_lists() {
    let dir = tempfile::tempdir().unwrap();
    let switch = Switch::in_dir(dir.path());
    let mut remote = Remote::start().await;
    let setup = Setup::new().upstream("local", local(&switch));
    let server =
        setup.upstream("remote", json!({"type": "http", "url": remote.url()})).start().await;
    server.upstreams(&["local", "remote"], "connected").await;
    let client = Legacy::open(&server).await;
    let known = all_fresh(&server, &client).await;
    let tools = server.scrape().await.sum("mcp_tool_available", &[("upstream", "local")]);

    switch.off();
    remote.kill().await;
    kill_children(&server);
    let (begun, mut looks) = (Instant::now(), 0);
    let lost = client.ask("tools/call", json!({"name": "remote__echo"})).await;
    assert_eq!(lost["result"]["isError"], true, "{lost}");
    while begun.elapsed() < DOWN {
        assert_eq!(everything(&server, &client).await.0, known, "after {:?}", begun.elapsed());
        looks += 1;
        sleep(Duration::from_millis(500)).await;
    }
    let counted = async || {
        let labels = [("upstream", "local"), ("cause", "exited")];
        server.scrape().await.sum("mcp_tool_unavailable_seconds_total", &labels) / tools
    };
    let (during, down) = (counted().await, begun.elapsed().as_secs_f64());
    switch.on();
    remote.start_again().await;
    let back = Instant::now();
    until_within(60, "both are there again", || async {
        let mut answers = 0;
        for name in ["local__echo", "remote__echo"] {
            let params = json!({"name": name, "arguments": {"message": "back"}});
            let answer = client.ask("tools/call", params).await;
            answers += u8::from(answer["result"]["isError"] != true);
            if answers > 0 && answer["result"]["isError"] != true {
                assert_eq!(text(&answer["result"]), "Echo: back");
            }
        }
        answers == 2
    })
    .await;
    println!(
        "down for {down:.1} s: {looks} looks at 8 lists, all the same; counted {during:.1} s for \
         each of {tools} tools; back after {:?}",
        back.elapsed()
    );
    assert!(during > down - PARK - 5.0 && during < down - PARK + 1.0, "{during} of {down}");
    assert_eq!(all_fresh(&server, &client).await, known);
    client.close().await;
    server.finish().await;
}

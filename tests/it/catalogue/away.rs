//! Upstreams that are down: the lists are the same bytes as before, but for the marks, also after
//! a restart of ours in the meantime.

use super::{
    Switch, all_fresh, everything, kill_children,
    real::{Remote, local},
    unmarked,
};
use crate::support::{Legacy, Messages, Modern, Setup, text, until};
use serde_json::json;
use tokio::time::{Duration, Instant};

/// The methods of all that comes until it is quiet for a second.
async fn heard(stream: &mut Messages) -> Vec<String> {
    let mut methods = Vec::new();
    while let Ok(message) = tokio::time::timeout(Duration::from_secs(1), stream.next()).await {
        let message = message.expect("the stream stays open");
        methods.push(message["method"].as_str().unwrap().to_owned());
    }
    methods
}

#[tokio::test]
async fn real_upstreams_that_are_down_stay_listed_also_over_our_own_restart() {
    let dir = tempfile::tempdir().unwrap();
    let switch = Switch::in_dir(dir.path());
    let mut remote = Remote::start().await;
    let local = local(&switch);
    let mut server = Setup::new()
        .upstream("local", local)
        .upstream("remote", json!({"type": "http", "url": remote.url()}))
        .start()
        .await;
    server.upstreams(&["local", "remote"], "connected").await;
    let client = Legacy::open(&server).await;
    let session = client.session.clone();
    let known = all_fresh(&server, &client).await;
    assert!(known[0].contains("local__echo") && known[0].contains("remote__echo"), "{}", known[0]);
    let entries = known[0].matches("\"inputSchema\"").count();

    let mut stream = client.stream().await;
    // What the upstreams themselves announce of their start comes before.
    heard(&mut stream).await;
    switch.off();
    remote.kill().await;
    kill_children(&server);
    let all_marked = async |client: &Legacy<'_>| {
        let shown = super::lists(&server, client, "tools/list").await;
        // Our own tools are never stale.
        shown.iter().all(|text| unmarked(text).1.len() + 6 >= entries)
    };
    // That nobody listens any more is found out by a call, and else by a ping some time later.
    let lost = client.ask("tools/call", json!({"name": "remote__echo"})).await;
    assert_eq!(lost["result"]["isError"], true, "{lost}");
    until("all of both is marked", || all_marked(&client)).await;
    let (down, marks) = everything(&server, &client).await;
    assert_eq!(down, known);
    assert!(marks.iter().all(|time| time.ends_with('Z') && time.len() == 24), "{marks:?}");
    let heard = heard(&mut stream).await;
    assert!(!heard.iter().any(|method| method.ends_with("list_changed")), "{heard:?}");
    drop((stream, client));

    server.start_again("KILL").await;
    let begun = Instant::now();
    let client = Legacy::knowing(&server, &session);
    let (again, marks_again) = everything(&server, &client).await;
    let took = begun.elapsed();
    println!("after a restart 8 lists of upstreams that are down took {took:?}");
    assert!(took < Duration::from_secs(5), "they wait for nobody: {took:?}");
    assert_eq!(again, known);
    assert_eq!(marks_again, marks, "stale since the same time");
    let second = Legacy::open(&server).await;
    let discovered = Modern::new(&server).ask("server/discover", json!({})).await;
    assert!(discovered["result"]["capabilities"]["tools"].is_object(), "{discovered}");
    second.close().await;

    switch.on();
    remote.start_again().await;
    server.upstreams(&["local", "remote"], "connected").await;
    assert_eq!(all_fresh(&server, &client).await, known);
    for name in ["local__echo", "remote__echo"] {
        assert_eq!(text(&client.call(name, json!({"message": "back"})).await), "Echo: back");
    }
    client.close().await;
    server.finish().await;
}

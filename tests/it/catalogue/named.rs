//! Names stay as they were given: whoever connects first, and over a restart.

use super::{Switch, kill_children, until_tools};
use crate::support::{Legacy, Setup, fixture_path, text};
use serde_json::json;

#[tokio::test]
async fn names_do_not_depend_on_who_is_there_first() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| {
        std::fs::create_dir(dir.path().join(name)).unwrap();
        Switch::in_dir(&dir.path().join(name))
    });
    let fixture = |switch: &Switch| switch.wrap("fix", &fixture_path(), &[], &json!({}));
    first.off();
    let mut server = Setup::new()
        .set("names.prefix", false)
        .upstream("first", fixture(&first))
        .upstream("second", fixture(&second))
        .start()
        .await;
    server.upstreams(&["second"], "connected").await;
    let client = Legacy::open(&server).await;
    let has = |name: &'static str| move |tools: &[String]| tools.iter().any(|tool| tool == name);
    until_tools(&client, "the second has the bare name", has("process_id")).await;
    first.on();
    until_tools(&client, "the first has another", has("first__process_id")).await;
    let session = client.session.clone();
    let pids = async |client: &Legacy<'_>| {
        let mut pids = Vec::new();
        for name in ["process_id", "first__process_id"] {
            pids.push(text(&client.call(name, json!({})).await).to_owned());
        }
        pids
    };
    let before = pids(&client).await;
    assert_ne!(before[0], before[1]);
    drop(client);

    // Now it is the second that is away at the start.
    second.off();
    // A kill might lose the last moment, in which the names were given.
    server.start_again("TERM").await;
    server.upstreams(&["first"], "connected").await;
    let client = Legacy::knowing(&server, &session);
    until_tools(&client, "the names are the same", |tools| {
        has("process_id")(tools)
            && has("first__process_id")(tools)
            && !has("second__process_id")(tools)
    })
    .await;
    let first_pid = text(&client.call("first__process_id", json!({})).await).to_owned();
    second.on();
    server.upstreams(&["second"], "connected").await;
    let after = pids(&client).await;
    assert_eq!(after[1], first_pid);
    assert_ne!(after[0], after[1]);
    client.close().await;
    kill_children(&server);
}

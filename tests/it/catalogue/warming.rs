//! An upstream that has just started may not have its tools yet: an empty list does not replace a
//! full one before it is confirmed.

use super::{Switch, everything, kill_children, unmarked, until_tools};
use crate::support::{Legacy, Server, Setup, fixture_path, text, until};
use serde_json::json;
use std::{fs, path::PathBuf};

struct Warming {
    server: Server,
    file: PathBuf,
    _dir: tempfile::TempDir,
}

impl Warming {
    /// A server with the fixture, which has its tools, and is then made to list none.
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("warming-up");
        let environment = json!({"FIXTURE_WARMING_UP": file, "FIXTURE_ERAS": "legacy"});
        let fixture = Switch::in_dir(dir.path()).wrap("fix", &fixture_path(), &[], &environment);
        let server = Setup::new().upstream("fix", fixture).start().await;
        Self { server, file, _dir: dir }
    }

    /// The upstream starts anew and lists no tool yet: ours stay.
    async fn starts_empty(&self, client: &Legacy<'_>) {
        until_tools(client, "its tools are listed", |tools| {
            tools.iter().any(|tool| tool == "fix__process_id")
        })
        .await;
        let process = client.call("fix__process_id", json!({})).await;
        let known = super::all_fresh(&self.server, client).await;
        fs::write(&self.file, "").unwrap();
        kill_children(&self.server);
        until("it is there again", || async {
            let now = client.ask("tools/call", json!({"name": "fix__process_id"})).await;
            now["result"]["isError"] != true && now["result"]["content"] != process["content"]
        })
        .await;
        let (shown, _) = everything(&self.server, client).await;
        assert_eq!(shown[0], known[0]);
        let [tools, _] = super::lists(&self.server, client, "tools/list").await;
        assert!(!unmarked(&tools).1.is_empty(), "nobody can tell whether they are still there");
    }
}

#[tokio::test]
async fn an_upstream_that_warms_up_keeps_its_tools() {
    let warming = Warming::start().await;
    let client = Legacy::open(&warming.server).await;
    warming.starts_empty(&client).await;
    fs::remove_file(&warming.file).unwrap();
    let fresh = super::all_fresh(&warming.server, &client).await;
    assert!(fresh[0].contains("fix__process_id"));
    client.close().await;
    warming.server.finish().await;
}

#[tokio::test]
async fn an_empty_list_is_believed_at_the_second_look() {
    let warming = Warming::start().await;
    let client = Legacy::open(&warming.server).await;
    warming.starts_empty(&client).await;
    until_tools(&client, "they are gone", |tools| {
        !tools.iter().any(|tool| tool.starts_with("fix__"))
    })
    .await;
    fs::remove_file(&warming.file).unwrap();
    kill_children(&warming.server);
    until_tools(&client, "they are back", |tools| {
        tools.iter().any(|tool| tool == "fix__process_id")
    })
    .await;
    assert!(!text(&client.call("fix__process_id", json!({})).await).is_empty());
    client.close().await;
    warming.server.finish().await;
}

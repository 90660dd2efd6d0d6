//! An upstream that has just started may not have its tools yet: an empty list does not replace a
//! full one before it is confirmed.

use super::{Switch, everything, kill_children, until_tools};
use crate::support::{Legacy, Server, Setup, fixture_path, text, until_within};
use serde_json::json;
use std::{fs, path::PathBuf};

struct Warming {
    server: Server,
    file: PathBuf,
    _dir: tempfile::TempDir,
}

impl Warming {
    /// A server with the fixture, which can be made to list no tools.
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("warming-up");
        let environment = json!({"FIXTURE_WARMING_UP": file, "FIXTURE_ERAS": "legacy"});
        let fixture = Switch::in_dir(dir.path()).wrap("fix", &fixture_path(), &[], &environment);
        let server = Setup::new().upstream("fix", fixture).start().await;
        Self { server, file, _dir: dir }
    }

    /// Its tools, once all of them are known.
    async fn known(&self, client: &Legacy<'_>) -> Vec<String> {
        until_tools(client, "its tools are listed", is_listed).await;
        super::all_fresh(&self.server, client).await
    }

    /// The upstream starts anew, and so many of its first lists are empty.
    fn starts_empty(&self, lists: u32) {
        fs::write(&self.file, lists.to_string()).unwrap();
        kill_children(&self.server);
    }
}

fn is_listed(tools: &[String]) -> bool {
    tools.iter().any(|tool| tool == "fix__process_id")
}

#[tokio::test]
async fn an_upstream_that_warms_up_keeps_its_tools() {
    let warming = Warming::start().await;
    let client = Legacy::open(&warming.server).await;
    let known = warming.known(&client).await;
    warming.starts_empty(1);
    until_within(60, "its tools are known again", || async {
        let was_asked = !warming.file.exists();
        let (shown, marks) = everything(&warming.server, &client).await;
        assert_eq!(shown, known, "nothing goes");
        was_asked && marks.is_empty()
    })
    .await;
    assert!(!text(&client.call("fix__process_id", json!({})).await).is_empty());
    client.close().await;
    warming.server.finish().await;
}

#[tokio::test]
async fn an_empty_list_is_believed_at_the_second_look() {
    let warming = Warming::start().await;
    let client = Legacy::open(&warming.server).await;
    let known = warming.known(&client).await;
    warming.starts_empty(2);
    until_tools(&client, "they are gone", |tools| !is_listed(tools)).await;
    assert!(!warming.file.exists(), "it was asked twice");
    kill_children(&warming.server);
    assert_eq!(warming.known(&client).await, known);
    client.close().await;
    warming.server.finish().await;
}

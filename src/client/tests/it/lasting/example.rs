//! The example runs. `./test` builds it before the tests.

use super::server::Place;
use std::{
    env::current_exe,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{process::Command, time::timeout};

fn examples() -> PathBuf {
    let built = current_exe().expect("ourselves");
    built.ancestors().nth(2).expect("the build folder").join("examples")
}

/// Runs the example with that change: how it ended, and what it said.
async fn run(change: impl FnOnce(&mut Command) -> &mut Command) -> (ExitStatus, String) {
    let mut command = Command::new(examples().join("lasting"));
    for name in ["MCP_SERVER_URL", "MCP_API_KEY", "ENABLE_MCP_INTEGRATION"] {
        command.env_remove(name);
    }
    let run = change(&mut command).stdin(Stdio::null()).kill_on_drop(true).output();
    let output =
        timeout(Duration::from_secs(60), run).await.expect("it ends").expect("it is built");
    let shown = [output.stdout, output.stderr].concat();
    (output.status, String::from_utf8_lossy(&shown).into_owned())
}

#[tokio::test]
async fn the_environment_says_where_the_server_is_and_whether_it_is_wanted() {
    let mut place = Place::new();
    place.up().await;
    let url = place.url();
    let (ended, shown) =
        run(|example| example.env("MCP_SERVER_URL", &url).env("MCP_API_KEY", "a-key")).await;
    assert!(ended.success(), "{shown}");
    assert_eq!(shown.matches("tools/list: ").count(), 10, "{shown}");
    assert!(place.saw_header("authorization", "Bearer a-key"));
    let (ended, shown) =
        run(|example| example.env("MCP_SERVER_URL", &url).env("ENABLE_MCP_INTEGRATION", "false"))
            .await;
    assert!(!ended.success() && shown.contains("name a URL"), "{shown}");
    let (ended, shown) = run(|example| example.env("ENABLE_MCP_INTEGRATION", "maybe")).await;
    assert!(!ended.success() && shown.contains("ENABLE_MCP_INTEGRATION"), "{shown}");
}

#[tokio::test]
async fn the_example_lists_the_tools_of_a_child() {
    let (ended, shown) = run(|example| example.arg(examples().join("fixture"))).await;
    assert!(ended.success(), "{shown}");
    assert_eq!(shown.matches("tools/list: ").count(), 10, "{shown}");
    assert!(shown.contains("Handshake after") && shown.contains("lost_pings: 0"), "{shown}");
}

//! How agents are configured.

use super::{agents, give, result, told};
use crate::{
    cli,
    support::{CONFIG, Legacy, Setup, fixture_path, until},
};
use serde_json::json;
use std::fs;

#[tokio::test]
async fn a_template_switches_agents_on_and_its_secrets_are_shown_nowhere() {
    let fixture = fixture_path().to_string_lossy().into_owned();
    let server = Setup::new()
        .set("agents.templates.coder.command", fixture)
        .set("agents.templates.coder.env.FIXTURE_NAME", "${NAME_OF_CODER}")
        .set("agents.templates.coder.env.KEY", "hunter2")
        .env("NAME_OF_CODER", "coder-of-this-test")
        .start()
        .await;
    let client = Legacy::open(&server).await;
    let types = told(&client, "agent_list", json!({})).await["types"].clone();
    assert_eq!(types, json!(["coder"]), "no worker without --agents");
    told(&client, "agent_spawn", json!({})).await;
    agents(&client, "idle", 1).await;
    let sleep = json!({"task": "sleep", "tool": "sleep", "arguments": {"ms": 1}});
    let id = told(&client, "task_orchestrate", sleep).await["taskId"].as_str().unwrap().to_owned();
    assert_eq!(result(&client, &id).await["state"], "completed");
    let file = server.dir().join(CONFIG);
    let shown = cli::run_with(
        server.dir(),
        &["config", "show", "--config", &file.to_string_lossy()],
        &[("NAME_OF_CODER", "x")],
    )
    .out;
    assert!(
        shown.contains("coder") && shown.contains("***") && !shown.contains("hunter2"),
        "{shown}"
    );
    assert!(!server.log().contains("hunter2"));
    client.close().await;
    server.finish().await;
}

#[tokio::test]
async fn a_reload_says_that_agents_wait_for_the_next_start() {
    let server = Setup::new().arg("--agents").start().await;
    let client = Legacy::open(&server).await;
    told(&client, "agent_spawn", json!({})).await;
    Setup::new().set("agents.most_agents", 1).write(server.dir());
    server.signal("HUP");
    until("the change is told of", || async {
        server.log().contains("`agents` has changed, and takes effect at the next start")
    })
    .await;
    let id = give(&client, "goes on", 0).await;
    assert_eq!(result(&client, &id).await["state"], "completed");
    client.close().await;
    server.finish().await;
}

#[test]
fn a_mistake_is_named_without_what_may_be_secret() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.toml");
    for (text, word) in [
        ("[agents]\nmost_agent = 3\n", "most_agents"),
        ("[agents]\nmost_agents = 0\n", "agents.most_agents"),
        ("[agents]\ntask_timeout = 0\n", "agents.task_timeout"),
        ("[agents.templates.x]\nargs = []\n", "`command`"),
        ("[agents.templates.x]\ncommand = \"x\"\nenv = { A = 8675309 }\n", "`command`"),
        ("[agents.templates.\"a b\"]\ncommand = \"x\"\n", "1 to 32"),
        ("[agents.templates.x]\ncommand = \"${NOT_SET_ANYWHERE}\"\n", "NOT_SET_ANYWHERE"),
    ] {
        fs::write(&file, text).unwrap();
        let ended = cli::run(dir.path(), &["config", "check", &file.to_string_lossy()]);
        assert_eq!(ended.code, Some(2), "{text}: {} {}", ended.out, ended.err);
        let refused = ended.err;
        assert!(refused.contains(word) && !refused.contains("8675309"), "{text}: {refused}");
    }
}

//! What is asked for on the command line, and the exit code that comes of it.

use super::{
    super::support::{Cut, Setup, Wire, fixture_path},
    Lab, within,
};
use mcp_lab::result::{RunResult, Verdict};
use std::process::Stdio;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

#[tokio::test]
async fn the_list_names_every_scenario_and_persona() {
    let ended = Lab::new().lab(&["list"]).await;
    assert_eq!(ended.code, 0);
    for scenario in mcp_lab::scenario::shipped().expect("they can be read") {
        assert!(ended.said.contains(&scenario.name), "{}", ended.said);
    }
    for persona in mcp_lab::persona::all() {
        assert!(ended.said.contains(persona.name), "{}", ended.said);
    }
}

#[tokio::test]
async fn a_wrong_command_line_is_told_and_ends_with_two() {
    let lab = Lab::new();
    std::fs::write(lab.path("bad.toml"), "name = \"a\"\ndescripton = \"b\"").expect("a file");
    let url = "http://127.0.0.1:9/mcp";
    for (arguments, expected) in [
        (&["run", "--quick"][..], "--target"),
        (&["run", "server-restrat", "--target", url], "did you mean `server-restart`?"),
        (&["run", "bad.toml", "--target", url], "did you mean `description`?"),
        (&["run", "--persona", "nobody", "--target", url], "nobody"),
        (&["run", "--target", "ftp://x"], "http://"),
        (&["run", "--quick", "--duration", "3", "--target", url], "cannot be used with"),
    ] {
        let ended = lab.lab(arguments).await;
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.said);
        assert!(ended.said.contains(expected), "{arguments:?}: {}", ended.said);
    }
}

#[tokio::test]
async fn an_expectation_that_fails_ends_with_one_and_is_told() {
    let lab = Lab::new();
    let scenario = "name = \"greedy\"\ndescription = \"wants too much\"\nduration = 1\n\
                    expect = [{ that = \"calls\", at_least = 1000 }]\n\
                    [[clients]]\nrole = \"one\"\nsteps = [\n\
                    { do = \"initialize\" }, { do = \"call-tool\" }, { do = \"disconnect\" }]\n";
    std::fs::write(lab.path("greedy.toml"), scenario).expect("a file");
    let (ended, result) = lab.quick("greedy.toml", "out", &[]).await;
    assert_eq!(ended.code, 1, "{}", ended.said);
    assert_eq!(result.scenarios[0].verdict, Verdict::Failed);
    assert!(ended.said.contains("calls: at least 1000 expected, 1 measured"), "{}", ended.said);
}

#[tokio::test]
async fn a_server_that_never_answers_fails_and_the_run_ends() {
    let lab = Lab::new();
    let out = lab.path("out").display().to_string();
    let spawn = ["--spawn", "false {port}", "--out", &out];
    let ended = lab.lab(&[&["run", "handshake-reliability", "--quick"][..], &spawn].concat()).await;
    assert_eq!(ended.code, 1, "{}", ended.said);
    assert!(ended.said.contains("did not come up"), "{}", ended.said);
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_waited_for_and_that_is_said() {
    let (lab, server) = (Lab::new(), Setup::new().open().start().await);
    let wire = Wire::before(server.base(), |_| Cut::None);
    wire.down().await;
    let mut run = Command::new(env!("CARGO_BIN_EXE_mcp-orchestrator"));
    run.args(["lab", "run", "handshake-reliability", "--quick", "--target", &wire.url()]);
    run.current_dir(lab.path("")).stdin(Stdio::null()).stdout(Stdio::null());
    let mut run = run.stderr(Stdio::piped()).kill_on_drop(true).spawn().expect("the binary starts");
    let mut said = BufReader::new(run.stderr.take().expect("a pipe")).lines();
    let waits = format!("waiting for {}", wire.url());
    within(30, "it says what it waits for", async {
        let is_said = |line: Option<String>| line.expect("it runs").contains(&waits);
        while !is_said(said.next_line().await.expect("text")) {}
    })
    .await;
    wire.up();
    let mut rest = Vec::new();
    let ended = within(110, "the run ends", async {
        while let Some(line) = said.next_line().await.expect("text") {
            rest.push(line);
        }
        run.wait().await.expect("it is ours")
    });
    assert_eq!(ended.await.code(), Some(0), "{rest:#?}");
    server.end().await;
}

#[tokio::test]
async fn a_server_on_standard_input_and_output_is_tested_as_far_as_it_goes() {
    let lab = Lab::new();
    // Each client has a process of its own, so they count in one file.
    let oracle = lab.path("oracle");
    let fixture = format!("env FIXTURE_ORACLE={} {}", oracle.display(), fixture_path().display());
    let out = lab.path("out");
    let out_text = out.display().to_string();
    let names = ["run", "handshake-reliability", "server-restart", "--quick"];
    let target = ["--spawn", &fixture, "--out", &out_text];
    let ended = lab.lab(&[&names[..], &target].concat()).await;
    assert_eq!(ended.code, 0, "{}", ended.said);
    let result = RunResult::read(&out).expect("a result");
    let verdicts: Vec<Verdict> = result.scenarios.iter().map(|one| one.verdict).collect();
    assert_eq!(verdicts, [Verdict::Passed, Verdict::Skipped], "{}", ended.said);
    assert!(result.scenarios[1].reason.as_deref().is_some_and(|why| why.contains("process")));
}

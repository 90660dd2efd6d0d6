//! `lab compare`: one suite over several targets, and one table.

use super::Lab;
use crate::support::example_path;
use mcp_lab::result::RunResult;

const SCENARIO: &str = "name = \"greeting\"\ndescription = \"Says hello.\"\nduration = 1\n\
    expect = [{ that = \"failed_clients\", at_most = 0 }]\n\
    [[clients]]\nrole = \"guest\"\nsteps = [\n\
    { do = \"initialize\" }, { do = \"verify-state\" }, { do = \"disconnect\" }]\n";

fn targets() -> String {
    "scenarios = [\"greeting.toml\"]\n\
     [words]\nserver = \"{faulty} --listen 127.0.0.1:{port}\"\n\
     [[target]]\nname = \"Sound\"\nspawn = \"{server} --counts {oracle}\"\n\
     [[target]]\nname = \"Hangs\"\nspawn = \"{server} --fault hang-call\"\n\
     [[target]]\nname = \"Gone\"\nspawn = \"false {port}\"\n\
     [[target]]\nname = \"Bridge\"\nspawn = \"{orchestrator} connect {behind}\"\nbehind = \"{server}\"\n"
        .to_owned()
}

fn lab() -> Lab {
    let lab = Lab::new();
    std::fs::write(lab.path("greeting.toml"), SCENARIO).expect("a file");
    std::fs::write(lab.path("targets.toml"), targets()).expect("a file");
    lab
}

#[tokio::test]
async fn every_target_gets_a_row_and_results_of_its_own() {
    let lab = lab();
    let set = format!("faulty={}", example_path("faulty").display());
    let arguments = ["compare", "targets.toml", "--seed", "3", "--set", &set, "--out", "out"];
    let ended = lab.lab(&arguments).await;
    assert_eq!(ended.code, 1, "one was never there: {}", ended.said);
    for row in ["| Sound | 0.1.0 | 1 of 1 |", "| Hangs | 0.1.0 | 1 of 1 |", "| Bridge |"] {
        assert!(ended.said.contains(row), "{row}: {}", ended.said);
    }
    assert!(ended.said.contains("Gone: the target did not come up"), "{}", ended.said);
    let out = lab.path("out");
    for form in ["compare.md", "compare.html", "compare.json"] {
        let text = std::fs::read_to_string(out.join(form)).expect(form);
        assert!(text.contains("Sound") && text.contains("Gone"), "{form}: {text}");
    }
    let sound = RunResult::read(&out.join("sound")).expect("a result");
    assert_eq!((sound.target.name.as_str(), sound.seed), ("Sound", 3));
    assert!(out.join("sound/report.html").exists() && out.join("sound/work/oracle.txt").exists());
}

fn compare<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["compare", "targets.toml"], more].concat()
}

#[tokio::test]
async fn only_those_that_are_named_and_what_is_wrong_with_the_file() {
    let lab = lab();
    let set = format!("faulty={}", example_path("faulty").display());
    let ended = lab.lab(&compare(&["--only", "Sound", "--set", &set, "--out", "out"])).await;
    assert_eq!(ended.code, 0, "{}", ended.said);
    assert!(!ended.said.contains("Hangs"), "{}", ended.said);
    let ended = lab.lab(&compare(&["--only", "Nobody"])).await;
    assert_eq!(ended.code, 2, "{}", ended.said);
    assert!(ended.said.contains("no target is called Nobody"), "{}", ended.said);
    let ended = lab.lab(&compare(&["--only", "Sound", "--out", "words"])).await;
    assert!(ended.said.contains("--set faulty=TEXT"), "{}", ended.said);
}

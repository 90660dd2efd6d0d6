//! Mistakes in a scenario: each is told in a sentence with its place, and nothing is run.

use super::Lab;
use std::fs;

const LEAST: &str = "name = \"a\"\ndescription = \"b\"\nduration = 1\nexpect = []\n";

/// The least there can be, with one client of those steps.
fn client(steps: &str) -> String {
    format!("{LEAST}[[clients]]\nrole = \"one\"\nsteps = [{steps}]\n")
}

/// The same with something that stands before all tables.
fn with(more: &str) -> String {
    format!("{LEAST}{more}\n")
}

fn instead(of: &str, this: &str) -> String {
    LEAST.replace(of, this)
}

/// So many steps inside one another.
fn nested(deep: usize) -> String {
    let open = "{ do = \"repeat\", times = 1, steps = [".repeat(deep);
    client(&format!("{open}{{ do = \"list-tools\" }}{}", "] }".repeat(deep)))
}

/// What is wrong, the scenario, and words of what is told.
type Mistake = (&'static str, String, &'static str);

fn in_settings() -> Vec<Mistake> {
    let two_faults = "faults = [{ kind = \"reset\" }, { kind = \"reset\" }]";
    let two_groups = "[[clients]]\nrole = \"one\"\nsteps = []\n".repeat(2);
    vec![
        ("name", instead("\"a\"", "\"A b\""), "name: small letters, digits and dashes only"),
        ("no name", instead("\"a\"", "\"\""), "name: small letters"),
        ("quick", with("quick = 0"), "quick: a time scale above 0, at most 1"),
        ("personas", with("personas = []"), "personas: at least one"),
        ("probe", with("probe = { every_ms = 9 }"), "probe.every_ms: at least 10"),
        ("rate", with("load = { rate = 0, seconds = 1 }"), "load.rate: calls a second, above 0"),
        (
            "load",
            with("load = { rate = 1, seconds = 1, clients = 1001 }"),
            "load.clients: from 1 to 1000",
        ),
        ("role", with("[[clients]]\nrole = \"a b\"\nsteps = []"), "clients[0].role: one word"),
        (
            "nobody",
            with("[[clients]]\nrole = \"a\"\ncount = 0\nsteps = []"),
            "clients[0].count: at least 1",
        ),
        (
            "a crowd",
            with("[[clients]]\nrole = \"a\"\ncount = 1001\nsteps = []"),
            "clients: 1001 are too many, at most 1000",
        ),
        ("two groups", with(&two_groups), "clients: two groups of the role `one`"),
        ("two faults", with(two_faults), "faults: two are named `reset`"),
        ("no bound", instead("[]", "[{ that = \"calls\" }]"), "expect[0]: write at_least, at_most"),
        (
            "no value",
            instead("[]", "[{ that = \"calls\", at_least = 2, at_most = 1 }]"),
            "expect[0]: nothing is at least 2 and at most 1",
        ),
        (
            "a measure",
            instead("[]", "[{ that = \"p9_ms\", at_most = 1 }]"),
            "did you mean `p99_ms`?",
        ),
        (
            "a kind of fault",
            with("faults = [{ kind = \"latancy\" }]"),
            "there is no kind `latancy`",
        ),
        (
            "a fault's key",
            with("faults = [{ kind = \"kill\", nam = \"x\" }]"),
            "did you mean `name`?",
        ),
        ("no TOML", "name = ".to_owned(), "a.toml: "),
        ("too large", format!("{LEAST}#{}", "x".repeat(1 << 20)), "bytes are too many"),
    ]
}

fn in_steps() -> Vec<Mistake> {
    let crash = "faults = [{ name = \"crash\", kind = \"kill\" }]\n";
    vec![
        (
            "on and off",
            with(&format!(
                "{crash}steps = [{{ do = \"fault\", on = \"crash\", off = \"crash\" }}]"
            )),
            "fault: write on or off, and one of them only",
        ),
        (
            "another fault",
            with(&format!("{crash}steps = [{{ do = \"fault\", on = \"crahs\" }}]")),
            "fault: there is none named `crahs`; did you mean `crash`?",
        ),
        (
            "a step of a client's",
            with("steps = [{ do = \"repeat\", times = 1, steps = [{ do = \"list-tools\" }] }]"),
            "steps: `list-tools` is for a client, put it under [[clients]]",
        ),
        (
            "for ever",
            client("{ do = \"repeat\", steps = [] }"),
            "repeat: write times, seconds or both",
        ),
        (
            "too often",
            client("{ do = \"heartbeat\", every = 0, seconds = 1 }"),
            "heartbeat: every is at least 0.01",
        ),
        (
            "no agents",
            client("{ do = \"spawn-agents\", count = 0, steps = [] }"),
            "spawn-agents: count is from 1 to 1000",
        ),
        (
            "a step that compares nothing",
            client("{ do = \"expect\", that = \"calls\" }"),
            "write at_least, at_most or both",
        ),
        ("too deep", nested(8), "more than 8 steps inside one another"),
    ]
}

#[tokio::test]
async fn each_mistake_in_a_scenario_is_told_and_nothing_is_run() {
    let lab = Lab::new();
    // It starts nothing that listens: who ran something would end with 1.
    let run = ["run", "a.toml", "--spawn", "false {port}", "--out", "out"];
    for (what, text, expected) in [in_settings(), in_steps()].concat() {
        fs::write(lab.path("a.toml"), &text).expect("a file");
        let ended = lab.lab(&run).await;
        assert_eq!(ended.code, 2, "{what}: {}", ended.said);
        assert!(ended.said.contains(expected), "{what}: {}", ended.said);
    }
    fs::write(lab.path("a.toml"), nested(7)).expect("a file");
    let ended = lab.lab(&run).await;
    assert_eq!(ended.code, 1, "seven are not too deep: {}", ended.said);
}

//! The personas differ as the clients do that they are named after.

use super::Lab;
use mcp_lab::{persona, result::Outcome};

/// A call, then a server that has forgotten the session, and two calls more.
const FORGETFUL: &str = r#"
name = "forgetful"
description = "one client whose session is forgotten"
duration = 1
needs = ["network", "sessions"]
faults = [{ name = "forgotten", kind = "session_lost" }]
expect = [{ that = "calls", at_least = 3, at_most = 3 }]
[[clients]]
role = "one"
steps = [
  { do = "initialize" },
  { do = "call-tool" },
  { do = "fault", on = "forgotten" },
  { do = "call-tool", may_fail = true },
  { do = "call-tool", may_fail = true },
  { do = "fault", off = "forgotten" },
  { do = "disconnect" },
]
"#;

/// Who shakes hands again when its session is lost; all others are of no more use then.
const HEALS: [&str; 3] = ["own", "claude-code-http", "rmcp"];

#[tokio::test]
async fn only_some_personas_survive_the_loss_of_their_session() {
    let lab = Lab::new();
    let names: Vec<String> = persona::all().iter().map(|habits| habits.name.to_owned()).collect();
    let text = format!("personas = {names:?}\n{FORGETFUL}");
    std::fs::write(lab.path("forgetful.toml"), text).expect("a file");
    let (ended, result) = lab.quick("forgetful.toml", "out", &[]).await;
    let played: Vec<String> =
        result.scenarios.iter().flat_map(|one| one.personas.clone()).collect();
    assert_eq!(played, names, "{}", ended.said);
    for scenario in &result.scenarios {
        let ok = scenario.calls.outcomes.get(&Outcome::Ok).copied().unwrap_or(0);
        let heals = HEALS.contains(&scenario.personas[0].as_str());
        let told = (&scenario.personas, &scenario.calls, &scenario.failures);
        assert_eq!(ok, if heals { 3 } else { 1 }, "{told:?}\n{}", ended.said);
    }
}

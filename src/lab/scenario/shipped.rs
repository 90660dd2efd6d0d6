//! The scenarios that come with the binary: `tests/scenarios/*.toml`.

use super::{Scenario, ScenarioError, read_toml};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../tests/scenarios/", $name, ".toml")))),*]
    };
}

/// Name and text, in the order in which they are listed and run.
const FILES: &[(&str, &str)] = files![
    "handshake-reliability",
    "concurrent-sessions",
    "reconnection-resilience",
    "server-restart",
    "at-most-once",
    "connection-stability",
    "network-chaos",
    "high-load-stress",
    "upstream-outage",
    "half-open",
    "slow-consumer",
    "reconnect-storm",
    "resource-pressure",
    "session-loss",
];

/// All of them.
///
/// # Errors
/// Never, as a test holds: what is shipped can be read.
pub fn shipped() -> Result<Vec<Scenario>, ScenarioError> {
    FILES.iter().map(|(name, text)| read_toml(name, text)).collect()
}

/// The one of that name.
///
/// # Errors
/// When there is none; says which one was meant.
pub fn by_name(name: &str) -> Result<Scenario, ScenarioError> {
    if let Some((name, text)) = FILES.iter().find(|(known, _)| *known == name) {
        return read_toml(name, text);
    }
    let known = || FILES.iter().map(|(name, _)| *name);
    let hint = super::read::nearest(name, known())
        .map_or_else(|| "; ".to_owned(), |near| format!("; did you mean `{near}`? "));
    let reason = format!("there is no such scenario{hint}`lab list` tells which there are");
    Err(ScenarioError::Wrong { name: name.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, fs};

    #[test]
    fn every_file_is_shipped_under_its_name_and_can_be_read() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/scenarios");
        let files: BTreeSet<String> = fs::read_dir(dir)
            .expect("the folder of scenarios")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
            .collect();
        let shipped = shipped().expect("what is shipped can be read");
        let names: BTreeSet<String> =
            shipped.iter().map(|scenario| format!("{}.toml", scenario.name)).collect();
        assert_eq!(files, names);
        for scenario in &shipped {
            assert!(!scenario.expect.is_empty(), "{} expects nothing", scenario.name);
            let quick = scenario.duration.get() * scenario.quick;
            assert!(quick <= 10.0, "{}: its quick form takes {quick} s", scenario.name);
        }
    }

    #[test]
    fn an_unknown_name_gets_the_nearest_known_one() {
        let told = by_name("handshake-relability").expect_err("no such name").to_string();
        assert!(told.contains("did you mean `handshake-reliability`?"), "{told}");
    }
}

//! From a file to a scenario. A mistake is told with its place, and with the word that was meant.

use super::Scenario;
use mcp_chaos::mistake;
use std::{fs, io, path::Path};

/// Largest file, in bytes.
const LARGEST: u64 = 1 << 20;
/// How much alike a word must be to be the one that was meant.
const ALIKE: f64 = 0.7;

/// Why a text is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("the scenario {file} cannot be read: {}", mcp_telemetry::reason(error))]
    File {
        /// Its path.
        file: String,
        /// Why.
        error: io::Error,
    },
    /// It does not say what a scenario must say.
    #[error("{name}: {reason}")]
    Wrong {
        /// Which.
        name: String,
        /// Where, and why.
        reason: String,
    },
}

/// Reads a file: JSON when its name ends so, else TOML.
///
/// # Errors
/// When it cannot be read, or is no scenario.
pub fn read_file(path: &Path) -> Result<Scenario, ScenarioError> {
    let file = path.display().to_string();
    let read = || {
        let size = fs::metadata(path)?.len();
        if size > LARGEST {
            return Err(io::Error::other(format!("{size} bytes are too many for a scenario")));
        }
        fs::read_to_string(path)
    };
    let text = read().map_err(|error| ScenarioError::File { file: file.clone(), error })?;
    if path.extension().is_some_and(|extension| extension == "json") {
        read_json(&file, &text)
    } else {
        read_toml(&file, &text)
    }
}

/// Reads TOML. `name` is what it is called in errors.
///
/// # Errors
/// When it is no scenario.
pub fn read_toml(name: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let table: toml::Table = text.parse().map_err(|error| wrong(name, mistake(text, &error)))?;
    checked(name, serde_path_to_error::deserialize(table))
}

/// Reads JSON. `name` is what it is called in errors.
///
/// # Errors
/// When it is no scenario.
pub fn read_json(name: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let mut json = serde_json::Deserializer::from_str(text);
    checked(name, serde_path_to_error::deserialize(&mut json))
}

fn checked<E: std::error::Error>(
    name: &str,
    read: Result<Scenario, serde_path_to_error::Error<E>>,
) -> Result<Scenario, ScenarioError> {
    let scenario = read.map_err(|error| {
        let place = error.path().to_string();
        // TOML's reader says the place once more, on a line of its own.
        let told = error.inner().to_string();
        let reason = meant(told.trim().lines().next().unwrap_or_default());
        let reason = if place == "." { reason } else { format!("{place}: {reason}") };
        ScenarioError::Wrong { name: name.to_owned(), reason }
    })?;
    super::check::check(&scenario)
        .map_err(|reason| ScenarioError::Wrong { name: name.to_owned(), reason })?;
    Ok(scenario)
}

fn wrong(name: &str, reason: String) -> ScenarioError {
    ScenarioError::Wrong { name: name.to_owned(), reason }
}

/// Says which word was meant: what the reader knows stands in its own error.
fn meant(error: &str) -> String {
    let mut words = error.split('`').skip(1).step_by(2);
    let Some(unknown) = words.next().filter(|_| error.starts_with("unknown ")) else {
        return error.to_owned();
    };
    nearest(unknown, words)
        .map_or_else(|| error.to_owned(), |known| format!("{error}; did you mean `{known}`?"))
}

/// The known word that is most like an unknown one.
pub(crate) fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let alike = known.map(|word| (strsim::jaro_winkler(unknown, word), word));
    let best = alike.max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(alike, _)| *alike >= ALIKE).map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "name = \"a\"\ndescription = \"b\"\nduration = 1\nexpect = []\n";

    fn refusal(more: &str) -> String {
        read_toml("a.toml", &format!("{LEAST}{more}")).expect_err("a mistake").to_string()
    }

    #[test]
    fn json_and_toml_say_the_same() {
        let toml = read_toml("a", LEAST).expect("the least there can be");
        let json = serde_json::to_string(&toml).expect("JSON");
        assert_eq!(read_json("a", &json).expect("the same"), toml);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place_and_the_nearest_known_one() {
        assert!(refusal("neds = []\n").contains("`neds`"), "{}", refusal("neds = []\n"));
        assert!(refusal("neds = []\n").contains("did you mean `needs`?"));
        let step = "[[clients]]\nrole = \"c\"\nsteps = [{ do = \"wait\", secnds = 1 }]\n";
        let told = refusal(step);
        assert!(told.contains("clients[0].steps[0]"), "{told}");
        assert!(told.contains("`secnds`") && told.contains("did you mean `seconds`?"), "{told}");
        let kind = refusal("[[clients]]\nrole = \"c\"\nsteps = [{ do = \"cal-tool\" }]\n");
        assert!(kind.ends_with("; did you mean `call-tool`?") && !kind.contains('\n'), "{kind}");
    }

    #[test]
    fn times_are_never_negative_or_endless() {
        for wrong in ["duration = -1", "duration = inf", "duration = nan", "duration = 1e9"] {
            let text = LEAST.replace("duration = 1", wrong);
            let told = read_toml("a", &text).expect_err(wrong).to_string();
            assert!(told.contains("is no time"), "{wrong}: {told}");
        }
    }
}

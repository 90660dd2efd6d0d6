//! A file of targets: what each is called, how it is started, and on what it is tried.

use mcp_chaos::mistake;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

/// Largest file, in bytes.
const LARGEST: u64 = 1 << 20;
/// Most targets.
const MOST: usize = 100;

/// Several targets, and the suite that they are tried on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Targets {
    /// Words that commands may use in braces.
    #[serde(default)]
    pub words: BTreeMap<String, String>,
    /// The scenarios, by name; all that are shipped without any.
    #[serde(default)]
    pub scenarios: Vec<String>,
    /// The targets, in the order of the table.
    #[serde(rename = "target")]
    pub targets: Vec<Candidate>,
}

/// One of the targets.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// What it is called in the table.
    pub name: String,
    /// What it is, in a sentence.
    #[serde(default)]
    pub about: String,
    /// How to get it: for people.
    #[serde(default)]
    pub install: Option<String>,
    /// The command that starts it, as for `lab run --spawn`.
    #[serde(default)]
    pub spawn: Option<String>,
    /// Where it is, as for `lab run --target`.
    #[serde(default)]
    pub url: Option<String>,
    /// The command of an HTTP server that it speaks to, with `{port}` in it. Its URL is `{behind}`.
    #[serde(default)]
    pub behind: Option<String>,
}

/// Why a file of targets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetsError {
    /// It cannot be read.
    #[error("the file of targets {file} cannot be read: {}", mcp_telemetry::reason(error))]
    File {
        /// Its path.
        file: String,
        /// Why.
        error: io::Error,
    },
    /// It does not say what it must.
    #[error("{0}")]
    Wrong(String),
    /// A word in braces is not known.
    #[error("{{{0}}} is not known: name it under [words], or with --set {0}=TEXT")]
    Unknown(String),
}

impl Targets {
    /// Reads a file. `{here}` is the folder it lies in, `{orchestrator}` this program.
    ///
    /// # Errors
    /// When it cannot be read, or does not say what it must.
    pub fn read(path: &Path) -> Result<Self, TargetsError> {
        let file = path.display().to_string();
        let failed = |error| TargetsError::File { file: file.clone(), error };
        let size = fs::metadata(path).map_err(failed)?.len();
        if size > LARGEST {
            return Err(failed(io::Error::other(format!("{size} bytes are too many"))));
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        let mut targets = Self::parse(&file, &text)?;
        let here = fs::canonicalize(path).map_err(failed)?;
        let here = here.parent().unwrap_or(&here).display().to_string();
        targets.words.entry("here".to_owned()).or_insert(here);
        let this = std::env::current_exe().map_err(failed)?.display().to_string();
        targets.words.entry("orchestrator".to_owned()).or_insert(this);
        Ok(targets)
    }

    fn parse(file: &str, text: &str) -> Result<Self, TargetsError> {
        let wrong = |reason: String| TargetsError::Wrong(format!("{file}: {reason}"));
        let table: toml::Table = text.parse().map_err(|error| wrong(mistake(text, &error)))?;
        let targets: Self = serde_path_to_error::deserialize(table)
            .map_err(|error| wrong(format!("{}: {}", error.path(), error.inner().message())))?;
        targets.check().map_err(wrong)?;
        Ok(targets)
    }

    fn check(&self) -> Result<(), String> {
        if self.targets.is_empty() || self.targets.len() > MOST {
            return Err(format!("target: from 1 to {MOST}"));
        }
        let mut folders = BTreeSet::new();
        for target in &self.targets {
            if !folders.insert(target.folder()) {
                return Err(format!("target: two are called {}, or nearly so", target.name));
            }
            if target.spawn.is_none() && target.url.is_none() {
                return Err(format!("target {}: write spawn, url or both", target.name));
            }
        }
        Ok(())
    }

    /// Keeps only the targets of these names; all when there are none.
    ///
    /// # Errors
    /// When there is no such target.
    pub fn keep(&mut self, names: &[String]) -> Result<(), TargetsError> {
        for name in names {
            if !self.targets.iter().any(|target| target.name == *name) {
                let known: Vec<&str> =
                    self.targets.iter().map(|target| target.name.as_str()).collect();
                let known = known.join(", ");
                return Err(TargetsError::Wrong(format!("no target is called {name}: {known}")));
            }
        }
        self.targets.retain(|target| names.is_empty() || names.contains(&target.name));
        Ok(())
    }
}

impl Candidate {
    /// The name of its folder.
    #[must_use]
    pub fn folder(&self) -> String {
        let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
        let name: String = self.name.to_ascii_lowercase().chars().map(letter).collect();
        let words: Vec<&str> = name.split('-').filter(|word| !word.is_empty()).collect();
        words.join("-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Targets, String> {
        Targets::parse("t.toml", text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_says_who_is_tried_on_what() {
        let text = "scenarios = [\"a\"]\n[words]\nx = \"y\"\n\
                    [[target]]\nname = \"One (npm)\"\nspawn = \"{x} {port}\"\n\
                    [[target]]\nname = \"two\"\nurl = \"http://127.0.0.1/mcp\"\n";
        let mut targets = parse(text).expect("a file");
        assert_eq!(targets.targets[0].folder(), "one-npm");
        targets.keep(&["two".to_owned()]).expect("it is there");
        assert_eq!(targets.targets.len(), 1);
        assert!(targets.keep(&["three".to_owned()]).is_err());
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let one = "[[target]]\nname = \"a\"\nspawn = \"b\"\n";
        let told = |text: &str| parse(text).expect_err("a mistake");
        assert!(told(&format!("{one}spwan = \"b\"\n")).contains("target[0]"));
        assert!(told(&format!("{one}{one}")).contains("two are called a"));
        assert!(told("[[target]]\nname = \"a\"\n").contains("spawn, url or both"));
        assert!(told("target = []\n").contains("from 1 to"));
    }

    #[test]
    fn the_file_that_is_shipped_can_be_read_and_has_all_its_words() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/targets/targets.toml");
        let targets = Targets::read(Path::new(path)).expect("it is shipped");
        let mut words = super::super::Words::new(&targets.words);
        for given in ["dir", "oracle", "behind"] {
            words.set(given, "x");
        }
        for target in &targets.targets {
            let texts = [&target.spawn, &target.url, &target.behind];
            for text in texts.into_iter().flatten() {
                words.fill(text).expect(&target.name);
            }
        }
        for name in &targets.scenarios {
            crate::scenario::by_name(name).expect("it is shipped");
        }
    }
}

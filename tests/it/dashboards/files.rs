//! Dashboards, rules and pages as they are in the project.

use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A path in the project.
pub(super) fn path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file of the project.
pub(super) fn read(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Everything in a text that may be the name of a series.
pub(super) fn words(text: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    let words = text.split(|letter: char| !is_part(letter));
    words.map(|word| word.trim_matches(':').to_owned()).filter(|word| !word.is_empty()).collect()
}

/// One dashboard.
pub(super) struct Dashboard {
    /// Its file's name.
    pub(super) file: String,
    pub(super) uid: String,
    pub(super) json: Value,
}

/// A question to Prometheus, and where it stands.
pub(super) struct Expression {
    pub(super) place: String,
    pub(super) text: String,
}

impl Dashboard {
    pub(super) fn list<'a>(&'a self, pointer: &str) -> &'a Vec<Value> {
        let list = self.json.pointer(pointer).and_then(Value::as_array);
        list.unwrap_or_else(|| panic!("{}: no list at {pointer}", self.file))
    }

    /// Panels that show something; rows are titles.
    pub(super) fn panels(&self) -> impl Iterator<Item = &Value> {
        self.list("/panels").iter().filter(|panel| panel["type"] != "row")
    }

    /// What its panels, annotations and variables ask.
    pub(super) fn expressions(&self) -> Vec<Expression> {
        let at = |what: &Value, text: &Value| Expression {
            place: format!("{}: {}", self.uid, what.as_str().unwrap_or_default()),
            text: text.as_str().unwrap_or_else(|| panic!("{}: no text", self.uid)).to_owned(),
        };
        let mut all = Vec::new();
        for panel in self.panels() {
            let targets = panel["targets"].as_array().unwrap();
            all.extend(targets.iter().map(|target| at(&panel["title"], &target["expr"])));
        }
        let annotations = self.list("/annotations/list").iter();
        all.extend(annotations.map(|annotation| at(&annotation["name"], &annotation["expr"])));
        let variables = self.list("/templating/list").iter();
        all.extend(variables.filter(|variable| variable["type"] == "query").map(|variable| {
            let definition = variable["definition"].as_str().unwrap();
            let inside = definition.strip_prefix("label_values(").unwrap();
            let (metric, label) = inside.strip_suffix(')').unwrap().split_once(", ").unwrap();
            assert_eq!(variable["query"]["query"], definition);
            let text = Value::from(format!("count by ({label}) ({metric}{{{label}!=\"\"}})"));
            at(&variable["name"], &text)
        }));
        all
    }
}

/// Every dashboard of the project.
pub(super) fn dashboards() -> Vec<Dashboard> {
    let files = fs::read_dir(path("dashboards")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    files.sort();
    assert_eq!(files.len(), 6);
    files
        .iter()
        .map(|file| {
            let json: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
            let uid = json["uid"].as_str().expect("a uid").to_owned();
            Dashboard { file: file.display().to_string(), uid, json }
        })
        .collect()
}

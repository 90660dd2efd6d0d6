//! The layers of the configuration, later ones over earlier ones: the embedded defaults, the
//! file, the environment, the flags. Every value remembers where it came from. Nothing here
//! knows what a value means.

use super::{
    keys::{self, ENV_PREFIX, FLAGS, Flag, KEYS, Kind, UPSTREAM_KEYS},
    value,
};
use indexmap::IndexMap;
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};
use toml::{Table, Value};

/// The environment, as a value, so that tests bring their own.
pub(crate) type Environment = BTreeMap<String, String>;

/// The variable that names the config file.
pub(crate) const CONFIG_VARIABLE: &str = "MCP_ORCHESTRATOR_CONFIG";

/// Where a value came from; later variants win.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// The embedded default.
    Default,
    /// A file, and the line if it is known.
    File(PathBuf, Option<usize>),
    /// A variable.
    Variable(String),
    /// A flag.
    Flag(&'static str),
}

impl Source {
    /// Which layer it is.
    pub(crate) const fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File(..) => 1,
            Self::Variable(_) => 2,
            Self::Flag(_) => 3,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File(path, Some(line)) => write!(out, "{}, line {line}", path.display()),
            Self::File(path, None) => write!(out, "{}", path.display()),
            Self::Variable(name) => out.write_str(name),
            Self::Flag(name) => write!(out, "--{name}"),
        }
    }
}

/// All layers, merged. Holds secrets, so it cannot be printed with `Debug`.
#[derive(Default, Clone)]
pub(crate) struct Layers {
    /// The value of each key that is set, and its source.
    pub(crate) values: BTreeMap<&'static str, (Value, Source)>,
    /// The tables of `[upstreams.NAME]`, as written.
    pub(crate) upstreams: IndexMap<String, (Table, Source)>,
    /// What is wrong, one sentence each.
    pub(crate) problems: Vec<String>,
    /// What is odd, one sentence each.
    pub(crate) warnings: Vec<String>,
}

impl Layers {
    /// The value at `path`, if it is set.
    pub(crate) fn get(&self, path: &str) -> Option<&Value> {
        self.values.get(path).map(|(value, _)| value)
    }

    /// Where the value at `path` came from.
    pub(crate) fn source(&self, path: &str) -> Option<&Source> {
        self.values.get(path).map(|(_, source)| source)
    }

    /// The text at `path`, if it is set.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.get(path).and_then(Value::as_str)
    }

    /// Lays the embedded defaults.
    pub(crate) fn add_defaults(&mut self, text: &str) {
        self.add_text(text, None);
    }

    /// Lays a file over what there is.
    pub(crate) fn add_file(&mut self, path: &Path, text: &str) {
        self.add_text(text, Some(path));
    }

    /// Lays the environment over what there is. An empty variable counts as not set. Of a
    /// flag's variable and its key's own, the flag's wins.
    pub(crate) fn add_environment(&mut self, environment: &Environment) {
        for key in KEYS {
            self.add_variable(environment, keys::variable(key.path), key.path, false);
        }
        for flag in FLAGS {
            let name = keys::flag_variable(flag);
            // Many a flag is called like its key, and then so are their variables.
            if name != keys::variable(flag.path) {
                self.add_variable(environment, name, flag.path, flag.inverted);
            }
        }
        self.warn_of_unknown(environment);
    }

    /// Lays a flag over what there is.
    pub(crate) fn add_flag(&mut self, flag: &'static Flag, text: &str) {
        self.add_parsed(flag.path, text, flag.inverted, Source::Flag(flag.name));
    }

    fn add_variable(
        &mut self,
        environment: &Environment,
        name: String,
        path: &'static str,
        inverted: bool,
    ) {
        if let Some(text) = environment.get(&name).filter(|text| !text.is_empty()) {
            self.add_parsed(path, text, inverted, Source::Variable(name));
        }
    }

    fn add_parsed(&mut self, path: &'static str, text: &str, inverted: bool, source: Source) {
        let kind = keys::find(path).map_or(Kind::Text, |key| key.kind);
        match value::from_text(kind, text) {
            Ok(Value::Boolean(on)) => {
                self.values.insert(path, (Value::Boolean(on != inverted), source));
            }
            Ok(value) => {
                self.values.insert(path, (value, source));
            }
            Err(why) => self.problems.push(format!("{source} {why}")),
        }
    }

    fn warn_of_unknown(&mut self, environment: &Environment) {
        let known = KEYS.iter().map(|key| keys::variable(key.path));
        let known = known.chain(FLAGS.iter().map(keys::flag_variable));
        let known: Vec<String> = known.chain([CONFIG_VARIABLE.to_owned()]).collect();
        let bare = |name: &'_ str| name.trim_start_matches(ENV_PREFIX).to_owned();
        let words: Vec<String> = known.iter().map(|name| bare(name)).collect();
        for name in environment.keys().filter(|name| name.starts_with(ENV_PREFIX)) {
            // A container scheduler sets variables of any service named after us; those are
            // none of ours, so an unknown one is no error, and only a near miss is worth a word.
            let near = keys::nearest(&bare(name), words.iter().map(String::as_str));
            if let Some(near) = near.filter(|near| *near != bare(name)) {
                let text = format!("the variable {name} is unknown; is {ENV_PREFIX}{near} meant?");
                self.warnings.push(text);
            }
        }
    }

    fn add_text(&mut self, text: &str, path: Option<&Path>) {
        match toml::from_str::<Table>(text) {
            Ok(table) => {
                let file = FileText { text, path };
                self.add_table(&file, &mut Vec::new(), table);
            }
            Err(error) => {
                let place = path.map_or_else(String::new, |path| path.display().to_string());
                let line = error.span().map(|span| line_at(text, span.start)).unwrap_or(1);
                // The error's own text would show the line, and the line may hold a secret.
                let why = error.message().lines().next().unwrap_or_default();
                self.problems.push(format!("{place}, line {line}: this is not TOML: {why}"));
            }
        }
    }

    fn add_table(&mut self, file: &FileText<'_>, above: &mut Vec<String>, table: Table) {
        for (name, value) in table {
            above.push(name);
            self.add_entry(file, above, value);
            above.pop();
        }
    }

    fn add_entry(&mut self, file: &FileText<'_>, names: &mut Vec<String>, value: Value) {
        let path = names.join(".");
        if path == "upstreams" {
            return self.add_upstreams(file, value);
        }
        if let Some(key) = keys::find(&path) {
            match value::checked(key.kind, value) {
                Ok(value) => {
                    let value = file.resolved(key.kind, value);
                    self.values.insert(key.path, (value, file.source(names)));
                }
                Err(why) => self.problems.push(format!("{}: `{path}` {why}", file.source(names))),
            }
            return;
        }
        let is_section = KEYS.iter().any(|key| key.path.starts_with(&format!("{path}.")));
        if !is_section {
            self.problems.push(unknown(&file.source(names), &path));
        } else if let Value::Table(table) = value {
            self.add_table(file, names, table);
        } else {
            let place = file.source(names);
            self.problems.push(format!("{place}: `{path}` is a section, written [{path}]"));
        }
    }

    fn add_upstreams(&mut self, file: &FileText<'_>, value: Value) {
        let Value::Table(tables) = value else {
            self.problems.push("`upstreams` holds one section each: [upstreams.NAME]".to_owned());
            return;
        };
        for (name, value) in tables {
            let source = file.source(&["upstreams".to_owned(), name.clone()]);
            let Value::Table(table) = value else {
                self.problems.push(format!("{source}: write the upstream as [upstreams.{name}]"));
                continue;
            };
            for key in table.keys().filter(|key| !UPSTREAM_KEYS.contains(&key.as_str())) {
                let place = file.source(&["upstreams".to_owned(), name.clone(), key.clone()]);
                self.problems.push(unknown_of_upstream(&place, &name, key));
            }
            self.upstreams.insert(name, (table, source));
        }
    }
}

fn unknown(place: &Source, path: &str) -> String {
    match keys::nearest_path(path) {
        Some(near) => format!("{place}: the key `{path}` is unknown; is `{near}` meant?"),
        None => format!(
            "{place}: the key `{path}` is unknown; `mcp-orchestrator config default` prints all keys"
        ),
    }
}

fn unknown_of_upstream(place: &Source, name: &str, key: &str) -> String {
    let meant = keys::nearest(key, UPSTREAM_KEYS.iter().copied()).map_or_else(
        || format!("an upstream has {}", UPSTREAM_KEYS.join(", ")),
        |near| format!("is `{near}` meant?"),
    );
    format!("{place}: the key `{key}` of the upstream `{name}` is unknown; {meant}")
}

/// A file's text, to find out where a key stands and what its paths are relative to.
struct FileText<'a> {
    text: &'a str,
    path: Option<&'a Path>,
}

impl FileText<'_> {
    fn source(&self, names: &[String]) -> Source {
        self.path.map_or(Source::Default, |path| {
            Source::File(path.to_owned(), line_of(self.text, names))
        })
    }

    fn resolved(&self, kind: Kind, value: Value) -> Value {
        match (kind, &value, self.path.and_then(Path::parent)) {
            (Kind::Path, Value::String(text), Some(folder)) => {
                Value::String(folder.join(text).to_string_lossy().into_owned())
            }
            _ => value,
        }
    }
}

/// The line on which the key at `names` stands, counted from 1.
fn line_of(text: &str, names: &[String]) -> Option<usize> {
    let document = toml::de::DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut line = None;
    for (depth, name) in names.iter().enumerate() {
        let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
        line = Some(line_at(text, key.span().start));
        if depth + 1 < names.len() {
            table = value.get_ref().as_table()?;
        }
    }
    line
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

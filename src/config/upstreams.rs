//! The upstreams of both places, the TOML file and the file of MCP servers, merged, expanded
//! and checked. A bad entry is refused alone; a name in both places is an error.

use super::{
    expand,
    layers::{Environment, Source},
    ourselves::Ourselves,
};
use crate::mcp_servers::{self, ServersFile};
use indexmap::{IndexMap, map::Entry};
use mcp_server::config::UpstreamConfig;
use std::path::Path;
use toml::{Table, Value};

/// One upstream as written: its unexpanded table, which `config show` prints.
pub(crate) struct Written {
    /// The table, with the keys of our config.
    pub(crate) table: Table,
    /// Where it stands.
    pub(crate) source: Source,
}

/// All upstreams.
#[derive(Default)]
pub(crate) struct Upstreams {
    /// Those that are started, in the order they are written.
    pub(crate) accepted: IndexMap<String, UpstreamConfig>,
    /// All that were written and not refused, for showing.
    pub(crate) written: IndexMap<String, Written>,
    /// Why an entry is left out, one sentence each.
    pub(crate) refused: Vec<String>,
    /// Their names, in the same order.
    pub(crate) left_out: Vec<String>,
    /// What makes the whole unusable.
    pub(crate) problems: Vec<String>,
    /// What is odd.
    pub(crate) warnings: Vec<String>,
}

impl Upstreams {
    /// Adds the upstreams of the TOML file.
    pub(crate) fn add_tables(&mut self, tables: &IndexMap<String, (Table, Source)>) {
        for (name, (table, source)) in tables {
            self.add(name, Ok(table.clone()), source);
        }
    }

    /// Adds those of the file of MCP servers at `path`, which holds `text`.
    pub(crate) fn add_servers(&mut self, path: &Path, text: &str) {
        match mcp_servers::parse(text) {
            Ok(ServersFile { entries, warnings }) => {
                let source = Source::File(path.to_owned(), None);
                for (name, table) in entries {
                    self.add(&name, table, &source);
                }
                self.warnings.extend(warnings.iter().map(|text| format!("{source}: {text}")));
            }
            Err(why) => self.problems.push(format!("{}: {why}", path.display())),
        }
    }

    fn add(&mut self, name: &str, table: Result<Table, String>, source: &Source) {
        match table.and_then(|table| check_name(name).map(|()| table)) {
            Ok(table) => match self.written.entry(name.to_owned()) {
                Entry::Occupied(first) => self.problems.push(format!(
                    "the upstream `{name}` stands in two places, {} and {source}; rename one",
                    first.get().source
                )),
                Entry::Vacant(free) => {
                    free.insert(Written { table, source: source.clone() });
                }
            },
            Err(why) => {
                self.left_out.push(name.to_owned());
                self.refused.push(refusal(name, source, &why));
            }
        }
    }

    /// Expands variables and makes each entry what the server takes.
    pub(crate) fn finish(&mut self, environment: &Environment, ourselves: &Ourselves<'_>) {
        let (mut refused, mut left_out) = (Vec::new(), Vec::new());
        self.written.retain(|name, Written { table, source }| {
            match accept(table.clone(), environment, ourselves) {
                Ok(upstream) => self.accepted.insert(name.clone(), upstream).is_none(),
                Err(why) => {
                    refused.push(refusal(name, source, &why));
                    left_out.push(name.clone());
                    false
                }
            }
        });
        self.refused.append(&mut refused);
        self.left_out.append(&mut left_out);
    }
}

fn refusal(name: &str, source: &Source, why: &str) -> String {
    format!("{source}: the upstream `{name}` is left out: {why}")
}

fn accept(
    table: Table,
    environment: &Environment,
    ourselves: &Ourselves<'_>,
) -> Result<UpstreamConfig, String> {
    check_secrets(&table)?;
    let expanded = expand::all(Value::Table(table), environment)?;
    let upstream: UpstreamConfig = expanded
        .try_into()
        .map_err(|error: toml::de::Error| error.message().trim().replace('\n', " "))?;
    if ourselves.is(&upstream.target) {
        return Err("it leads back to this very server; remove it from the file".to_owned());
    }
    Ok(upstream)
}

/// Values of `env` and `headers` must be texts. Said here, because a reader's own error would
/// repeat the value.
fn check_secrets(table: &Table) -> Result<(), String> {
    for key in ["env", "headers"] {
        let entries = table.get(key).and_then(Value::as_table).into_iter().flatten();
        for (name, value) in entries {
            if !value.is_str() {
                return Err(format!("`{key}.{name}` must be a text in quotes"));
            }
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.chars().any(char::is_control) {
        Err("its name is empty or has control characters".to_owned())
    } else if name.contains("__") {
        Err("its name has `__`, which parts an upstream's name from its tools'; use one `_`"
            .to_owned())
    } else if name == "builtin" {
        Err("`builtin` is the name of our own tools; choose another".to_owned())
    } else {
        Ok(())
    }
}

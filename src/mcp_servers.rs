//! Reads the file of MCP servers that agents already have: `{"mcpServers": {…}}`, or VS
//! Code's `{"servers": {…}}`, with comments and trailing commas. Gives each entry in the form
//! that an upstream has in our own config, unexpanded. Keys of other products only warn.

use crate::config::nearest;
use jsonc_parser::{ParseOptions, parse_to_serde_value};
use serde_json::{Map, Value};

/// What a file holds.
#[derive(Default)]
pub(crate) struct ServersFile {
    /// The entries by name, as tables of our config, or why one is refused.
    pub(crate) entries: Vec<(String, Result<toml::Table, String>)>,
    /// What was left aside, one sentence each.
    pub(crate) warnings: Vec<String>,
}

/// Products call the same thing by other names.
const ADDRESS_KEYS: [&str; 3] = ["url", "serverUrl", "httpUrl"];
const KNOWN_KEYS: [&str; 8] =
    ["type", "command", "args", "env", "cwd", "headers", "disabled", "enabled"];

/// Reads a file's text.
///
/// # Errors
/// When the text is not JSON, or has no map of servers.
pub(crate) fn parse(text: &str) -> Result<ServersFile, String> {
    let strict = ParseOptions {
        allow_missing_commas: false,
        allow_loose_object_property_names: false,
        allow_single_quoted_strings: false,
        ..ParseOptions::default()
    };
    let value: Value = parse_to_serde_value(text, &strict).map_err(|error| {
        // The error's own words may repeat the text, and the text may hold a secret.
        format!(
            "line {}, column {}: this is not JSON",
            error.line_display(),
            error.column_display()
        )
    })?;
    let servers = ["mcpServers", "servers"].into_iter().find_map(|key| value.get(key));
    let Some(Value::Object(servers)) = servers else {
        return Err("it has no object `mcpServers` (or `servers`) of entries by name".to_owned());
    };
    let mut file = ServersFile::default();
    for (name, entry) in servers {
        file.add(name, entry);
    }
    Ok(file)
}

impl ServersFile {
    fn add(&mut self, name: &str, entry: &Value) {
        let Value::Object(entry) = entry else {
            let why = "it must be an object with `command` or `url`".to_owned();
            return self.entries.push((name.to_owned(), Err(why)));
        };
        if is_off(entry) {
            return self.warnings.push(format!("`{name}` is disabled, and left out"));
        }
        for key in entry.keys().map(String::as_str) {
            if !KNOWN_KEYS.contains(&key) && !ADDRESS_KEYS.contains(&key) {
                let meant = nearest(key, KNOWN_KEYS.iter().copied())
                    .map_or_else(String::new, |near| format!("; is `{near}` meant?"));
                self.warnings.push(format!(
                    "the key `{key}` of `{name}` is not ours, and left aside{meant}"
                ));
            }
        }
        self.entries.push((name.to_owned(), table(entry)));
    }
}

fn is_off(entry: &Map<String, Value>) -> bool {
    entry.get("disabled") == Some(&Value::Bool(true))
        || entry.get("enabled") == Some(&Value::Bool(false))
}

/// An entry as a table of our config.
fn table(entry: &Map<String, Value>) -> Result<toml::Table, String> {
    let address = ADDRESS_KEYS.iter().find_map(|key| entry.get(*key));
    let mut table = toml::Table::new();
    match (entry.get("command"), address) {
        (Some(_), Some(_)) => return Err("it has both `command` and `url`; keep one".to_owned()),
        (None, None) => return Err("it has neither `command` nor `url`".to_owned()),
        (Some(command), None) => {
            check_type(entry, &["stdio", "local"])?;
            table.insert("command".to_owned(), text("command", command)?);
            for (key, read) in [("args", texts as Read), ("env", named_texts), ("cwd", text)] {
                copy(entry, key, read, &mut table)?;
            }
        }
        (None, Some(address)) => {
            check_type(entry, types_of(address))?;
            table.insert("url".to_owned(), text("url", address)?);
            copy(entry, "headers", named_texts, &mut table)?;
        }
    }
    Ok(table)
}

type Read = fn(&str, &Value) -> Result<toml::Value, String>;

fn copy(
    entry: &Map<String, Value>,
    key: &str,
    read: Read,
    table: &mut toml::Table,
) -> Result<(), String> {
    if let Some(value) = entry.get(key).filter(|value| !value.is_null()) {
        table.insert(key.to_owned(), read(key, value)?);
    }
    Ok(())
}

/// The types that fit an address, as far as it shows what it is.
fn types_of(address: &Value) -> &'static [&'static str] {
    const ALL: &[&str] =
        &["http", "streamable-http", "streamableHttp", "streamable_http", "ws", "websocket"];
    let address = address.as_str().unwrap_or_default();
    if address.starts_with("${") {
        ALL
    } else if address.starts_with("ws://") || address.starts_with("wss://") {
        &ALL[4..]
    } else {
        &ALL[..4]
    }
}

fn check_type(entry: &Map<String, Value>, fitting: &[&str]) -> Result<(), String> {
    let Some(given) = entry.get("type") else { return Ok(()) };
    match given.as_str() {
        Some(given) if fitting.contains(&given) => Ok(()),
        Some("sse") => Err("it is of type `sse`, the transport of 2024, which is not spoken; \
             give the server's Streamable HTTP address and the type `http`"
            .to_owned()),
        _ => Err(format!("it has `type` {given}, which does not fit; write \"{}\"", fitting[0])),
    }
}

fn text(key: &str, value: &Value) -> Result<toml::Value, String> {
    value
        .as_str()
        .map(|text| toml::Value::String(text.to_owned()))
        .ok_or_else(|| format!("it has a `{key}` that is not a text"))
}

fn texts(key: &str, value: &Value) -> Result<toml::Value, String> {
    let Value::Array(items) = value else {
        return Err(format!("it has `{key}` that are not a list"));
    };
    let items = items.iter().map(|item| scalar(key, item));
    Ok(toml::Value::Array(items.collect::<Result<_, _>>()?))
}

fn named_texts(key: &str, value: &Value) -> Result<toml::Value, String> {
    let Value::Object(entries) = value else {
        return Err(format!("it has `{key}` that are not an object"));
    };
    let mut table = toml::Table::new();
    // Some products write null for "not set".
    for (name, value) in entries.iter().filter(|(_, value)| !value.is_null()) {
        table.insert(name.clone(), scalar(&format!("{key}.{name}"), value)?);
    }
    Ok(toml::Value::Table(table))
}

/// A text; numbers and booleans, which people write for ports and switches, become texts.
fn scalar(key: &str, value: &Value) -> Result<toml::Value, String> {
    match value {
        Value::String(text) => Ok(toml::Value::String(text.clone())),
        Value::Number(_) | Value::Bool(_) => Ok(toml::Value::String(value.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(format!("it has in `{key}` something that is not a text"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(entry: &str) -> Result<String, String> {
        let file = parse(&format!(r#"{{"mcpServers":{{"x":{entry}}}}}"#)).expect("a file");
        let (_, table) = file.entries.into_iter().next().expect("one entry");
        table.map(|table| toml::to_string(&table).expect("TOML"))
    }

    #[test]
    fn good_entries_become_ours() {
        for (entry, expected) in [
            (r#"{"command":"npx"}"#, "command = \"npx\"\n"),
            (
                r#"{"type":"stdio","command":"npx","args":["-y","${P}"],"cwd":"/tmp","env":{"PORT":80,"X":null}}"#,
                "command = \"npx\"\nargs = [\"-y\", \"${P}\"]\ncwd = \"/tmp\"\n\n[env]\nPORT = \"80\"\n",
            ),
            (
                r#"{"type":"http","url":"https://h/mcp","headers":{"Authorization":"Bearer ${T}"}}"#,
                "url = \"https://h/mcp\"\n\n[headers]\nAuthorization = \"Bearer ${T}\"\n",
            ),
            (r#"{"serverUrl":"https://h/mcp"}"#, "url = \"https://h/mcp\"\n"),
            (r#"{"type":"ws","url":"wss://h/ws"}"#, "url = \"wss://h/ws\"\n"),
            (r#"{"type":"websocket","url":"${URL}"}"#, "url = \"${URL}\"\n"),
            (r#"{"url":"ws://h/ws"}"#, "url = \"ws://h/ws\"\n"),
            (r#"{"command":"a","disabled":false,"enabled":true}"#, "command = \"a\"\n"),
        ] {
            assert_eq!(only(entry).as_deref(), Ok(expected), "{entry}");
        }
    }

    #[test]
    fn bad_entries_say_what_is_wrong() {
        for (entry, word) in [
            ("3", "object"),
            ("{}", "neither"),
            (r#"{"command":"a","url":"http://h"}"#, "both"),
            (r#"{"command":["a"]}"#, "`command`"),
            (r#"{"command":"a","args":"b"}"#, "not a list"),
            (r#"{"command":"a","env":{"K":{}}}"#, "`env.K`"),
            (r#"{"type":"sse","url":"http://h"}"#, "Streamable HTTP"),
            (r#"{"type":"http","command":"a"}"#, "does not fit"),
            (r#"{"type":"ws","url":"http://h"}"#, "does not fit"),
            (r#"{"type":"http","url":"ws://h"}"#, "does not fit"),
            (r#"{"url":"http://h","headers":[]}"#, "not an object"),
        ] {
            let refused = only(entry).expect_err(entry);
            assert!(refused.contains(word), "{entry}: {refused}");
        }
    }

    #[test]
    fn vs_code_files_with_comments_are_read_and_other_keys_warn() {
        let file = parse(
            r#"{ // mine
                "inputs": [],
                "servers": {
                    "a": { "command": "x", "alwaysAllow": ["t"], },
                    "b": { "command": "y", "disabled": true },
                },
            }"#,
        )
        .expect("a file");
        assert_eq!(file.entries.len(), 1);
        assert_eq!(file.warnings.len(), 2, "{:?}", file.warnings);
        assert!(file.warnings[0].contains("`alwaysAllow`") && file.warnings[1].contains("`b`"));
    }

    #[test]
    fn what_is_no_such_file_is_refused_without_repeating_it() {
        let refused = parse("{\n \"mcpServers\": hunter2").map(|_| ()).expect_err("no JSON");
        assert!(refused.contains("line 2") && !refused.contains("hunter2"), "{refused}");
        for text in ["{}", "[]", r#"{"mcpServers":[]}"#, ""] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

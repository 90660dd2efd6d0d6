//! A change as people are shown it, without what may be a secret: an entry that goes may hold some.

use super::edit::{Change, Spot};
use serde_json::Value;
use std::path::Path;

const MASK: &str = "***";
/// Words in the name of a flag, a variable or a key that go with a secret.
const SECRETS: [&str; 9] =
    ["token", "key", "secret", "pass", "pwd", "credential", "cookie", "header", "auth"];

/// The lines that go and come, and where.
pub(super) fn shown(path: &Path, spot: &Spot<'_>, change: &Change) -> String {
    let lines = |sign: &str, entry: Option<&Value>| {
        let text = entry.map(masked).map(|entry| format!("{entry:#}")).unwrap_or_default();
        text.lines().map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    let (old, new) = (lines("-", change.old.as_ref()), lines("+", change.new.as_ref()));
    let file = path.display();
    format!("{file}\n  {}.{}, and nothing else:\n{old}{new}", spot.section, spot.name)
}

fn masked(entry: &Value) -> Value {
    let mut entry = entry.clone();
    for (key, value) in entry.as_object_mut().into_iter().flatten() {
        match value {
            Value::Object(values) => values.values_mut().for_each(hide),
            Value::Array(items) => mask_arguments(items),
            Value::String(text) if key == "url" => *text = bare_url(text),
            Value::String(_) if is_secret(key) => hide(value),
            Value::String(_) => mask_arguments(std::slice::from_mut(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    entry
}

/// What the argument before says of one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    /// It is a secret.
    Secret,
    /// It sets a variable.
    Variable,
}

fn mask_arguments(items: &mut [Value]) {
    let mut before = Before::Nothing;
    for item in items {
        match item {
            Value::String(text) => (*text, before) = argument(text, before),
            Value::Null | Value::Bool(_) | Value::Number(_) if before != Before::Secret => {}
            // Whatever an agent keeps in a form that we do not know.
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => {
                hide(item);
                before = Before::Nothing;
            }
        }
    }
}

/// An argument as it is shown, and what it says of the next one.
fn argument(text: &str, before: Before) -> (String, Before) {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) if !name.contains("://") => (name, Some(value)),
        _ => (text, None),
    };
    let is_flag = name.starts_with('-');
    let is_variable = before == Before::Variable || (name.starts_with("-e") && name != "-e");
    let says = match name {
        "-e" | "--env" => Before::Variable,
        _ if is_flag && (name == "-H" || is_secret(name)) => Before::Secret,
        _ => Before::Nothing,
    };
    match value {
        _ if before == Before::Secret => (MASK.to_owned(), Before::Nothing),
        _ if name.starts_with("-H") && name != "-H" => (format!("-H{MASK}"), Before::Nothing),
        // A line for a shell, a header: who knows where in it the secret is.
        _ if text.contains(char::is_whitespace) && is_secret(text) => (MASK.to_owned(), says),
        Some(set) if says == Before::Variable => {
            (format!("{name}={}", argument(set, says).0), Before::Nothing)
        }
        Some(_) if is_variable || is_secret(name) => (format!("{name}={MASK}"), Before::Nothing),
        Some(_) => (bare_url(text), Before::Nothing),
        None => (bare_url(text), says),
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let is_named = SECRETS.iter().any(|word| name.contains(word)) || name.ends_with("_pat");
    is_named && !name.ends_with("file")
}

fn hide(value: &mut Value) {
    *value = MASK.into();
}

/// A URL without what stands before the host, and without its query.
fn bare_url(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, _)| (rest, "?***"));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_may_be_a_secret_is_not_shown_and_the_rest_is() {
        let secret = "hunter2";
        let entry = json!({
            "command": "npx",
            "args": ["-y", "pkg", "-e", format!("GITHUB_TOKEN={secret}"), format!("API_KEY={secret}"),
                "--env", format!("ANY={secret}"), format!("--env=OTHER={secret}"), format!("-eONE={secret}"),
                "-e", "NAME", "mode=fast", "--color=no", format!("DB=pg://u:{secret}@db/x"),
                format!("http://me:{secret}@host/q?token={secret}&a=b"), format!("-HX: {secret}"),
                format!("curl --token {secret} x"), "--password", 1234, {"name": "a", "value": secret}, [secret],
                "--token", secret, format!("--api-key={secret}"), "--token-file", "/f",
                "-H", secret, format!("http://me:{secret}@host/p?k={secret}")],
            "env": {"KEY": secret},
            "headers": {"Authorization": format!("Bearer {secret}")},
            "url": format!("https://u:{secret}@host:1/mcp?key={secret}"),
            "apiKey": secret,
            "note": format!("GITHUB_PAT={secret}"),
            "inputs": [{"default": secret}],
        });
        let spot = Spot { section: "servers", name: "us" };
        let change = Change { text: String::new(), old: Some(entry), new: None };
        let shown = shown(Path::new("/f/mcp.json"), &spot, &change);
        assert!(!shown.contains(secret), "{shown}");
        assert!(!shown.contains("1234"), "{shown}");
        for word in ["/f/mcp.json", "servers.us", "\"npx\"", "\"/f\"", "https://host:1/mcp?***"] {
            assert!(shown.contains(word), "{word}: {shown}");
        }
        for word in ["GITHUB_TOKEN=***", "API_KEY=***", "ANY=***", "--env=OTHER=***", "-eONE=***"] {
            assert!(shown.contains(word), "{word}: {shown}");
        }
        for word in ["\"NAME\"", "mode=fast", "--color=no", "DB=pg://db/x", "http://host/q?***"] {
            assert!(shown.contains(word), "{word}: {shown}");
        }
        assert!(shown.lines().skip(2).all(|line| line.starts_with("- ")), "{shown}");
    }
}

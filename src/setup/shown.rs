//! A change as people are shown it, without what may be a secret: an entry that goes may hold some.

use super::edit::{Change, Spot};
use serde_json::Value;
use std::path::Path;

const MASK: &str = "***";
/// Words in the name of a flag or a key that go with a secret.
const SECRETS: [&str; 6] = ["token", "key", "secret", "password", "header", "auth"];

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
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    entry
}

fn mask_arguments(items: &mut [Value]) {
    let mut after_secret = false;
    for item in items {
        let Value::String(text) = item else { continue };
        let (flag, value) =
            text.split_once('=').map_or((text.as_str(), None), |(flag, value)| (flag, Some(value)));
        let is_flag = flag.starts_with('-');
        if after_secret {
            hide(item);
            after_secret = false;
        } else if is_flag && (is_secret(flag) || flag == "-H") {
            after_secret = value.is_none();
            if value.is_some() {
                *text = format!("{flag}={MASK}");
            }
        } else {
            *text = bare_url(text);
        }
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    !name.ends_with("file") && SECRETS.iter().any(|word| name.contains(word))
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
            "args": ["-y", "pkg", "--token", secret, format!("--api-key={secret}"), "--token-file", "/f",
                "-H", secret, format!("http://me:{secret}@host/p?k={secret}")],
            "env": {"KEY": secret},
            "headers": {"Authorization": format!("Bearer {secret}")},
            "url": format!("https://u:{secret}@host:1/mcp?key={secret}"),
            "apiKey": secret,
        });
        let spot = Spot { section: "servers", name: "us" };
        let change = Change { text: String::new(), old: Some(entry), new: None };
        let shown = shown(Path::new("/f/mcp.json"), &spot, &change);
        assert!(!shown.contains(secret), "{shown}");
        for word in ["/f/mcp.json", "servers.us", "\"npx\"", "\"/f\"", "https://host:1/mcp?***"] {
            assert!(shown.contains(word), "{word}: {shown}");
        }
        assert!(shown.lines().skip(2).all(|line| line.starts_with("- ")), "{shown}");
    }
}

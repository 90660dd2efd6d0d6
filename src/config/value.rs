//! One value: read from text (a variable, a flag) or taken from a file, and checked against
//! what its key takes. Errors complete the sentence "KEY …".

use super::keys::Kind;
use std::net::SocketAddr;
use toml::Value;

const YEAR: f64 = 366.0 * 86_400.0;

/// Reads a value from the text of a variable or a flag.
pub(crate) fn from_text(kind: Kind, text: &str) -> Result<Value, String> {
    let value = match kind {
        Kind::Count => text.parse().map(Value::Integer).map_err(|_| wanted(kind, text))?,
        Kind::Seconds => text.parse().map(Value::Float).map_err(|_| wanted(kind, text))?,
        Kind::Switch => Value::Boolean(switch(text).ok_or_else(|| wanted(kind, text))?),
        Kind::Texts => Value::Array(list(text)),
        Kind::Tokens | Kind::ToolLists | Kind::Templates => {
            written(text).ok_or_else(|| wanted(kind, ""))?
        }
        Kind::Address | Kind::Text | Kind::Secret | Kind::Path | Kind::Choice(_) => {
            Value::String(text.to_owned())
        }
    };
    checked(kind, value)
}

/// Checks a value that a file gave.
pub(crate) fn checked(kind: Kind, value: Value) -> Result<Value, String> {
    let fits = match (&kind, &value) {
        (Kind::Address, Value::String(text)) => text.parse::<SocketAddr>().is_ok(),
        (Kind::Path, Value::String(text)) => !text.is_empty(),
        (Kind::Text | Kind::Secret, Value::String(_)) | (Kind::Switch, Value::Boolean(_)) => true,
        (Kind::Choice(words), Value::String(text)) => words.contains(&text.as_str()),
        (Kind::Count, Value::Integer(number)) => *number >= 0,
        (Kind::Seconds, Value::Integer(number)) => (0.0..=YEAR).contains(&(*number as f64)),
        (Kind::Seconds, Value::Float(number)) => (0.0..=YEAR).contains(number),
        (Kind::Texts, Value::Array(items)) => items.iter().all(Value::is_str),
        (Kind::Tokens, Value::Array(items)) => items.iter().all(is_token),
        (Kind::ToolLists, Value::Table(principals)) => principals.values().all(is_tool_lists),
        (Kind::Templates, Value::Table(templates)) => {
            templates.iter().all(|(name, template)| is_type(name) && is_template(template))
        }
        _ => false,
    };
    if fits { Ok(value) } else { Err(wanted(kind, &shown(kind, &value))) }
}

/// The value as a file would hold it, or `"***"`.
pub(crate) fn shown(kind: Kind, value: &Value) -> String {
    match kind {
        Kind::Secret => "\"***\"".to_owned(),
        Kind::Tokens => masked_tokens(value),
        Kind::Templates => masked_templates(value),
        Kind::Address
        | Kind::Text
        | Kind::Path
        | Kind::Count
        | Kind::Seconds
        | Kind::Switch
        | Kind::Texts
        | Kind::ToolLists
        | Kind::Choice(_) => value.to_string(),
    }
}

/// A value as a file would hold it.
fn written(text: &str) -> Option<Value> {
    toml::from_str::<toml::Table>(&format!("value = {text}")).ok()?.remove("value")
}

fn is_token(item: &Value) -> bool {
    let known = |key: &String| ["name", "token", "sha256"].contains(&key.as_str());
    item.as_table().is_some_and(|token| {
        token.contains_key("name") && token.keys().all(known) && token.values().all(Value::is_str)
    })
}

fn is_tool_lists(item: &Value) -> bool {
    let is_list = |(key, value): (&String, &Value)| {
        let is_texts = value.as_array().is_some_and(|items| items.iter().all(Value::is_str));
        ["allow", "deny"].contains(&key.as_str()) && is_texts
    };
    item.as_table().is_some_and(|lists| lists.iter().all(is_list))
}

/// Whether agents can be called so.
fn is_type(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(fits)
}

fn is_template(item: &Value) -> bool {
    let fits = |(key, value): (&String, &Value)| match key.as_str() {
        "command" | "cwd" => value.is_str(),
        "args" => value.as_array().is_some_and(|items| items.iter().all(Value::is_str)),
        "env" => value.as_table().is_some_and(|entries| entries.values().all(Value::is_str)),
        _ => false,
    };
    item.as_table()
        .is_some_and(|template| template.contains_key("command") && template.iter().all(fits))
}

/// The templates, of their variables the names alone.
fn masked_templates(value: &Value) -> String {
    let mut value = value.clone();
    for template in value.as_table_mut().into_iter().flat_map(|all| all.iter_mut()) {
        let entries = template.1.get_mut("env").and_then(Value::as_table_mut);
        for (_, secret) in entries.into_iter().flat_map(|entries| entries.iter_mut()) {
            *secret = Value::String("***".to_owned());
        }
    }
    value.to_string()
}

/// The tokens with their names alone.
fn masked_tokens(value: &Value) -> String {
    let masked = |item: &Value| {
        let mut item = item.clone();
        for key in ["token", "sha256"] {
            if let Some(secret) = item.get_mut(key) {
                *secret = Value::String("***".to_owned());
            }
        }
        item
    };
    Value::Array(value.as_array().into_iter().flatten().map(masked).collect()).to_string()
}

fn wanted(kind: Kind, got: &str) -> String {
    let what = match kind {
        Kind::Address => "must be an IP address and a port such as 127.0.0.1:3001".to_owned(),
        Kind::Text | Kind::Secret => "must be a text in quotes".to_owned(),
        Kind::Path => "must be a path in quotes".to_owned(),
        Kind::Count => "must be a whole number, zero or more".to_owned(),
        Kind::Seconds => "must be a number of seconds from 0 to a year".to_owned(),
        Kind::Switch => "must be true or false".to_owned(),
        Kind::Texts => "must be a list of texts".to_owned(),
        Kind::Tokens => {
            "must be a list of tokens, each with `name` and either `token` or `sha256`, all \
                         texts in quotes"
                .to_owned()
        }
        Kind::ToolLists => {
            "has a section for each principal with `allow` and `deny`, lists of texts, and \
                            nothing else"
                .to_owned()
        }
        Kind::Templates => {
            "has a section for each type of agents (1 to 32 letters, digits, `_` and `-`) with \
             `command`, and if wanted `args`, `env` and `cwd`, all texts in quotes"
                .to_owned()
        }
        Kind::Choice(words) => format!("must be one of {}", words.join(", ")),
    };
    // What was given may be a secret, or long.
    let is_kept_back =
        matches!(kind, Kind::Secret | Kind::Tokens | Kind::ToolLists | Kind::Templates);
    if is_kept_back { what } else { format!("{what}, not {got}") }
}

fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn list(text: &str) -> Vec<Value> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(|item| Value::String(item.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_what_the_key_takes() {
        for (kind, text, value) in [
            (Kind::Count, "12", Value::Integer(12)),
            (Kind::Seconds, "0.5", Value::Float(0.5)),
            (Kind::Switch, "Yes", Value::Boolean(true)),
            (Kind::Secret, "12345", Value::String("12345".into())),
            (Kind::Texts, "a, b", Value::Array(vec!["a".into(), "b".into()])),
            (Kind::Choice(&["a", "b"]), "b", Value::String("b".into())),
            (Kind::Tokens, "[]", Value::Array(vec![])),
            (Kind::ToolLists, "{}", Value::Table(toml::Table::new())),
            (Kind::Templates, "{}", Value::Table(toml::Table::new())),
        ] {
            assert_eq!(from_text(kind, text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_a_secret_is_not_repeated() {
        for (kind, text) in [
            (Kind::Address, "localhost:80"),
            (Kind::Count, "-1"),
            (Kind::Seconds, "inf"),
            (Kind::Seconds, "nan"),
            (Kind::Switch, "perhaps"),
            (Kind::Choice(&["a"]), "c"),
            (Kind::Path, ""),
        ] {
            let refused = from_text(kind, text).expect_err(text);
            assert!(refused.starts_with("must be"), "{refused}");
        }
        let refused = checked(Kind::Secret, Value::Integer(8_675_309)).expect_err("no text");
        assert!(!refused.contains("8675309"), "{refused}");
        for text in [
            "8675309",
            "[8675309]",
            "[{ token = \"8675309\" }]",
            "[{ name = \"a\", token = 8675309 }]",
            "[{ name = \"a\", tokn = \"8675309\" }]",
            "[{ name = \"8675309",
        ] {
            let refused = from_text(Kind::Tokens, text).expect_err(text);
            assert!(refused.contains("`sha256`") && !refused.contains("8675309"), "{refused}");
        }
        for text in [
            "8675309",
            "{ w = { args = [] } }",
            "{ w = { command = 8675309 } }",
            "{ w = { command = \"x\", env = { A = 8675309 } } }",
            "{ w = { command = \"x\", cmd = \"8675309\" } }",
            "{ \"a b\" = { command = \"8675309\" } }",
        ] {
            let refused = from_text(Kind::Templates, text).expect_err(text);
            assert!(refused.contains("`command`") && !refused.contains("8675309"), "{refused}");
        }
        for text in ["[]", "{ ci = 1 }", "{ ci = { allow = 1 } }", "{ ci = { alow = [] } }"] {
            from_text(Kind::ToolLists, text).expect_err(text);
        }
    }
}

//! Expands variables in the entries of upstreams: `${VAR}`, `${VAR:-default}`, and VS Code's
//! `${env:VAR}`. Everything else that starts with a dollar stays as it is.

use super::layers::Environment;
use toml::Value;

/// Expands every text in `value`.
pub(crate) fn all(value: Value, environment: &Environment) -> Result<Value, String> {
    Ok(match value {
        Value::String(raw) => Value::String(text(&raw, environment)?),
        Value::Array(items) => Value::Array(
            items.into_iter().map(|item| all(item, environment)).collect::<Result<_, _>>()?,
        ),
        Value::Table(table) => Value::Table(
            table
                .into_iter()
                .map(|(key, value)| Ok((key, all(value, environment)?)))
                .collect::<Result<_, String>>()?,
        ),
        other @ (Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_)) => {
            other
        }
    })
}

/// Expands one text.
pub(crate) fn text(raw: &str, environment: &Environment) -> Result<String, String> {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(start) = rest.find("${") {
        let (before, reference) = rest.split_at(start);
        out.push_str(before);
        let Some(end) = reference.find('}') else {
            rest = reference;
            break;
        };
        out.push_str(&one(&reference[..=end], environment)?);
        rest = &reference[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// The value of one reference, with its dollar and braces.
fn one(reference: &str, environment: &Environment) -> Result<String, String> {
    let inner = reference.trim_start_matches("${").trim_end_matches('}');
    if let Some(name) = inner.strip_prefix("input:") {
        return Err(format!(
            "`{reference}` would be asked for by VS Code; put the value into a variable and write `${{{}}}`",
            name.to_uppercase().replace('-', "_")
        ));
    }
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let name = name.strip_prefix("env:").unwrap_or(name);
    if !is_name(name) {
        return Ok(reference.to_owned());
    }
    match (environment.get(name), default) {
        (Some(value), None) => Ok(value.clone()),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value.clone()),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(format!(
            "the variable `{name}` is not set; set it, or write `${{{name}:-default}}`"
        )),
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_become_values_and_all_else_stays() {
        let environment = Environment::from(
            [("A", "1"), ("EMPTY", ""), ("DOLLAR", "${A}")]
                .map(|(key, value)| (key.into(), value.into())),
        );
        for (raw, expected) in [
            ("plain $A", "plain $A"),
            ("${A}", "1"),
            ("x${A}y${A}z", "x1y1z"),
            ("${env:A}", "1"),
            ("${A:-2}", "1"),
            ("${NO:-2}", "2"),
            ("${NO:-http://h:1/}", "http://h:1/"),
            ("${NO:-}", ""),
            ("${EMPTY}", ""),
            ("${EMPTY:-2}", "2"),
            ("${env:NO:-3}", "3"),
            ("${DOLLAR}", "${A}"),
            ("${not a name} ${}", "${not a name} ${}"),
            ("open ${A", "open ${A"),
            ("ü${A}ü", "ü1ü"),
        ] {
            assert_eq!(text(raw, &environment).as_deref(), Ok(expected), "{raw}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let none = Environment::new();
        assert!(
            text("Bearer ${TOKEN}", &none).expect_err("not set").contains("`TOKEN` is not set")
        );
        assert!(text("${input:api-key}", &none).expect_err("asked").contains("${API_KEY}"));
    }
}

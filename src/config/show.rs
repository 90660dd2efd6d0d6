//! Prints the effective configuration as TOML, each value with where it came from. Secrets
//! are masked; upstreams are printed as written, before variables are expanded.

use super::{
    Settings, TokenFrom,
    keys::{self, KEYS, Kind},
    value,
};
use std::fmt::Write as _;
use toml::{Table, Value};

/// The effective configuration as text.
pub(crate) fn show(settings: &Settings) -> String {
    let mut out = String::new();
    let mut section = "";
    for key in KEYS {
        let name = key.path.rsplit_once('.').map_or("", |(name, _)| name);
        if let Some((value, source)) = settings.layers.values.get(key.path) {
            if name != section {
                line(&mut out, format_args!("\n[{name}]"));
                section = name;
            }
            let last = key.path.rsplit('.').next().unwrap_or(key.path);
            let text =
                if keys_url(key.path) { masked_url(value) } else { value::shown(key.kind, value) };
            line(&mut out, format_args!("{last} = {text}  # {source}"));
        }
    }
    for (name, written) in &settings.upstreams.written {
        let source = &written.source;
        line(&mut out, format_args!("\n[upstreams.{}]  # {source}", quoted(name)));
        out.push_str(&upstream(&written.table));
    }
    line(&mut out, format_args!("\n# {}", token_words(&settings.token)));
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _written = writeln!(out, "{text}");
}

fn keys_url(path: &str) -> bool {
    matches!(path, "telemetry.otlp_endpoint" | "auth.jwt.jwks_url")
}

fn token_words(token: &TokenFrom) -> String {
    match token {
        TokenFrom::Given(source) => format!("The token is the one of {source}."),
        TokenFrom::File(path) => format!("The token is read from {}.", path.display()),
        TokenFrom::DataDir => {
            "The token is kept in the data dir: see `mcp-orchestrator token show`.".to_owned()
        }
        TokenFrom::None => "No token is asked for.".to_owned(),
    }
}

fn upstream(table: &Table) -> String {
    let mut out = String::new();
    for key in keys::UPSTREAM_KEYS {
        match (*key, table.get(*key)) {
            (_, None) => {}
            ("url", Some(value)) => line(&mut out, format_args!("url = {}", masked_url(value))),
            ("env" | "headers", Some(Value::Table(entries))) => {
                let masked = |name: &String| {
                    format!(
                        "{} = {}",
                        quoted(name),
                        value::shown(Kind::Secret, &Value::Boolean(true))
                    )
                };
                let entries: Vec<String> = entries.keys().map(masked).collect();
                line(&mut out, format_args!("{key} = {{ {} }}", entries.join(", ")));
            }
            (_, Some(value)) => line(&mut out, format_args!("{key} = {value}")),
        }
    }
    out
}

/// A URL without what may be secret in it: user, password, query, fragment.
fn masked_url(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    let (address, has_more) = match text.split_once(['?', '#']) {
        Some((address, _)) => (address, true),
        None => (text, false),
    };
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host =
        host.rsplit_once('@').map_or_else(|| host.to_owned(), |(_, host)| format!("***@{host}"));
    let query = if has_more { "?***" } else { "" };
    let separator = if scheme.is_empty() { "" } else { "://" };
    Value::String(format!("{scheme}{separator}{host}{path}{query}")).to_string()
}

/// A name as a TOML key.
fn quoted(name: &str) -> String {
    let is_bare = !name.is_empty()
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-'));
    if is_bare { name.to_owned() } else { Value::String(name.to_owned()).to_string() }
}

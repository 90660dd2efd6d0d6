//! The configuration in TOML.

use super::{
    ClientConfig, ConfigError,
    keys::KEYS,
    value::{secrets, text, texts},
};
use crate::{Secret, Target};
use toml::{Table, Value};

/// The keys that say where the server is.
const PLACE: [&str; 8] = ["others", "url", "token", "headers", "command", "args", "env", "cwd"];

impl ClientConfig {
    /// Reads TOML. What is not said is as in [`ClientConfig::new`].
    ///
    /// ```
    /// let config = mcp_client::ClientConfig::from_toml(r#"
    ///     url = "https://example.test/mcp"
    ///     token = "a-secret"       # sent as a bearer token
    ///     [reconnect]
    ///     attempts = 0             # no bound
    ///     [health]
    ///     every = 10.0             # seconds
    ///     [monitoring]
    ///     enabled = false
    /// "#);
    /// assert!(config.is_ok_and(|config| config.monitoring.is_none()));
    /// ```
    ///
    /// # Errors
    /// When it is no TOML, a key is not known, or a value makes no sense; names the key.
    pub fn from_toml(file: &str) -> Result<Self, ConfigError> {
        Self::of_table(&table(file)?, Self::new)
    }

    /// As [`ClientConfig::from_toml`], but what is not said is as in [`ClientConfig::patient`], and
    /// where the file says no place, it is `url`.
    ///
    /// # Errors
    /// As [`ClientConfig::from_toml`].
    pub fn patient_from_toml(file: &str, url: Option<&str>) -> Result<Self, ConfigError> {
        let mut file = table(file)?;
        if let Some(url) = url
            && !file.contains_key("command")
        {
            file.entry("url").or_insert_with(|| Value::from(url));
        }
        Self::of_table(&file, Self::patient)
    }

    fn of_table(file: &Table, defaults: fn(Target) -> Self) -> Result<Self, ConfigError> {
        let mut config = defaults(target(file)?);
        config.others = others(file)?;
        let mut entries = Vec::new();
        flatten(file, "", &mut entries);
        for (key, _) in &entries {
            if !KEYS.iter().any(|(known, _)| known == key) {
                return Err(ConfigError::new(key, format!("is not known; {}", beside(key))));
            }
        }
        for (known, set) in KEYS {
            for (key, value) in entries.iter().filter(|(key, _)| key == known) {
                set(&mut config, value).map_err(|reason| ConfigError::new(key, reason))?;
            }
        }
        config.check()?;
        Ok(config)
    }
}

fn table(file: &str) -> Result<Table, ConfigError> {
    // The message has no part of the file, which may hold secrets.
    file.parse().map_err(|error: toml::de::Error| {
        ConfigError::new("file", format!("is no TOML: {}", error.message()))
    })
}

/// The keys that a section has; all sections where there is none of that name.
fn beside(key: &str) -> String {
    let section = |key: &'static str| key.split_once('.').map_or("", |(section, _)| section);
    let own = key.split_once('.').map_or("", |(section, _)| section);
    let mut known: Vec<&str> =
        KEYS.iter().map(|(known, _)| *known).filter(|known| section(known) == own).collect();
    if own.is_empty() || known.is_empty() {
        known.extend(KEYS.iter().map(|(known, _)| section(known)).filter(|name| !name.is_empty()));
        known.dedup();
    }
    format!("there are {}", known.join(", "))
}

/// All keys with their sections before them, but those of the place.
fn flatten<'a>(table: &'a Table, section: &str, entries: &mut Vec<(String, &'a Value)>) {
    for (name, value) in table {
        let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
        match value.as_table().filter(|_| section.is_empty()) {
            _ if PLACE.contains(&key.as_str()) => {}
            Some(inner) => flatten(inner, &key, entries),
            None => entries.push((key, value)),
        }
    }
}

fn target(file: &Table) -> Result<Target, ConfigError> {
    let wrong = |key: &str| {
        let key = key.to_owned();
        move |reason| ConfigError::new(key, reason)
    };
    let word = |key: &str| file.get(key).map(text).transpose().map_err(wrong(key));
    let table = |key: &str| {
        let table = file.get(key).map(secrets).transpose().map_err(wrong(key))?;
        Ok::<_, ConfigError>(table.unwrap_or_default())
    };
    match (word("url")?, word("command")?) {
        (Some(url), None) => {
            refuse(file, &["args", "env", "cwd"], "url")?;
            let mut headers = table("headers")?;
            if let Some(token) = word("token")? {
                headers.insert("authorization".to_owned(), Secret::from(format!("Bearer {token}")));
            }
            Target::url(&url, headers).map_err(|error| ConfigError::of_target("url", &error))
        }
        (None, Some(command)) => {
            refuse(file, &["token", "headers"], "command")?;
            let args = file.get("args").map(texts).transpose().map_err(wrong("args"))?;
            let cwd = word("cwd")?.map(Into::into);
            Ok(Target::stdio(command, args.unwrap_or_default(), table("env")?, cwd))
        }
        (Some(_), Some(_)) => Err(ConfigError::new("command", "cannot stand beside `url`")),
        (None, None) => Err(ConfigError::new("url", "must be set, or `command`")),
    }
}

/// Further endpoints: `[[others]]`, each with the keys of a place.
fn others(file: &Table) -> Result<Vec<Target>, ConfigError> {
    let Some(others) = file.get("others") else { return Ok(Vec::new()) };
    let wrong = || ConfigError::new("others", "must be a list of tables");
    let others = others.as_array().ok_or_else(wrong)?;
    others.iter().map(|other| one_other(other.as_table().ok_or_else(wrong)?)).collect()
}

fn one_other(other: &Table) -> Result<Target, ConfigError> {
    let unknown = other.keys().find(|key| !PLACE.contains(&key.as_str()) || *key == "others");
    let named =
        |error: ConfigError| ConfigError::new(format!("others.{}", error.key), error.reason);
    match unknown {
        Some(key) => Err(named(ConfigError::new(key, "is not known"))),
        None => target(other).map_err(named),
    }
}

fn refuse(file: &Table, keys: &[&str], beside: &str) -> Result<(), ConfigError> {
    match keys.iter().find(|key| file.contains_key(**key)) {
        Some(key) => Err(ConfigError::new(*key, format!("cannot stand beside `{beside}`"))),
        None => Ok(()),
    }
}

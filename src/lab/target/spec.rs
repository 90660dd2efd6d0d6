//! What was asked for on the command line, and what it means.

use super::shown::{masked, shown};
use crate::result::{self, TargetKind};
use mcp_client::{Secret, Target};
use reqwest::Url;
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

/// Stands for the port in a command and in a URL.
const PORT: &str = "{port}";
/// Where an HTTP server that was started is, unless a URL says otherwise.
const USUAL_URL: &str = "http://127.0.0.1:{port}/mcp";
/// Why nothing can be tested like this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Nothing was named.
    #[error("no target: name one with --target URL, or a command that starts one with --spawn")]
    Missing,
    /// The command line cannot be taken apart.
    #[error("--spawn: {0}")]
    Command(String),
    /// The URL cannot be used.
    #[error("--target: {0}")]
    Url(String),
    /// It did not come up.
    #[error("the target did not come up: {0}")]
    Start(String),
}

/// What is to be tested.
#[derive(Debug, Clone, Default)]
pub struct TargetSpec {
    /// Where it is; with a command, where the command's server is, with `{port}` in it.
    pub url: Option<String>,
    /// A command that starts it: with `{port}` in it an HTTP server, else one on standard input and
    /// output.
    pub spawn: Option<String>,
    /// The bearer token it asks for.
    pub token: Option<Secret>,
    /// Where what it writes goes; nowhere when absent.
    pub log: Option<PathBuf>,
}

/// What was asked for, taken apart.
#[derive(Debug, Clone)]
pub(super) enum Recipe {
    /// It is there already.
    There(Url),
    /// It is started, and listens.
    Listens { words: Vec<String>, url: String },
    /// It is started by each client, and spoken to over its standard streams.
    Stdio { words: Vec<String> },
}

impl TargetSpec {
    /// Looks for mistakes.
    ///
    /// # Errors
    /// When there is one.
    pub fn check(&self) -> Result<(), TargetError> {
        self.recipe().map(drop)
    }

    /// What it is, without a secret.
    ///
    /// # Errors
    /// When there is a mistake in it.
    pub fn facts(&self) -> Result<result::Target, TargetError> {
        self.recipe().map(|recipe| recipe.facts())
    }

    /// Where it is, without a secret, if somebody else started it.
    ///
    /// # Errors
    /// When there is a mistake in it.
    pub(crate) fn there(&self) -> Result<Option<String>, TargetError> {
        Ok(match self.recipe()? {
            Recipe::There(url) => Some(shown(url)),
            Recipe::Listens { .. } | Recipe::Stdio { .. } => None,
        })
    }

    pub(super) fn recipe(&self) -> Result<Recipe, TargetError> {
        let Some(command) = &self.spawn else {
            let url = self.url.as_deref().ok_or(TargetError::Missing)?;
            return Ok(Recipe::There(parse(url)?));
        };
        let unbalanced = || TargetError::Command("a quote is not closed".to_owned());
        let words = shlex::split(command).ok_or_else(unbalanced)?;
        if words.is_empty() {
            return Err(TargetError::Command("the command is empty".to_owned()));
        }
        if self.url.is_none() && !words.iter().any(|word| word.contains(PORT)) {
            return Ok(Recipe::Stdio { words });
        }
        let url = self.url.clone().unwrap_or_else(|| USUAL_URL.to_owned());
        parse(&url.replace(PORT, "1"))?;
        Ok(Recipe::Listens { words, url })
    }
}

impl Recipe {
    /// With that port in the place of `{port}`.
    pub(super) fn with_port(&self, port: u16) -> Self {
        let fill = |text: &String| text.replace(PORT, &port.to_string());
        match self {
            Self::Listens { words, url } => {
                Self::Listens { words: words.iter().map(fill).collect(), url: fill(url) }
            }
            Self::There(_) | Self::Stdio { .. } => self.clone(),
        }
    }

    /// The URL, if it has one.
    pub(super) fn url(&self) -> Option<Url> {
        match self {
            Self::There(url) => Some(url.clone()),
            Self::Listens { url, .. } => parse(url).ok(),
            Self::Stdio { .. } => None,
        }
    }

    /// What it is, without a secret.
    pub(super) fn facts(&self) -> result::Target {
        let url = self.url().map(shown);
        let kind = match self.url() {
            Some(url) if url.scheme().starts_with("ws") => TargetKind::Websocket,
            Some(_) => TargetKind::Http,
            None => TargetKind::Stdio,
        };
        let command = self.shown();
        let program = command.as_ref().and_then(|words| words.first());
        let name = program.and_then(|word| word.rsplit('/').next()).or(url.as_deref());
        result::Target {
            name: name.unwrap_or_default().to_owned(),
            kind,
            url,
            command,
            server_name: None,
            server_version: None,
            protocol_version: None,
        }
    }

    /// The command, with what looks like a secret left out.
    pub(super) fn shown(&self) -> Option<Vec<String>> {
        match self {
            Self::There(_) => None,
            Self::Listens { words, .. } | Self::Stdio { words } => Some(masked(words)),
        }
    }
}

fn parse(url: &str) -> Result<Url, TargetError> {
    let parsed = Url::parse(url).map_err(|_| {
        TargetError::Url(format!("`{url}` is no URL: write it as http://127.0.0.1:3001/mcp"))
    })?;
    if matches!(parsed.scheme(), "http" | "https" | "ws" | "wss") && parsed.host_str().is_some() {
        return Ok(parsed);
    }
    Err(TargetError::Url(format!(
        "it must start with http://, https://, ws:// or wss://, not {}:",
        parsed.scheme()
    )))
}

/// The way of a client to a URL, through a proxy if there is one.
pub(super) fn way(
    url: &Url,
    token: Option<&Secret>,
    through: Option<SocketAddr>,
) -> Result<Target, TargetError> {
    let mut url = url.clone();
    if let Some(proxy) = through {
        let moved = url.set_ip_host(proxy.ip()).and_then(|()| url.set_port(Some(proxy.port())));
        moved.map_err(|()| TargetError::Url("no proxy can stand before it".to_owned()))?;
    }
    let bearer = token.map(|token| Secret::from(format!("Bearer {}", token.expose())));
    let headers: BTreeMap<String, Secret> =
        bearer.into_iter().map(|value| ("authorization".to_owned(), value)).collect();
    Target::url(url.as_str(), headers).map_err(|error| TargetError::Url(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(url: Option<&str>, spawn: Option<&str>) -> TargetSpec {
        let text = |text: &str| text.to_owned();
        TargetSpec { url: url.map(text), spawn: spawn.map(text), ..TargetSpec::default() }
    }

    #[test]
    fn a_command_with_a_port_listens_and_one_without_is_spoken_to() {
        let recipe = spec(None, Some("server --listen '127.0.0.1:{port}'")).recipe();
        let recipe = recipe.expect("a recipe").with_port(7);
        assert_eq!(recipe.url().map(String::from), Some("http://127.0.0.1:7/mcp".into()));
        assert_eq!(recipe.shown().expect("a command")[2], "127.0.0.1:7");
        assert!(matches!(spec(None, Some("server")).recipe(), Ok(Recipe::Stdio { .. })));
        let other = spec(Some("http://127.0.0.1:{port}/x"), Some("s {port}")).recipe();
        let other = other.expect("a recipe").with_port(8);
        assert_eq!(other.url().map(String::from), Some("http://127.0.0.1:8/x".into()));
    }

    #[test]
    fn mistakes_are_told() {
        assert_eq!(spec(None, None).check(), Err(TargetError::Missing));
        let other = Some("ftp://x");
        for (url, spawn) in [(other, None), (other, Some("s")), (None, Some("'")), (None, Some(""))]
        {
            assert!(spec(url, spawn).check().is_err(), "{url:?} {spawn:?}");
        }
    }

    #[test]
    fn a_proxy_changes_the_address_and_nothing_else() {
        let url = parse("http://localhost:3001/mcp?x=1").expect("a URL");
        let through = way(&url, None, Some(([127, 0, 0, 1], 9).into())).expect("a way");
        let Target::Http(through) = through else { panic!("HTTP") };
        assert_eq!(through.url.as_str(), "http://127.0.0.1:9/mcp?x=1");
    }
}

//! What `connect` is told: by flags, else by variables.

use crate::{
    config::{self, Environment, check_token},
    failure::Failure,
};
use mcp_client::{Secret, Target};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// Longest time for a call without `--timeout`.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What was given on the command line. Holds a secret, so it cannot be printed with `Debug`.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) url: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) timeout: Option<u32>,
}

/// What it comes to.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) url: String,
    pub(super) target: Target,
    pub(super) token: Option<Secret>,
    pub(super) data_dir: Option<PathBuf>,
    /// Longest time that a call may take; progress starts it anew.
    pub(super) timeout: Duration,
}

impl Settings {
    /// Puts it together.
    ///
    /// # Errors
    /// When there is no URL, or something cannot be used.
    pub(super) fn new(given: Given, environment: &Environment) -> Result<Self, Failure> {
        let variable =
            |name: &str| environment.get(name).filter(|value| !value.is_empty()).cloned();
        let url = given.url.or_else(|| variable("MCP_SERVER_URL")).ok_or_else(|| {
            Failure::usage("which server? Give its URL, for example http://127.0.0.1:3001/mcp")
        })?;
        let token = token(given.token, given.token_file, variable)?;
        let bearer = token.iter().map(|token| {
            ("Authorization".to_owned(), Secret::from(format!("Bearer {}", token.expose())))
        });
        let target = Target::url(&url, bearer.collect::<BTreeMap<_, _>>())
            .map_err(|error| Failure::usage(format!("{} cannot be used: {error}", shown(&url))))?;
        let data_dir =
            given.data_dir.or_else(|| variable("MCP_ORCHESTRATOR_DATA_DIR").map(PathBuf::from));
        let timeout = given.timeout.map_or(TIMEOUT, |seconds| Duration::from_secs(seconds.into()));
        Ok(Self { url, target, token, data_dir, timeout })
    }
}

/// The token: as given, in the file, or in a variable.
fn token(
    given: Option<String>,
    file: Option<PathBuf>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Secret>, Failure> {
    let file = || file.or_else(|| variable("MCP_ORCHESTRATOR_TOKEN_FILE").map(PathBuf::from));
    let token = match given
        .or_else(|| variable("MCP_ORCHESTRATOR_TOKEN"))
        .or_else(|| variable("MCP_API_KEY"))
    {
        Some(token) => token,
        None => match file() {
            Some(path) => config::read(&path, "token file")?.trim().to_owned(),
            None => return Ok(None),
        },
    };
    let token = Secret::from(token);
    check_token(&token)?;
    Ok(Some(token))
}

/// A URL without what may be secret, also where it is none.
fn shown(url: &str) -> &str {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    if url[..end].contains('@') { "the URL" } else { &url[..end] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(given: Given, variables: &[(&str, &str)]) -> Result<Settings, String> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment: Environment = variables.iter().map(pair).collect();
        Settings::new(given, &environment).map_err(|failure| failure.to_string())
    }

    fn url(url: &str) -> Given {
        Given { url: Some(url.to_owned()), ..Given::default() }
    }

    #[test]
    fn a_flag_wins_over_a_variable() {
        let given = Given { token: Some("flag".to_owned()), ..url("http://a.test/mcp") };
        let both = settings(
            given,
            &[("MCP_API_KEY", "variable"), ("MCP_SERVER_URL", "http://b.test/mcp")],
        );
        let both = both.expect("valid");
        assert_eq!(
            (both.url.as_str(), both.token.expect("a token").expose()),
            ("http://a.test/mcp", "flag")
        );
        let none = settings(
            Given::default(),
            &[("MCP_API_KEY", "variable"), ("MCP_SERVER_URL", "http://b.test/mcp")],
        );
        let none = none.expect("valid");
        assert_eq!(
            (none.url.as_str(), none.token.expect("a token").expose()),
            ("http://b.test/mcp", "variable")
        );
    }

    #[test]
    fn what_cannot_be_used_is_one_sentence_without_a_secret() {
        for (given, word) in [
            (Given::default(), "which server"),
            (url("nowhere"), "nowhere"),
            (url("ftp://a.test/mcp"), "http://"),
            (url("ftp://me:hunter2@a.test/mcp?key=hunter2"), "http://"),
            (Given { token: Some("two hunter2".into()), ..url("http://a.test/mcp") }, "token"),
            (
                Given { token_file: Some("/not/there".into()), ..url("http://a.test/mcp") },
                "/not/there",
            ),
        ] {
            let refused = settings(given, &[]).expect_err("not usable");
            assert!(refused.contains(word) && !refused.contains("hunter2"), "{refused}");
            assert_eq!(refused.lines().count(), 1, "{refused}");
        }
    }
}

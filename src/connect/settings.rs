//! What `connect` is told: by flags, else by variables, else by a file.

use super::headers::{self, Headers};
use crate::{
    config::{self, Environment},
    failure::Failure,
};
use mcp_chaos::mistake;
use mcp_client::{ClientConfig, Guard, HttpTarget, Secret, Target};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

/// Longest time for a call without `--timeout`.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Longest time that can be asked for, in seconds: a day.
pub(crate) const LONGEST: u32 = 86_400;

/// What was given on the command line. Holds secrets, so it cannot be printed with `Debug`.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) url: Option<String>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) token: Option<String>,
    pub(crate) token_file: Option<PathBuf>,
    /// Each as `NAME=VALUE`.
    pub(crate) headers: Vec<String>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) production: bool,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) timeout: Option<u32>,
    pub(crate) connect_timeout: Option<u32>,
}

/// What it comes to.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) url: String,
    /// What is sent with every request: it says who we are.
    pub(super) headers: Headers,
    /// How to be a client; what depends on the agent is not set yet.
    pub(super) client: ClientConfig,
    pub(super) data_dir: Option<PathBuf>,
    /// Longest time that a call may take; progress starts it anew.
    pub(super) timeout: Duration,
}

/// The variables, where one that is empty is not set.
struct Variables<'a>(&'a Environment);

impl Settings {
    /// Puts it together.
    ///
    /// # Errors
    /// When there is no URL, or something cannot be used.
    pub(super) fn new(given: Given, environment: &Environment) -> Result<Self, Failure> {
        let variables = Variables(environment);
        let given_url = given.url.clone().or_else(|| variables.text("MCP_SERVER_URL"));
        let (mut client, file) = client(given.config.as_deref(), given_url.as_deref())?;
        let url = given_url.unwrap_or_else(|| file.url.to_string());
        let headers = all_headers(&given, (&file, client.others.len()), &url, &variables)?;
        client.target = target(&url, headers.clone())?;
        let seconds = |given: Option<u32>, name| {
            let given = given.map_or_else(|| variables.seconds(name), |given| Ok(Some(given)));
            given.map(|given| given.map(|seconds| Duration::from_secs(seconds.into())))
        };
        let timeout = seconds(given.timeout, "MCP_ORCHESTRATOR_TIMEOUT")?.unwrap_or(TIMEOUT);
        let connect = seconds(given.connect_timeout, "MCP_ORCHESTRATOR_CONNECT_TIMEOUT")?;
        client.options.connect_timeout = connect.unwrap_or(client.options.connect_timeout);
        guard(&given, &variables, &mut client.options.guard)?;
        client.check().map_err(|error| Failure::usage(error.to_string()))?;
        let data_dir = given.data_dir.or_else(|| variables.path("MCP_ORCHESTRATOR_DATA_DIR"));
        Ok(Self { url, headers, client, data_dir, timeout })
    }
}

/// What the file says, else the defaults for a server that is never given up; and its place.
fn client(file: Option<&Path>, url: Option<&str>) -> Result<(ClientConfig, HttpTarget), Failure> {
    let config = match (file, url) {
        (Some(path), url) => {
            let text = config::read(path, "config file")?;
            let table: Result<toml::Table, _> = text.parse();
            table.map_err(|error| {
                Failure::usage(format!("{}, {}", path.display(), mistake(&text, &error)))
            })?;
            let config = ClientConfig::patient_from_toml(&text, url);
            config.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?
        }
        (None, Some(url)) => ClientConfig::patient(target(url, BTreeMap::new())?),
        (None, None) => {
            return Err(Failure::usage(
                "which server? Give its URL, for example http://127.0.0.1:3001/mcp",
            ));
        }
    };
    match config.target.clone() {
        Target::Http(place) | Target::WebSocket(place) => Ok((config, place)),
        Target::Stdio(_) => {
            Err(Failure::usage("`command`: a server on standard input and output needs no bridge"))
        }
    }
}

/// Whether we can connect to it.
///
/// # Errors
/// When it is no URL of a server.
pub(crate) fn check_url(url: &str) -> Result<(), Failure> {
    target(url, Headers::new()).map(drop)
}

fn target(url: &str, headers: Headers) -> Result<Target, Failure> {
    Target::url(url, headers)
        .map_err(|error| Failure::usage(format!("{} cannot be used: {error}", shown(url))))
}

/// What is sent with every request. What the file says goes to the file's server alone.
fn all_headers(
    given: &Given,
    (file, others): (&HttpTarget, usize),
    url: &str,
    variables: &Variables<'_>,
) -> Result<Headers, Failure> {
    let is_elsewhere = match target(url, Headers::new())? {
        Target::Http(target) | Target::WebSocket(target) => {
            target.url.origin() != file.url.origin()
        }
        Target::Stdio(_) => true,
    };
    if is_elsewhere && (!file.headers.is_empty() || others > 0) {
        return Err(Failure::usage(format!(
            "{} is not the server of the config file, whose token, headers and other endpoints \
             are for that alone",
            shown(url)
        )));
    }
    let flags = token(given.token.clone(), given.token_file.clone())?;
    let flags = headers::of(flags, given.headers.iter().map(String::as_str))?;
    let text = variables.text("MCP_ORCHESTRATOR_TOKEN").or_else(|| variables.text("MCP_API_KEY"));
    let ours = token(text, variables.path("MCP_ORCHESTRATOR_TOKEN_FILE"))?;
    let lines = variables.text("MCP_ORCHESTRATOR_HEADER").unwrap_or_default();
    let lines = lines.lines().filter(|line| !line.trim().is_empty());
    Ok(headers::merged(&file.headers, headers::of(ours, lines)?, flags))
}

/// A token: as given, else what is in the file.
fn token(text: Option<String>, file: Option<PathBuf>) -> Result<Option<Secret>, Failure> {
    let text = match (text, file) {
        (Some(text), _) => Some(text),
        (None, Some(path)) => Some(config::read(&path, "token file")?.trim().to_owned()),
        (None, None) => None,
    };
    Ok(text.map(Secret::from))
}

/// Where to connect to, and whom to believe there, on top of what the file says.
fn guard(given: &Given, variables: &Variables<'_>, guard: &mut Guard) -> Result<(), Failure> {
    let file = given.ca_file.clone().or_else(|| variables.path("MCP_ORCHESTRATOR_CA_FILE"));
    if let Some(path) = file {
        // Once: a pipe is empty the second time.
        let authorities = Guard::authorities_of(&config::read_bytes(&path, "CA file")?);
        let none = || {
            let path = path.display();
            Failure::usage(format!(
                "the CA file cannot be used: {path} holds no certificate in PEM"
            ))
        };
        guard.authorities = Some(authorities.ok_or_else(none)?);
    }
    let name = "MCP_ORCHESTRATOR_PRODUCTION";
    match variables.text(name).as_deref() {
        _ if given.production => guard.production = true,
        Some("true") => guard.production = true,
        Some("false") => guard.production = false,
        Some(_) => return Err(Failure::usage(format!("{name} must be true or false"))),
        None => {}
    }
    Ok(())
}

impl Variables<'_> {
    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    fn seconds(&self, name: &str) -> Result<Option<u32>, Failure> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let seconds = text.parse().ok().filter(|seconds| (1..=LONGEST).contains(seconds));
        let wrong = || Failure::usage(format!("{name} must be seconds, from 1 to {LONGEST}"));
        seconds.map(Some).ok_or_else(wrong)
    }
}

/// A URL without what may be secret, also where it is none.
fn shown(url: &str) -> &str {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    if url[..end].contains('@') { "the URL" } else { &url[..end] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Write as _, os::fd::AsRawFd as _};

    fn settings(given: Given, variables: &[(&str, &str)]) -> Result<Settings, String> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment: Environment = variables.iter().map(pair).collect();
        Settings::new(given, &environment).map_err(|failure| failure.to_string())
    }

    fn url(url: &str) -> Given {
        Given { url: Some(url.to_owned()), ..Given::default() }
    }

    fn bearer(settings: &Settings) -> &str {
        settings.headers["authorization"].expose()
    }

    #[test]
    fn a_flag_wins_over_a_variable() {
        let variables = [
            ("MCP_API_KEY", "variable"),
            ("MCP_SERVER_URL", "http://b.test/mcp"),
            ("MCP_ORCHESTRATOR_TIMEOUT", "5"),
            ("MCP_ORCHESTRATOR_CONNECT_TIMEOUT", "6"),
        ];
        let given = Given {
            token: Some("flag".to_owned()),
            timeout: Some(7),
            connect_timeout: Some(8),
            ..url("http://a.test/mcp")
        };
        let found = |settings: &Settings| {
            let times = [settings.timeout, settings.client.options.connect_timeout];
            (settings.url.clone(), bearer(settings).to_owned(), times.map(|time| time.as_secs()))
        };
        let both = settings(given, &variables).expect("valid");
        assert_eq!(found(&both), ("http://a.test/mcp".into(), "Bearer flag".into(), [7, 8]));
        let none = settings(Given::default(), &variables).expect("valid");
        assert_eq!(found(&none), ("http://b.test/mcp".into(), "Bearer variable".into(), [5, 6]));
        let neither = settings(url("http://a.test/mcp"), &[]).expect("valid");
        assert_eq!((neither.timeout, neither.headers.len()), (TIMEOUT, 0));
    }

    #[test]
    fn headers_come_from_flags_and_variables() {
        let lines = "X-Team=blue\n\nX-Key=variable";
        let given = Given { headers: vec!["x-key=flag".to_owned()], ..url("http://a.test/mcp") };
        let found = settings(given, &[("MCP_ORCHESTRATOR_HEADER", lines)]).expect("valid");
        let Target::Http(target) = &found.client.target else { panic!("{found:?}") };
        assert_eq!(target.headers, found.headers);
        assert_eq!(found.headers["x-key"].expose(), "flag");
        assert_eq!(found.headers["x-team"].expose(), "blue");
        assert!(!format!("{found:?}").contains("blue"), "{found:?}");
    }

    #[test]
    fn a_file_says_the_rest_and_its_token_goes_to_its_own_server_alone() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("client.toml");
        let place = "url = 'http://a.test/mcp'\ntoken = 'hunter2'\n";
        let rest = "connect_timeout = 3\n[health]\nevery = 7\n";
        std::fs::write(&path, format!("{place}{rest}")).expect("written");
        let with = |given: Given| settings(Given { config: Some(path.clone()), ..given }, &[]);
        let found = with(Given::default()).expect("valid");
        assert_eq!((found.url.as_str(), bearer(&found)), ("http://a.test/mcp", "Bearer hunter2"));
        let health = found.client.health.expect("it is on");
        assert_eq!((health.every, found.client.breaker), (Duration::from_secs(7), None));
        assert_eq!(found.client.options.connect_timeout, Duration::from_secs(3));
        assert_eq!(with(url("http://a.test/other")).expect("valid").url, "http://a.test/other");
        let refused = with(url("http://b.test/mcp")).expect_err("another server");
        assert!(refused.contains("http://b.test/mcp") && !refused.contains("hunter"), "{refused}");
        std::fs::write(&path, rest).expect("written");
        let found = with(url("http://b.test/mcp")).expect("valid");
        assert_eq!((found.url.as_str(), found.headers.len()), ("http://b.test/mcp", 0));
    }

    #[test]
    fn production_is_a_flag_a_variable_or_a_key() {
        let (local, public) = ("https://127.0.0.1/mcp", "https://a.test/mcp");
        let asked = |text: &str| Given { production: true, ..url(text) };
        let variable = |text: &'static str| [("MCP_ORCHESTRATOR_PRODUCTION", text)];
        assert!(settings(asked(public), &[]).expect("valid").client.options.guard.production);
        for refused in [
            settings(asked(local), &[]),
            settings(asked("http://a.test/mcp"), &[]),
            settings(asked(local), &variable("false")),
            settings(url(local), &variable("true")),
            settings(url(public), &variable("maybe")),
        ] {
            refused.expect_err("not in production");
        }
        settings(url(local), &variable("false")).expect("valid");
    }

    #[test]
    fn a_ca_file_may_be_a_pipe_and_hold_what_is_no_text() {
        let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).expect("made");
        let mut pem = b"# Autorit\xe9\n".to_vec();
        pem.extend(made.cert.pem().bytes());
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        writer.write_all(&pem).expect("written");
        drop(writer);
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        let given = Given { ca_file: Some(path.into()), ..url("https://a.test/mcp") };
        let found = settings(given, &[]).expect("valid").client.options.guard.authorities;
        assert_eq!(found.as_deref(), Some(&*pem));
    }

    #[test]
    fn what_cannot_be_used_is_one_sentence_without_a_secret() {
        let a = || url("http://a.test/mcp");
        for (given, word) in [
            (Given::default(), "which server"),
            (url("nowhere"), "nowhere"),
            (url("ftp://a.test/mcp"), "http://"),
            (url("ftp://me:hunter2@a.test/mcp?key=hunter2"), "http://"),
            (Given { token: Some("two hunter2".into()), ..a() }, "token"),
            (Given { token_file: Some("/not/there".into()), ..a() }, "/not/there"),
            (Given { config: Some("/not/there".into()), ..a() }, "/not/there"),
            (Given { ca_file: Some("/not/there".into()), ..a() }, "/not/there"),
            (Given { ca_file: Some("/dev/null".into()), ..a() }, "no certificate"),
            (Given { headers: vec!["hunter2".into()], ..a() }, "NAME=VALUE"),
            (Given { headers: vec!["a b=hunter2".into()], ..a() }, "NAME=VALUE"),
            (Given { headers: vec!["a{}=hunter2".into()], ..a() }, "a{}"),
        ] {
            let refused = settings(given, &[]).expect_err("not usable");
            assert!(refused.contains(word) && !refused.contains("hunter2"), "{refused}");
            assert_eq!(refused.lines().count(), 1, "{refused}");
        }
    }
}

//! The effective configuration: defaults, file, environment and flags, merged and checked.
//! Gives the server its `Config`, and the binary the few settings that are its own. Nothing
//! here touches the data dir or the network.

mod agents;
mod expand;
mod keys;
mod layers;
mod ourselves;
mod show;
mod upstreams;
mod value;

pub(crate) use keys::{FLAGS, nearest};
pub(crate) use layers::Environment;
pub(crate) use show::show;

use crate::failure::Failure;
use layers::Layers;
use mcp_client::Secret;
use mcp_server::config::Config;
use mcp_telemetry::{LogFileConfig, reason};
use ourselves::Ourselves;
use std::{
    fs, io,
    net::TcpListener,
    path::{Path, PathBuf},
};
use toml::{Table, Value};
use upstreams::Upstreams;

/// The commented defaults, which are also the documentation of every key.
pub(crate) const DEFAULT_FILE: &str = include_str!("config.default.toml");

/// What the command line gives.
#[derive(Default)]
pub(crate) struct Given {
    /// `--config`.
    pub(crate) file: Option<PathBuf>,
    /// The flags that set keys, by name without dashes.
    pub(crate) flags: Vec<(&'static str, String)>,
}

impl Given {
    /// The same with the address of a socket that is there already: it stands before all else.
    ///
    /// # Errors
    /// When the system does not tell the address.
    pub(crate) fn listening_on(&self, listener: Option<&TcpListener>) -> Result<Self, Failure> {
        let mut flags = self.flags.clone();
        if let Some(listener) = listener {
            let address = listener.local_addr().map_err(anyhow::Error::from)?;
            flags.retain(|(flag, _)| *flag != "listen");
            flags.push(("listen", address.to_string()));
        }
        Ok(Self { file: self.file.clone(), flags })
    }
}

/// The effective configuration. Holds secrets, so it cannot be printed with `Debug`.
pub(crate) struct Settings {
    /// What the server takes; its token is set only when it stands in the configuration.
    pub(crate) server: Config,
    /// How log lines look: auto, json or pretty.
    pub(crate) log_format: String,
    /// Which log lines are written.
    pub(crate) log_level: String,
    /// The file that log lines are written to, too.
    pub(crate) log_file: Option<LogFileConfig>,
    /// Where spans go: address and protocol.
    pub(crate) otlp: Option<(String, String)>,
    /// The data dir, if one was named.
    pub(crate) data_dir: Option<PathBuf>,
    /// Where the token comes from.
    pub(crate) token: TokenFrom,
    /// What is odd, or left out, one sentence each.
    pub(crate) warnings: Vec<String>,
    /// Upstreams that were left out, one sentence each.
    pub(crate) refused: Vec<String>,
    /// Whether files are read again when they change.
    pub(crate) reload_on_change: bool,
    layers: Layers,
    upstreams: Upstreams,
}

/// Where the token comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenFrom {
    /// It stands in the configuration: in the file, a variable or a flag, as named here.
    Given(String),
    /// A file that the operator keeps.
    File(PathBuf),
    /// The data dir, where it is made if it is not there.
    DataDir,
    /// No token is asked for.
    None,
}

impl Settings {
    /// Reads all layers.
    ///
    /// # Errors
    /// One sentence for each mistake.
    pub(crate) fn load(given: &Given, environment: &Environment) -> Result<Self, Failure> {
        let layers = gather(given, environment)?;
        let listen = layers.text("listen").and_then(|text| text.parse().ok());
        let listen = listen.unwrap_or(Config::default().listen);
        let mut upstreams = read_upstreams(&layers)?;
        let program = std::env::current_exe().ok();
        upstreams.finish(environment, &Ourselves { listen, program: program.as_deref() });
        check(&upstreams.problems)?;
        let mut server = server_config(&layers, environment)?;
        agents::add_worker(&mut server.agents, program.as_deref());
        server.upstreams = upstreams.accepted.clone();
        let token = token_from(&layers)?;
        server.auth.disabled = token == TokenFrom::None;
        if !matches!(token, TokenFrom::Given(_)) {
            server.auth.token = None;
        }
        check_open(&server)?;
        Ok(Self {
            token,
            log_format: layers.text("log.format").unwrap_or("auto").to_owned(),
            log_level: layers.text("log.level").unwrap_or("info").to_owned(),
            log_file: log_file(&layers),
            otlp: otlp(&layers)?,
            data_dir: layers.text("data_dir").map(PathBuf::from),
            warnings: [&layers.warnings[..], &upstreams.warnings, &nameless(&server)].concat(),
            refused: upstreams.refused.clone(),
            reload_on_change: layers.get("reload_on_change") == Some(&Value::Boolean(true)),
            server,
            layers,
            upstreams,
        })
    }

    /// Why upstreams are left out that were not left out before.
    pub(crate) fn newly_refused(&self, before: &Self) -> Vec<String> {
        let (now, before) = (&self.upstreams, &before.upstreams);
        let named = now.left_out.iter().zip(&now.refused);
        let new = named.filter(|(name, _)| !before.left_out.contains(name));
        new.map(|(_, why)| why.clone()).collect()
    }

    /// The files that were read for it, but for those of TLS and that of the token.
    pub(crate) fn files(&self, given: &Given, environment: &Environment) -> Vec<PathBuf> {
        let servers = self.layers.text("mcp_servers").map(PathBuf::from);
        let keys = self.server.auth.jwt.as_ref().and_then(|jwt| jwt.keys_file.clone());
        [file_of(given, environment), servers, keys].into_iter().flatten().collect()
    }

    /// The data dir, if one is named, for commands that need nothing else.
    pub(crate) fn data_dir(
        given: &Given,
        environment: &Environment,
    ) -> Result<Option<PathBuf>, Failure> {
        Ok(gather(given, environment)?.text("data_dir").map(PathBuf::from))
    }

    /// What concerns the server alone, without upstreams and tokens, for commands that need
    /// nothing else.
    pub(crate) fn server(given: &Given, environment: &Environment) -> Result<Config, Failure> {
        server_config(&gather(given, environment)?, environment)
    }
}

/// The settings that a file of MCP servers alone gives.
///
/// # Errors
/// One sentence for each mistake.
pub(crate) fn check_servers(file: &Path, environment: &Environment) -> Result<Settings, Failure> {
    let flags = vec![("mcp-servers", file.to_string_lossy().into_owned())];
    Settings::load(&Given { file: None, flags }, &without_ours(environment))
}

/// The environment without our own settings.
pub(crate) fn without_ours(environment: &Environment) -> Environment {
    let theirs = environment.iter().filter(|(name, _)| !name.starts_with(keys::ENV_PREFIX));
    theirs.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The config file, if one is named.
fn file_of(given: &Given, environment: &Environment) -> Option<PathBuf> {
    let named = environment.get(layers::CONFIG_VARIABLE).filter(|path| !path.is_empty());
    given.file.clone().or_else(|| named.map(PathBuf::from))
}

fn gather(given: &Given, environment: &Environment) -> Result<Layers, Failure> {
    let mut layers = Layers::default();
    layers.add_defaults(DEFAULT_FILE);
    if let Some(path) = file_of(given, environment) {
        layers.add_file(&path, &read(&path, "config file")?);
    }
    layers.add_environment(environment);
    for (name, text) in &given.flags {
        if let Some(flag) = FLAGS.iter().find(|flag| flag.name == *name) {
            layers.add_flag(flag, text);
        }
    }
    check(&layers.problems)?;
    Ok(layers)
}

/// Reads a file that the operator named.
pub(crate) fn read(path: &Path, what: &str) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| unread(path, what, &error))
}

/// The same for a file that need not be text.
pub(crate) fn read_bytes(path: &Path, what: &str) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| unread(path, what, &error))
}

fn unread(path: &Path, what: &str, error: &io::Error) -> Failure {
    let (path, why) = (path.display(), reason(error));
    Failure::usage(format!("the {what} {path} cannot be read: {why}; name another, or mend that"))
}

fn read_upstreams(layers: &Layers) -> Result<Upstreams, Failure> {
    let mut upstreams = Upstreams::default();
    upstreams.add_tables(&layers.upstreams);
    if let Some(path) = layers.text("mcp_servers").map(Path::new) {
        upstreams.add_servers(path, &read(path, "file of MCP servers")?);
    }
    Ok(upstreams)
}

/// The values that are the server's, nested as it reads them.
fn server_config(layers: &Layers, environment: &Environment) -> Result<Config, Failure> {
    let mut root = Table::new();
    for (path, (value, _)) in layers.values.iter().filter(|(path, _)| !keys::OWN.contains(path)) {
        nest(&mut root, path, agents::expanded(path, value, environment)?.as_ref());
    }
    root.try_into().map_err(|error: toml::de::Error| Failure::usage(error.message().to_owned()))
}

/// Puts a value at its path, in the sections that it names.
fn nest(table: &mut Table, path: &str, value: &Value) {
    match path.split_once('.') {
        None => drop(table.insert(path.to_owned(), value.clone())),
        Some((section, rest)) => {
            let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(section) = section {
                nest(section, rest, value);
            }
        }
    }
}

/// Of a token, a token file and no token at all, the highest layer wins; two in one layer
/// contradict each other.
fn token_from(layers: &Layers) -> Result<TokenFrom, Failure> {
    let is_off = layers.get("auth.disabled") == Some(&Value::Boolean(true));
    let mut choices = Vec::new();
    for (path, is_set) in [("auth.token", true), ("token_file", true), ("auth.disabled", is_off)] {
        if let Some(source) = layers.source(path).filter(|_| is_set) {
            choices.push((source.rank(), path, source));
        }
    }
    choices.sort_by_key(|(rank, ..)| *rank);
    if let [.., (first, _, one), (second, _, other)] = choices[..]
        && first == second
    {
        return Err(Failure::usage(format!("{one} and {other} contradict each other; give one")));
    }
    Ok(match choices.last() {
        Some((_, "auth.token", source)) => TokenFrom::Given(source.to_string()),
        Some((_, "token_file", _)) => {
            TokenFrom::File(layers.text("token_file").unwrap_or_default().into())
        }
        Some(_) => TokenFrom::None,
        None => TokenFrom::DataDir,
    })
}

fn check_open(server: &Config) -> Result<(), Failure> {
    if server.auth.disabled && !server.listen.ip().is_loopback() {
        return Err(Failure::usage(format!(
            "without a token the server may only listen on loopback, not on {}; \
             drop --no-auth, or listen on 127.0.0.1",
            server.listen
        )));
    }
    server.auth.token.as_ref().map_or(Ok(()), check_token)
}

/// A listener on all addresses does not know by which names it is called.
fn nameless(server: &Config) -> Vec<String> {
    let is_nameless = server.listen.ip().is_unspecified() && server.auth.allowed_hosts.is_empty();
    let text = "clients that call this server by another name than localhost are refused; \
                add its names to `auth.allowed_hosts`";
    is_nameless.then(|| text.to_owned()).into_iter().collect()
}

/// Whether a token can be sent in a header.
pub(crate) fn check_token(token: &Secret) -> Result<(), Failure> {
    let text = token.expose();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Failure::usage(
        "the token must be letters, digits and signs without spaces, at least one".to_owned(),
    ))
}

fn otlp(layers: &Layers) -> Result<Option<(String, String)>, Failure> {
    let Some(endpoint) = layers.text("telemetry.otlp_endpoint") else { return Ok(None) };
    if !["http://", "https://"].iter().any(|scheme| endpoint.starts_with(scheme)) {
        // It may hold a secret, so it is not shown.
        return Err(Failure::usage(
            "`telemetry.otlp_endpoint` (--otlp-endpoint) must be a URL such as http://127.0.0.1:4317",
        ));
    }
    let protocol = layers.text("telemetry.otlp_protocol").unwrap_or("grpc");
    Ok(Some((endpoint.to_owned(), protocol.to_owned())))
}

fn log_file(layers: &Layers) -> Option<LogFileConfig> {
    let count = |path| layers.get(path).and_then(Value::as_integer).unwrap_or_default();
    Some(LogFileConfig {
        path: layers.text("log.file")?.into(),
        // No count is below zero.
        max_size: count("log.file_max_size").unsigned_abs(),
        keep: usize::try_from(count("log.file_keep")).unwrap_or_default(),
    })
}

fn check(problems: &[String]) -> Result<(), Failure> {
    if problems.is_empty() { Ok(()) } else { Err(Failure::usage(problems.join("\n"))) }
}

#[cfg(test)]
mod tests;

//! Every key that may be set: its path, what it takes, and the flag that sets it. The file,
//! the environment and the flags are all read against this one list. A new key of the server is
//! added here and in `config.default.toml`; tests hold the three together.

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An IP address and a port.
    Address,
    /// Any text.
    Text,
    /// Any text, never shown.
    Secret,
    /// A file or a directory; in a config file, relative to that file.
    Path,
    /// A whole number, zero or more.
    Count,
    /// A duration in seconds, at most a year.
    Seconds,
    /// True or false.
    Switch,
    /// A list of texts.
    Texts,
    /// A list of tokens, each with the name of its principal; tokens are never shown.
    Tokens,
    /// For each principal, which tools it has.
    ToolLists,
    /// For each type of agents, how one is started; values of variables are never shown.
    Templates,
    /// One of a few words.
    Choice(&'static [&'static str]),
}

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    /// Where it stands, sections separated by dots.
    pub(crate) path: &'static str,
    /// What it takes.
    pub(crate) kind: Kind,
}

/// A flag of the command line that sets a key.
#[derive(Debug)]
pub(crate) struct Flag {
    /// Its name, without the dashes.
    pub(crate) name: &'static str,
    /// The key it sets.
    pub(crate) path: &'static str,
    /// The flag switches the key off rather than on.
    pub(crate) inverted: bool,
}

const fn key(path: &'static str, kind: Kind) -> Key {
    Key { path, kind }
}

const fn flag(name: &'static str, path: &'static str) -> Flag {
    Flag { name, path, inverted: false }
}

/// All keys but those of upstreams, which have names of the operator's choosing.
pub(crate) const KEYS: &[Key] = &[
    key("listen", Kind::Address),
    key("server_name", Kind::Text),
    key("instructions", Kind::Text),
    key("data_dir", Kind::Path),
    key("mcp_servers", Kind::Path),
    key("token_file", Kind::Path),
    key("reload_on_change", Kind::Switch),
    key("drain", Kind::Seconds),
    key("first_list_wait", Kind::Seconds),
    key("auth.token", Kind::Secret),
    key("auth.disabled", Kind::Switch),
    key("auth.allowed_origins", Kind::Texts),
    key("auth.allowed_hosts", Kind::Texts),
    key("auth.trusted_proxies", Kind::Texts),
    key("auth.tokens", Kind::Tokens),
    key("auth.principals", Kind::ToolLists),
    key("auth.jwt.issuer", Kind::Text),
    key("auth.jwt.audience", Kind::Text),
    key("auth.jwt.algorithms", Kind::Texts),
    key("auth.jwt.leeway", Kind::Seconds),
    key("auth.jwt.keys_file", Kind::Path),
    key("auth.jwt.jwks_url", Kind::Text),
    key("auth.jwt.jwks_refresh", Kind::Seconds),
    key("auth.jwt.resource", Kind::Text),
    key("tls.cert_file", Kind::Path),
    key("tls.key_file", Kind::Path),
    key("transports.http", Kind::Switch),
    key("transports.websocket", Kind::Switch),
    key("names.prefix", Kind::Switch),
    key("builtins.enabled", Kind::Switch),
    key("agents.enabled", Kind::Switch),
    key("agents.most_agents", Kind::Count),
    key("agents.most_agents_per_principal", Kind::Count),
    key("agents.most_tasks", Kind::Count),
    key("agents.most_queued", Kind::Count),
    key("agents.most_queued_per_principal", Kind::Count),
    key("agents.ping", Kind::Seconds),
    key("agents.task_timeout", Kind::Seconds),
    key("agents.queue_timeout", Kind::Seconds),
    key("agents.restarts", Kind::Count),
    key("agents.templates", Kind::Templates),
    key("tasks.enabled", Kind::Switch),
    key("tasks.most", Kind::Count),
    key("tasks.most_per_principal", Kind::Count),
    key("tasks.ttl", Kind::Seconds),
    key("limits.body_bytes", Kind::Count),
    key("limits.json_depth", Kind::Count),
    key("limits.receive_timeout", Kind::Seconds),
    key("limits.header_bytes", Kind::Count),
    key("limits.connections", Kind::Count),
    key("limits.streams", Kind::Count),
    key("limits.calls", Kind::Count),
    key("limits.sessions", Kind::Count),
    key("limits.session_idle", Kind::Seconds),
    key("limits.session_sweep", Kind::Seconds),
    key("limits.handshake_timeout", Kind::Seconds),
    key("limits.resume_window", Kind::Seconds),
    key("limits.result_ttl", Kind::Seconds),
    key("limits.kept_streams", Kind::Count),
    key("limits.kept_bytes", Kind::Count),
    key("limits.heartbeat", Kind::Seconds),
    key("limits.heartbeat_timeout", Kind::Seconds),
    key("limits.write_timeout", Kind::Seconds),
    key("limits.presence_idle", Kind::Seconds),
    key("limits.presences", Kind::Count),
    key("limits.stream_events", Kind::Count),
    key("limits.stream_bytes", Kind::Count),
    key("limits.batch", Kind::Count),
    key("limits.questions", Kind::Count),
    key("limits.calls_per_session", Kind::Count),
    key("limits.tool_timeout", Kind::Seconds),
    key("limits.request_timeout", Kind::Seconds),
    key("limits.tool_ceiling", Kind::Seconds),
    key("limits.park", Kind::Seconds),
    key("limits.upstream_ping", Kind::Seconds),
    key("limits.upstream_ping_timeout", Kind::Seconds),
    key("limits.upstream_ping_misses", Kind::Count),
    key("limits.own_upstream_sessions", Kind::Count),
    key("limits.own_upstream_idle", Kind::Seconds),
    key("limits.max_stale", Kind::Seconds),
    key("limits.rate.per_principal", Kind::Count),
    key("limits.rate.per_principal_burst", Kind::Count),
    key("limits.rate.per_address", Kind::Count),
    key("limits.rate.per_address_burst", Kind::Count),
    key("store.enabled", Kind::Switch),
    key("store.history", Kind::Seconds),
    key("store.event_bytes", Kind::Count),
    key("log.format", Kind::Choice(&["auto", "json", "pretty"])),
    key("log.level", Kind::Text),
    key("log.file", Kind::Path),
    key("log.file_max_size", Kind::Count),
    key("log.file_keep", Kind::Count),
    key("telemetry.otlp_endpoint", Kind::Text),
    key("telemetry.otlp_protocol", Kind::Choice(&["grpc", "http"])),
];

/// The keys of the binary alone; all others are the server's.
pub(crate) const OWN: &[&str] = &[
    "reload_on_change",
    "data_dir",
    "mcp_servers",
    "token_file",
    "log.format",
    "log.level",
    "log.file",
    "log.file_max_size",
    "log.file_keep",
    "telemetry.otlp_endpoint",
    "telemetry.otlp_protocol",
];

/// The flags that set a key.
pub(crate) const FLAGS: &[Flag] = &[
    flag("listen", "listen"),
    flag("token", "auth.token"),
    flag("token-file", "token_file"),
    flag("mcp-servers", "mcp_servers"),
    flag("data-dir", "data_dir"),
    flag("no-auth", "auth.disabled"),
    flag("agents", "agents.enabled"),
    Flag { name: "no-prefix", path: "names.prefix", inverted: true },
    flag("log-format", "log.format"),
    flag("log-level", "log.level"),
    flag("log-file", "log.file"),
    flag("otlp-endpoint", "telemetry.otlp_endpoint"),
    flag("otlp-protocol", "telemetry.otlp_protocol"),
];

/// The keys of `[upstreams.NAME]`.
pub(crate) const UPSTREAM_KEYS: &[&str] = &[
    "command",
    "args",
    "env",
    "cwd",
    "url",
    "headers",
    "era",
    "prefix",
    "tool_timeout",
    "safe_to_repeat",
    "trust_hints",
    "long_running",
];

/// What every variable of ours starts with.
pub(crate) const ENV_PREFIX: &str = "MCP_ORCHESTRATOR_";

/// The key at `path`.
pub(crate) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// The variable that sets the key at `path`: sections are separated by two underscores.
pub(crate) fn variable(path: &str) -> String {
    format!("{ENV_PREFIX}{}", path.replace('.', "__").to_uppercase())
}

/// The variable that stands for a flag.
pub(crate) fn flag_variable(flag: &Flag) -> String {
    format!("{ENV_PREFIX}{}", flag.name.replace('-', "_").to_uppercase())
}

/// The candidate that `word` was most likely meant to be.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let most = (word.len() / 3).max(2);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= most && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The full path that an unknown `path` was most likely meant to be: a near spelling, or the
/// same last word in another section.
pub(crate) fn nearest_path(path: &str) -> Option<&'static str> {
    let last = |path: &'static str| path.rsplit('.').next().unwrap_or(path);
    let word = path.rsplit('.').next().unwrap_or(path);
    let elsewhere = || KEYS.iter().find(|key| last(key.path) == word);
    let sections = KEYS.iter().filter_map(|key| key.path.rsplit_once('.').map(|(name, _)| name));
    let known = KEYS.iter().map(|key| key.path).chain(sections).chain(["upstreams"]);
    nearest(path, known).or_else(|| elsewhere().map(|key| key.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_finds_the_one_that_was_meant() {
        for (wrong, right) in [
            ("lisen", Some("listen")),
            ("limits.sesions", Some("limits.sessions")),
            ("limit", Some("limits")),
            ("token", Some("auth.token")),
            ("upstream", Some("upstreams")),
            ("colour", None),
        ] {
            assert_eq!(nearest_path(wrong), right, "{wrong}");
        }
    }

    #[test]
    fn flags_set_keys_that_exist() {
        for flag in FLAGS {
            assert!(find(flag.path).is_some(), "{}", flag.name);
        }
        for path in OWN {
            assert!(find(path).is_some(), "{path}");
        }
    }
}

//! What an operator may set. Every field has a default; unknown keys are errors.
//! Durations in files are seconds; they may be fractions.

mod address;
mod agents;
mod auth;
mod live;
mod tasks;
mod tls;

pub use address::reachable;
pub use agents::{AgentTemplate, AgentsConfig};
pub use auth::{AuthConfig, JwtConfig, NamedToken, RateLimits, ToolLists};
pub(crate) use live::LiveLimits;
pub use tasks::TasksConfig;
pub use tls::TlsConfig;

use indexmap::IndexMap;
use mcp_client::{Secret, Target};
use mcp_protocol::Era;
use mcp_store::Retention;
use serde::{Deserialize, Deserializer};
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

/// The whole configuration of a server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen (default `127.0.0.1:3001`; port 0 picks a free one).
    pub listen: SocketAddr,
    /// The name `/health` and the protocol give (default `devs-orchestrator`).
    pub server_name: String,
    /// What the server tells a model about itself in `initialize`, if anything.
    pub instructions: Option<String>,
    /// Who may come in.
    pub auth: AuthConfig,
    /// TLS on the listener (default: none).
    pub tls: TlsConfig,
    /// How clients may connect.
    pub transports: Transports,
    /// Bounds on clients and their sessions.
    pub limits: Limits,
    /// What outlives the process.
    pub store: StoreConfig,
    /// Names of tools and prompts.
    pub names: Names,
    /// Built-in tools.
    pub builtins: Builtins,
    /// Agents that clients may start.
    pub agents: AgentsConfig,
    /// Calls that are answered with a task.
    pub tasks: TasksConfig,
    /// Longest time to finish calls in flight after a stop was asked for (default 10 s).
    #[serde(deserialize_with = "seconds")]
    pub drain: Duration,
    /// Longest time a first list waits for upstreams that are not known yet (default 10 s).
    #[serde(deserialize_with = "seconds")]
    pub first_list_wait: Duration,
    /// Upstream MCP servers by name. Where bare names collide, the order counts.
    pub upstreams: IndexMap<String, UpstreamConfig>,
}

/// Bounds on clients and their sessions.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Largest request body, in bytes (default 4 MiB).
    pub body_bytes: usize,
    /// How deep arrays and objects of a message may stand in each other (default 128).
    pub json_depth: usize,
    /// Longest time for a request's headers, and again for its body (default 30 s).
    #[serde(deserialize_with = "seconds")]
    pub receive_timeout: Duration,
    /// Largest head of a request, in bytes (default 64 KiB, at least 8 KiB).
    pub header_bytes: usize,
    /// Most sockets at once (default 20,000); beyond, a client gets 503.
    pub connections: usize,
    /// Most streams open at once (default 15,000, fewer than sockets so that calls find one):
    /// beyond, a GET stream or `subscriptions/listen` is refused. The stream of a call is counted
    /// and never refused, since the call has begun.
    pub streams: usize,
    /// Most calls in flight at once, of all clients (default 10,000).
    pub calls: usize,
    /// Most sessions at once (default 10,000).
    pub sessions: usize,
    /// Longest time a session lives without request, call in flight or open stream (default 300 s).
    #[serde(deserialize_with = "seconds")]
    pub session_idle: Duration,
    /// Longest time from `initialize` to `notifications/initialized`, and from a WebSocket's
    /// opening to its first accepted message (default 5 s, at most 30 s).
    #[serde(deserialize_with = "seconds")]
    pub handshake_timeout: Duration,
    /// Longest time after which the client of a session that was put away for want of activity,
    /// or whose WebSocket client has gone, may go on with it (default 24 h).
    #[serde(deserialize_with = "seconds")]
    pub resume_window: Duration,
    /// Longest time for which the stream of a call that has ended waits for a client that may
    /// come back (default 300 s).
    #[serde(deserialize_with = "seconds")]
    pub result_ttl: Duration,
    /// Most such streams of one session (default 16).
    pub kept_streams: usize,
    /// Most bytes of such streams of one session (default 16 MiB).
    pub kept_bytes: usize,
    /// How often idle sessions are looked for (default 60 s).
    #[serde(deserialize_with = "seconds")]
    pub session_sweep: Duration,
    /// How often a WebSocket client is asked whether it is there (default 30 s).
    #[serde(deserialize_with = "seconds")]
    pub heartbeat: Duration,
    /// Longest time until it must have answered (default 10 s).
    #[serde(deserialize_with = "seconds")]
    pub heartbeat_timeout: Duration,
    /// Longest time in which a client reads nothing of what waits for it (default 30 s).
    #[serde(deserialize_with = "seconds")]
    pub write_timeout: Duration,
    /// Longest time a modern client counts as present without a request (default 300 s).
    #[serde(deserialize_with = "seconds")]
    pub presence_idle: Duration,
    /// Most modern clients counted as present at once (default 10,000).
    pub presences: usize,
    /// Most events kept for one stream while its client does not read (default 1,024).
    pub stream_events: usize,
    /// Most bytes kept for one stream while its client does not read (default 4 MiB).
    pub stream_bytes: usize,
    /// Most messages in one batch (default 100).
    pub batch: usize,
    /// Most questions to one client that wait for an answer (default 64).
    pub questions: usize,
    /// Most calls in flight of one session (default 256).
    pub calls_per_session: usize,
    /// Longest time one tool call may take (default 300 s).
    #[serde(deserialize_with = "seconds")]
    pub tool_timeout: Duration,
    /// Longest time any other call to an upstream may take (default 30 s).
    #[serde(deserialize_with = "seconds")]
    pub request_timeout: Duration,
    /// Longest time a tool call may take that goes on reporting progress, each report giving it
    /// `tool_timeout` anew (default 1 h).
    #[serde(deserialize_with = "seconds")]
    pub tool_ceiling: Duration,
    /// Longest time a call waits for an upstream that is away (default 10 s).
    #[serde(deserialize_with = "seconds")]
    pub park: Duration,
    /// How often an upstream is asked whether it is there (default 30 s).
    #[serde(deserialize_with = "seconds")]
    pub upstream_ping: Duration,
    /// Longest time until it must have answered (default 5 s).
    #[serde(deserialize_with = "seconds")]
    pub upstream_ping_timeout: Duration,
    /// After so many unanswered one after the other it is replaced (default 3).
    pub upstream_ping_misses: u32,
    /// Most upstream sessions that belong to one client each (default 64 per upstream).
    pub own_upstream_sessions: usize,
    /// Longest time such a session lives without a call (default 300 s).
    #[serde(deserialize_with = "seconds")]
    pub own_upstream_idle: Duration,
    /// Longest time for which entries of an upstream that is away stay listed (default 24 h).
    #[serde(deserialize_with = "seconds")]
    pub max_stale: Duration,
    /// How fast requests may come (default: no limit).
    pub rate: RateLimits,
}

/// How clients may connect. One of them at least is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Transports {
    /// Serve Streamable HTTP at `/mcp` (default true).
    pub http: bool,
    /// Serve WebSocket at `/ws` (default true).
    pub websocket: bool,
}

/// What outlives the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// Keep sessions beyond the process (default true). Without, they last as long as it does.
    pub enabled: bool,
    /// How long the history of sessions is kept (default 7 days).
    #[serde(deserialize_with = "seconds")]
    pub history: Duration,
    /// Most bytes of events that wait for their clients, in all (default 256 MiB).
    pub event_bytes: u64,
}

impl StoreConfig {
    /// How long things are kept in the store, and how much of them.
    #[must_use]
    pub fn retention(&self, result_ttl: Duration) -> Retention {
        Retention { history: self.history, events: result_ttl, event_bytes: self.event_bytes }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { enabled: true, history: Duration::from_secs(7 * 86_400), event_bytes: 256 << 20 }
    }
}

/// Names of tools and prompts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Names {
    /// Serve upstream tools and prompts as `<upstream>__<name>` (default true).
    pub prefix: bool,
}

/// Built-in tools.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Builtins {
    /// Offer them at all (default true).
    pub enabled: bool,
}

/// One upstream MCP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// Where it is.
    pub target: Target,
    /// Speak only this era to it; `None` finds out.
    pub era: Option<Era>,
    /// Overrides [`Names::prefix`] for this upstream.
    pub prefix: Option<bool>,
    /// Overrides [`Limits::tool_timeout`] for this upstream.
    pub tool_timeout: Option<Duration>,
    /// Tools, by the upstream's own names, that may be called twice for one call of a client.
    pub safe_to_repeat: Vec<String>,
    /// Whether a tool that its upstream declares idempotent or read-only is taken to be so
    /// (default true).
    pub trust_hints: bool,
    /// Tools, by the upstream's own names, whose calls become tasks for clients that take them;
    /// `*` stands for any text.
    pub long_running: Vec<String>,
}

impl UpstreamConfig {
    /// An upstream there, with every other key at its default.
    #[must_use]
    pub const fn at(target: Target) -> Self {
        Self {
            target,
            era: None,
            prefix: None,
            tool_timeout: None,
            safe_to_repeat: Vec::new(),
            trust_hints: true,
            long_running: Vec::new(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 3001)),
            server_name: "devs-orchestrator".into(),
            instructions: None,
            auth: AuthConfig::default(),
            tls: TlsConfig::default(),
            transports: Transports::default(),
            limits: Limits::default(),
            store: StoreConfig::default(),
            names: Names::default(),
            builtins: Builtins::default(),
            agents: AgentsConfig::default(),
            tasks: TasksConfig::default(),
            drain: Duration::from_secs(10),
            first_list_wait: Duration::from_secs(10),
            upstreams: IndexMap::new(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 4 << 20,
            json_depth: 128,
            receive_timeout: Duration::from_secs(30),
            header_bytes: 64 << 10,
            connections: 20_000,
            streams: 15_000,
            calls: 10_000,
            sessions: 10_000,
            session_idle: Duration::from_secs(300),
            handshake_timeout: Duration::from_secs(5),
            resume_window: Duration::from_secs(24 * 3_600),
            result_ttl: Duration::from_secs(300),
            kept_streams: 16,
            kept_bytes: 16 << 20,
            session_sweep: Duration::from_secs(60),
            heartbeat: Duration::from_secs(30),
            heartbeat_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            presence_idle: Duration::from_secs(300),
            presences: 10_000,
            stream_events: 1_024,
            stream_bytes: 4 << 20,
            batch: 100,
            questions: 64,
            calls_per_session: 256,
            tool_timeout: Duration::from_secs(300),
            request_timeout: Duration::from_secs(30),
            tool_ceiling: Duration::from_secs(3_600),
            park: Duration::from_secs(10),
            upstream_ping: Duration::from_secs(30),
            upstream_ping_timeout: Duration::from_secs(5),
            upstream_ping_misses: 3,
            own_upstream_sessions: 64,
            own_upstream_idle: Duration::from_secs(300),
            max_stale: Duration::from_secs(24 * 3_600),
            rate: RateLimits::default(),
        }
    }
}

impl Default for Transports {
    fn default() -> Self {
        Self { http: true, websocket: true }
    }
}

impl Default for Names {
    fn default() -> Self {
        Self { prefix: true }
    }
}

impl Default for Builtins {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// Reads a duration given in seconds.
///
/// # Errors
/// When the number is negative, not finite, or above a year.
pub fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    const YEAR: f64 = 366.0 * 86_400.0;
    let seconds = f64::deserialize(deserializer)?;
    if (0.0..=YEAR).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(serde::de::Error::custom("a duration is a number of seconds from 0 to a year"))
    }
}

impl<'de> Deserialize<'de> for UpstreamConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        UpstreamFile::deserialize(deserializer)?.try_into().map_err(serde::de::Error::custom)
    }
}

/// An upstream as it stands in a TOML file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpstreamFile {
    command: Option<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, Secret>,
    cwd: Option<std::path::PathBuf>,
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, Secret>,
    era: Option<String>,
    prefix: Option<bool>,
    tool_timeout: Option<f64>,
    #[serde(default)]
    safe_to_repeat: Vec<String>,
    trust_hints: Option<bool>,
    #[serde(default)]
    long_running: Vec<String>,
}

impl TryFrom<UpstreamFile> for UpstreamConfig {
    type Error = String;

    fn try_from(file: UpstreamFile) -> Result<Self, String> {
        let target = match (file.command, file.url) {
            (Some(command), None) => Target::stdio(command, file.args, file.env, file.cwd),
            (None, Some(url)) => {
                Target::url(&url, file.headers).map_err(|error| error.to_string())?
            }
            _ => return Err("an upstream has either `command` or `url`".to_owned()),
        };
        let era = match file.era.as_deref() {
            None | Some("auto") => None,
            Some("legacy") => Some(Era::Legacy),
            Some("modern") => Some(Era::Modern),
            Some(other) => return Err(format!("era `{other}` is none of auto, legacy, modern")),
        };
        let tool_timeout = file
            .tool_timeout
            .map(|seconds| {
                Duration::try_from_secs_f64(seconds).map_err(|_| "`tool_timeout` is no duration")
            })
            .transpose()?;
        if file.safe_to_repeat.iter().any(String::is_empty) {
            return Err("`safe_to_repeat` holds an empty name".to_owned());
        }
        if file.long_running.iter().any(String::is_empty) {
            return Err("`long_running` holds an empty name".to_owned());
        }
        Ok(Self {
            era,
            prefix: file.prefix,
            tool_timeout,
            safe_to_repeat: file.safe_to_repeat,
            trust_hints: file.trust_hints.unwrap_or(true),
            long_running: file.long_running,
            ..Self::at(target)
        })
    }
}

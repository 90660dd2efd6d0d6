//! From configuration to stages.

use super::{OrchestratorServer, ServerError, tls::Tls};
use crate::{
    admission::Admission,
    agents::Agents,
    config::{Config, LiveLimits},
    dispatch::{Dispatch, Identity},
    pipeline::Stages,
    session::{Listeners, Presences, Sessions, StreamPlaces, now},
    tasks::{self, Tasks},
    tools::{Registry, RegistryError, Tool, agent_tools, builtins},
    transport::{LinkMade, Page, StatusReport},
    upstream::{Start, Upstreams},
};
use arc_swap::ArcSwap;
use mcp_store::{MemoryStore, Store};
use mcp_telemetry::Telemetry;
use std::{
    net::TcpListener,
    sync::{Arc, OnceLock, Weak, atomic::AtomicUsize},
    time::Duration,
};
use tokio::sync::{Mutex, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Least room for a request's head, in bytes: the HTTP library needs it.
const LEAST_HEADER_BYTES: usize = 8 << 10;

/// Longest time a handshake may be given.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(30);

/// Makes a server.
#[derive(Default)]
pub struct Builder {
    config: Config,
    telemetry: Option<Telemetry>,
    tools: Vec<Arc<dyn Tool>>,
    state_key: Option<[u8; 32]>,
    store: Option<Arc<dyn Store>>,
    listener: Option<TcpListener>,
    link_made: Option<LinkMade>,
}

/// What is made before the start and put together at it.
pub(super) struct Parts {
    /// A socket that was given to serve on.
    pub(super) listener: Option<TcpListener>,
    tools: Registry,
    admission: Admission,
    state_key: [u8; 32],
    store: Arc<dyn Store>,
    agents: Option<Agents>,
    stages: StatusCell,
}

impl Builder {
    /// Takes a configuration.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Reports to this telemetry instead of one of its own.
    #[must_use]
    pub fn telemetry(mut self, telemetry: Telemetry) -> Self {
        self.telemetry = Some(telemetry);
        self
    }

    /// Adds a tool of your own.
    #[must_use]
    pub fn tool(mut self, tool: impl Tool) -> Self {
        self.tools.push(Arc::new(tool));
        self
    }

    /// Seals the state of multi-round-trip requests with this key, so that a retry is understood
    /// after a restart. Without it a key is drawn.
    #[must_use]
    pub fn state_key(mut self, key: [u8; 32]) -> Self {
        self.state_key = Some(key);
        self
    }

    /// Keeps sessions in this store. Without one they last as long as the process.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Serves on this socket, whatever the configuration says: one that somebody else opened and
    /// keeps open, so that clients wait in its queue while the server is started anew.
    #[must_use]
    pub fn listener(mut self, listener: TcpListener) -> Self {
        self.listener = Some(listener);
        self
    }

    /// Tells the link to the page at `/`, which lets one visitor in, once: the first at the start,
    /// another whenever one was used. It is a secret.
    #[must_use]
    pub fn on_page_link(mut self, told: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.link_made = Some(Box::new(told));
        self
    }

    /// Checks everything and makes the server.
    ///
    /// # Errors
    /// When a tool is not valid, there is neither a token nor the word that none is wanted, all
    /// transports are off, a bound is zero, or the files of TLS cannot be used.
    pub fn build(self) -> Result<OrchestratorServer, ServerError> {
        let Self { mut config, telemetry, tools, state_key, store, listener, link_made } = self;
        if let Some(listener) = &listener {
            let unknown = |source| ServerError::Listen { address: config.listen, source };
            config.listen = listener.local_addr().map_err(unknown)?;
        }
        check(&config)?;
        let admission = open(Admission::new(&config)?)?;
        let tls = Tls::new(&config.tls)?.map(Arc::new);
        let telemetry = telemetry.map_or_else(Telemetry::new, Ok)?;
        let stages = StatusCell::default();
        let state_key = state_key.unwrap_or_else(draw_key);
        let retention = config.store.retention(config.limits.result_ttl);
        let store = store.unwrap_or_else(|| Arc::new(MemoryStore::new(retention, now())));
        let kept = retention.history;
        let agents = Agents::new(&config.agents, kept, Arc::clone(&store), telemetry.clone());
        let tools = OwnTools { given: tools, agents: agents.clone(), stages: Arc::clone(&stages) };
        let registry = tools.registry(&config, &telemetry)?;
        let parts =
            Parts { listener, tools: registry, admission, state_key, store, agents, stages };
        let (parts, page) = (Some(parts), Page::new(link_made));
        Ok(OrchestratorServer { config, telemetry, tools, parts, tls, page, running: None })
    }
}

/// Filled at the start: the status tool needs the stages, which need the tool.
type StatusCell = Arc<OnceLock<(Weak<Stages>, Arc<StatusReport>)>>;

/// The tools that we run ourselves, to be registered now and when the configuration changes.
pub(super) struct OwnTools {
    given: Vec<Arc<dyn Tool>>,
    /// Agents, if any can be started.
    pub(super) agents: Option<Agents>,
    stages: StatusCell,
}

impl OwnTools {
    /// The tools that this configuration offers.
    pub(super) fn registry(
        &self,
        config: &Config,
        telemetry: &Telemetry,
    ) -> Result<Registry, RegistryError> {
        let mut tools = self.given.clone();
        tools.extend(self.agents.iter().flat_map(agent_tools));
        if config.builtins.enabled {
            let cell = Arc::clone(&self.stages);
            tools.extend(builtins(
                &(Arc::new(move || {
                    let known = cell
                        .get()
                        .and_then(|(stages, report)| Some(report.render(&*stages.upgrade()?)));
                    known.unwrap_or_default()
                }) as _),
            ));
        }
        Registry::new(tools, config.limits.tool_timeout, telemetry)
    }
}

/// An admission that somebody can pass.
pub(super) fn open(admission: Admission) -> Result<Admission, ServerError> {
    if admission.is_shut() { Err(ServerError::NoToken) } else { Ok(admission) }
}

/// A key for this process only.
fn draw_key() -> [u8; 32] {
    let (first, second) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    use sha2::{Digest, Sha256};
    Sha256::new().chain_update(first).chain_update(second).finalize().into()
}

/// Whether a server can be made of it, as far as that can be told without opening files.
pub(super) fn check(config: &Config) -> Result<(), ServerError> {
    let auth = &config.auth;
    if auth.disabled && !config.listen.ip().is_loopback() {
        return Err(ServerError::OpenToTheNetwork(config.listen));
    }
    let token = auth.token.as_ref().map(|token| token.expose().trim());
    if !auth.disabled && token.is_some_and(str::is_empty) {
        return Err(ServerError::NoToken);
    }
    if config.limits.header_bytes < LEAST_HEADER_BYTES {
        return Err(ServerError::HeaderBytes(LEAST_HEADER_BYTES));
    }
    if config.limits.handshake_timeout > LONGEST_HANDSHAKE {
        return Err(ServerError::HandshakeTimeout(LONGEST_HANDSHAKE.as_secs()));
    }
    if !config.transports.http && !config.transports.websocket {
        return Err(ServerError::NoTransport);
    }
    let limits = &config.limits;
    let bounds = [
        ("limits.body_bytes", limits.body_bytes),
        ("limits.json_depth", limits.json_depth),
        ("limits.sessions", limits.sessions),
        ("limits.connections", limits.connections),
        ("limits.streams", limits.streams),
        ("limits.calls", limits.calls),
        ("limits.stream_events", limits.stream_events),
        ("limits.stream_bytes", limits.stream_bytes),
        ("limits.calls_per_session", limits.calls_per_session),
        ("limits.batch", limits.batch),
        ("limits.upstream_ping_misses", limits.upstream_ping_misses as usize),
        ("agents.most_agents", config.agents.most_agents),
        ("agents.most_tasks", config.agents.most_tasks),
        ("agents.most_queued", config.agents.most_queued),
        ("agents.most_agents_per_principal", config.agents.most_agents_per_principal),
        ("agents.most_queued_per_principal", config.agents.most_queued_per_principal),
        ("tasks.most", config.tasks.most),
    ];
    let spans = [
        ("limits.session_sweep", limits.session_sweep),
        ("limits.session_idle", limits.session_idle),
        ("limits.handshake_timeout", limits.handshake_timeout),
        ("limits.presence_idle", limits.presence_idle),
        ("limits.heartbeat", limits.heartbeat),
        ("limits.heartbeat_timeout", limits.heartbeat_timeout),
        ("limits.write_timeout", limits.write_timeout),
        ("limits.receive_timeout", limits.receive_timeout),
        ("limits.tool_timeout", limits.tool_timeout),
        ("limits.request_timeout", limits.request_timeout),
        ("limits.tool_ceiling", limits.tool_ceiling),
        ("limits.upstream_ping", limits.upstream_ping),
        ("limits.upstream_ping_timeout", limits.upstream_ping_timeout),
        ("agents.ping", config.agents.ping),
        ("agents.task_timeout", config.agents.task_timeout),
        ("agents.queue_timeout", config.agents.queue_timeout),
        ("tasks.ttl", config.tasks.ttl),
    ];
    let zero_bound = bounds.into_iter().find(|(_, bound)| *bound == 0).map(|(name, _)| name);
    let zero_span = spans.into_iter().find(|(_, span)| span.is_zero()).map(|(name, _)| name);
    zero_bound.or(zero_span).map_or(Ok(()), |name| Err(ServerError::Zero(name)))
}

impl Parts {
    /// Puts the stages together and starts the upstreams.
    pub(super) async fn assemble(
        self,
        config: &Config,
        telemetry: Telemetry,
        status: &Arc<StatusReport>,
    ) -> Arc<Stages> {
        let (names, limits) = (self.tools.names(), LiveLimits::new(config.limits.clone()));
        // The store reports itself what it cannot read: then the upstreams tell it anew.
        let kept = self.store.catalogue().await.unwrap_or_default();
        let start = Start {
            limits: limits.clone(),
            telemetry: telemetry.clone(),
            state_key: self.state_key,
            store: Arc::clone(&self.store),
            relays_tasks: config.tasks.enabled,
            questions_wait: config.tasks.ttl,
        };
        let upstreams = Upstreams::start(config, start, names, kept);
        let (calls, closing) = (TaskTracker::new(), CancellationToken::new());
        let tasks = Tasks::new(tasks::Start {
            config: config.tasks,
            store: Arc::clone(&self.store),
            telemetry: telemetry.clone(),
            upstreams: upstreams.clone(),
            agents: self.agents,
            calls: calls.clone(),
            closing: closing.clone(),
        });
        let stages = Arc::new(Stages {
            admission: ArcSwap::from_pointee(self.admission),
            sessions: Sessions::new(limits.clone(), self.store, telemetry.clone()),
            reviving: Mutex::default(),
            presences: Presences::new(limits.clone(), telemetry.clone()),
            listeners: Listeners::default(),
            streams: StreamPlaces::default(),
            calls: AtomicUsize::new(0),
            dispatch: Dispatch::new(
                self.tools,
                (upstreams, tasks),
                identity(config),
                config.first_list_wait,
            ),
            readmit: watch::Sender::new(()),
            telemetry,
            limits,
            tasks: calls,
            connections: TaskTracker::new(),
            stopping: CancellationToken::new(),
            closing,
            cut: CancellationToken::new(),
        });
        keep_keys_fresh(&stages);
        // Set once: parts are assembled once.
        let _first = self.stages.set((Arc::downgrade(&stages), Arc::clone(status))).is_ok();
        stages
    }
}

/// What the server says of itself.
pub(super) fn identity(config: &Config) -> Identity {
    Identity { name: config.server_name.clone(), instructions: config.instructions.clone() }
}

/// Starts what the admission in force needs beside it. It ends with that admission.
pub(super) fn keep_keys_fresh(stages: &Stages) {
    if let Some(refresh) = stages.admission.load().background(stages.telemetry.clone()) {
        let stopping = stages.stopping.clone();
        stages.connections.spawn(stopping.run_until_cancelled_owned(refresh));
    }
}

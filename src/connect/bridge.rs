//! The bridge: what the agent sends goes to who answers it, and what the server sends goes to the
//! agent.

use super::{
    agent::Agent,
    answers, forms, forward,
    kept::Kept,
    known::{Known, List},
    listening::Listeners,
    news::News,
    server::{self, Server},
    settings::Settings,
    wishes::Wishes,
};
use mcp_client::{Client, ClientConfig, Eras, Identity, ServerInfo};
use mcp_protocol::{
    Era, Id, Message, Method, ModernMeta, Notification, Payload, RawObject, RawValue, Request,
    RpcError, code, raw_value,
};
use serde_json::json;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{oneshot, watch},
    task::{AbortHandle, JoinHandle},
};
use tokio_util::task::TaskTracker;

/// Most requests of the agent that wait for an answer.
const MOST_CALLS: usize = 1_024;
/// As many as there may be; try again later.
const OVER_CAPACITY: i64 = 1503;

/// The bridge between one agent and one server.
pub(super) struct Bridge {
    pub(super) agent: Arc<Agent>,
    pub(super) settings: Settings,
    pub(super) listeners: Listeners,
    pub(super) wishes: Wishes,
    server: OnceLock<Arc<Server>>,
    known: Mutex<Known>,
    kept: Kept,
    running: Mutex<HashMap<Id, AbortHandle>>,
    /// The calls of the agent; the end waits for them.
    pub(super) calls: TaskTracker,
    /// What else runs, until the end.
    pub(super) tasks: TaskTracker,
    watching: Mutex<Option<JoinHandle<()>>>,
    /// Counts how often the server said that a list changed.
    changes: watch::Sender<u64>,
    report: Mutex<Option<Report>>,
    /// The lists that the agent has seen.
    asked: Mutex<BTreeSet<List>>,
}

/// What the server is told about how it was missed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Report {
    pub(super) attempts: u32,
    pub(super) away: Duration,
    /// Whether the last return was to the same session.
    pub(super) same_session: bool,
}

impl Bridge {
    pub(super) fn new(agent: Arc<Agent>, settings: Settings, mut kept: Kept) -> Arc<Self> {
        let known = Mutex::new(kept.load());
        Arc::new(Self {
            agent,
            settings,
            listeners: Listeners::default(),
            wishes: Wishes::default(),
            server: OnceLock::new(),
            known,
            kept,
            running: Mutex::default(),
            calls: TaskTracker::new(),
            tasks: TaskTracker::new(),
            watching: Mutex::default(),
            changes: watch::Sender::new(0),
            report: Mutex::default(),
            asked: Mutex::default(),
        })
    }

    /// Takes a message of the agent.
    pub(super) async fn take(self: &Arc<Self>, message: Message) {
        match message {
            Message::Response(response) => self.agent.answered(response),
            Message::Notification(notification) => self.told(&notification),
            Message::Request(request) => match self.refusal(&request.id) {
                None => self.begin(request),
                // Here, so that an agent that only writes is not read from.
                Some(error) => self.agent.answer(Some(&request.id), &Err(error)).await,
            },
        }
    }

    /// Why a request has no place, if it has none.
    fn refusal(&self, id: &Id) -> Option<RpcError> {
        let running = lock(&self.running);
        if running.contains_key(id) {
            return Some(RpcError::new(
                code::INVALID_REQUEST,
                "Another request has this id already",
            ));
        }
        let is_full = running.len() >= MOST_CALLS;
        let sentence = "Too many requests wait for an answer already";
        is_full.then(|| RpcError::new(OVER_CAPACITY, sentence))
    }

    fn told(&self, notification: &Notification) {
        if notification.method == Method::Cancelled {
            let params = RawObject::of_params(notification.params.as_deref());
            let id = params.and_then(|params| params.get("requestId").and_then(Id::parse));
            if let Some(running) = id.and_then(|id| lock(&self.running).remove(&id)) {
                running.abort();
            }
            return;
        }
        if notification.method == Method::Progress {
            // It goes back on the way on which the question came.
            return notification.params.iter().for_each(|params| self.agent.reported(params));
        }
        // The handshake with the server is ours.
        let stays_here = notification.method == Method::Initialized;
        if let Some(server) = self.server.get().filter(|_| !stays_here) {
            let (name, params) = (notification.name.clone(), notification.params.clone());
            // What is dropped later is told as an event.
            if let Err(why) = server.client.notify(name, params) {
                super::say(&format!("`{}` was not sent: {why}", notification.name));
            }
        }
    }

    fn begin(self: &Arc<Self>, request: Request) {
        let (bridge, id) = (Arc::clone(self), request.id.clone());
        let (started, start) = oneshot::channel::<()>();
        let task = self.calls.spawn(async move {
            // Not before its place is taken.
            let _started = start.await;
            let place = Running { bridge: &bridge, id: &request.id, task: tokio::task::id() };
            let payload = bridge.answer(&request).await;
            let room = bridge.agent.room().await;
            // An agent that has its answer may use the id again.
            drop(place);
            if let Some(room) = room {
                room.answer(Some(&request.id), &payload);
            }
        });
        lock(&self.running).insert(id, task.abort_handle());
        // The task waits for it, unless it was aborted.
        let _started = started.send(());
    }

    /// Answers a request: from what is known, or with what the server says.
    async fn answer(self: &Arc<Self>, request: &Request) -> Payload {
        let meta = ModernMeta::of_params(request.params.as_deref())?;
        if let Some(meta) = &meta {
            forms::known_revision(&meta.protocol_version)?;
        }
        let era = if meta.is_some() { Era::Modern } else { Era::Legacy };
        match (request.method, era) {
            (Method::Ping, Era::Legacy) => return Ok(raw_value(&json!({}))),
            (Method::Initialize, Era::Legacy) => return answers::initialize(self, request).await,
            _ => {}
        }
        if era == Era::Modern {
            self.listeners.is_modern();
        }
        let server = self.server(|| of_modern(meta), era);
        match (request.method, era) {
            (Method::ServerDiscover, Era::Modern) => answers::discover(self, &server).await,
            (Method::SubscriptionsListen, Era::Modern) => {
                super::listening::listen(self, &server, request).await
            }
            (method, era) => match List::asked_by(method) {
                Some(list) => answers::list(self, &server, list, request, era).await,
                None => forward::forward(self, &server, request, era).await,
            },
        }
    }

    /// The server; the first who wants it says who asks, and in which era.
    pub(super) fn server(
        self: &Arc<Self>,
        identity: impl FnOnce() -> Identity,
        era: Era,
    ) -> Arc<Server> {
        let start = || {
            let eras = match (self.settings.client.eras, era) {
                (Eras::Only(era), _) => Eras::Only(era),
                (_, Era::Legacy) => Eras::PreferLegacy,
                (_, Era::Modern) => Eras::PreferModern,
            };
            let config = self.settings.client.clone();
            let config = ClientConfig { eras, lists: false, monitoring: None, ..config };
            let news = Arc::new(News::new(self, &self.changes));
            #[expect(clippy::expect_used, reason = "the text is the proof")]
            let client =
                Client::start(config, identity(), news).expect("the settings have checked it");
            let events = client.events();
            let server = Arc::new(Server::new(client));
            let changes = self.changes.subscribe();
            let watch = server::watch(Arc::clone(self), Arc::clone(&server), events, changes);
            *lock(&self.watching) = Some(self.tasks.spawn(watch));
            server
        };
        Arc::clone(self.server.get_or_init(start))
    }

    /// What is known of the server.
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }

    /// Takes what the server says of itself.
    pub(super) fn meet(&self, info: &ServerInfo) {
        self.known().meet(info);
    }

    /// Takes a list, and says whether it is news.
    pub(super) fn learn(&self, list: List, entries: Vec<Box<RawValue>>, grows_only: bool) -> bool {
        self.known().learn(list, entries, grows_only)
    }

    /// The agent has seen a list.
    pub(super) fn has_asked(&self, list: List) {
        lock(&self.asked).insert(list);
    }

    /// Tells the agent that a list is another than the one it has seen.
    pub(super) fn tell_changed(&self, list: List) {
        if !lock(&self.asked).contains(&list) {
            return;
        }
        let method = list.news();
        if !self.listeners.tell(&self.agent, method, None) {
            self.agent.notify(method.as_str(), None);
        }
    }

    /// Keeps what is known for the next time.
    pub(super) fn save(self: &Arc<Self>) {
        let bridge = Arc::clone(self);
        self.tasks.spawn_blocking(move || bridge.kept.save(|| bridge.known().clone()));
    }

    /// The server was away and is back.
    pub(super) fn returned(&self, now: Report) {
        let mut report = lock(&self.report);
        let before = report.unwrap_or_default();
        let attempts = before.attempts.saturating_add(now.attempts);
        *report = Some(Report { attempts, away: before.away.saturating_add(now.away), ..now });
    }

    /// What the server is to be told with the next request.
    pub(super) fn report(&self) -> Option<Report> {
        lock(&self.report).take()
    }

    /// Ends: calls have until `drain` for their answers, then the connection is closed.
    pub(super) async fn end(&self, drain: Duration) {
        self.calls.close();
        // Those that are still on their way then are given up.
        let _drained = tokio::time::timeout(drain, self.calls.wait()).await;
        lock(&self.running).values().for_each(AbortHandle::abort);
        if let Some(watching) = lock(&self.watching).take() {
            watching.abort();
        }
        if let Some(server) = self.server.get() {
            server.client.close().await;
        }
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// A request's place, given back when it ends. One that was cancelled has none any more: its id may
/// be another's by then.
struct Running<'a> {
    bridge: &'a Bridge,
    id: &'a Id,
    task: tokio::task::Id,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut running = lock(&self.bridge.running);
        if running.get(self.id).is_some_and(|running| running.id() == self.task) {
            running.remove(self.id);
        }
    }
}

/// Who a modern agent is; one that says nothing is us. What it can do it says with each call: a
/// legacy server must not ask it.
fn of_modern(meta: Option<ModernMeta>) -> Identity {
    let ours = || {
        raw_value(&json!({ "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") }))
    };
    let info = meta.and_then(|meta| meta.client_info).unwrap_or_else(ours);
    Identity { info, capabilities: raw_value(&json!({})) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Any sequence of operations leaves SQLite and the store in memory in the same visible state,
//! also across reopenings.

use crate::support::{START, close, config, flush, session, telemetry};
use bytes::Bytes;
use mcp_protocol::{Era, Method};
use mcp_store::{
    AgentRecord, CatalogueChange, Change, Counts, ListKey, ListKind, MemoryStore, NamedKind, Noted,
    Restored, Retention, Return, SessionDetail, SessionFilter, SqliteStore, StatusCounts, Store,
    StoredCatalogue, StoredList, StoredName, TaskRecord, TaskRunner, TaskState, UtcMillis, Work,
    WorkChange,
};
use mcp_telemetry::Reason;
use proptest::prelude::*;
use std::{collections::HashSet, sync::Arc, time::Duration};

#[derive(Debug, Clone)]
enum Step {
    Insert(u8),
    Note(u8, Change),
    Revive(u8),
    Catalogue(CatalogueChange),
    Flush,
    /// So many milliseconds pass, and what has expired goes.
    Wait(u32),
    Work(WorkChange),
    Reopen,
}

fn texts() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![Just("a"), Just("\u{0}ü \" '"), Just("x")].prop_map(Arc::from)
}

fn reasons() -> impl Strategy<Value = Reason> {
    prop::sample::select(Reason::ALL)
}

fn changes() -> impl Strategy<Value = Change> {
    let stream = || 0u64..3;
    let request = || (0u8..3).prop_map(|id| Arc::from(id.to_string()));
    prop_oneof![
        1 => Just(Change::Initialized),
        1 => (0u64..9).prop_map(|n| {
            let counts = Counts { requests: n, errors: n / 2 };
            Change::Active(counts)
        }),
        1 => texts().prop_map(Change::LogLevel),
        1 => prop::collection::vec(texts(), 0..3).prop_map(Change::Subscriptions),
        1 => prop::option::of(texts()).prop_map(Change::Resume),
        1 => prop::option::of(texts()).prop_map(|text| Change::Happened(Return::Resumed, text)),
        1 => (reasons(), prop::option::of(texts()))
            .prop_map(|(reason, text)| Change::Disconnected(reason, text)),
        1 => (stream(), prop::option::of(request()))
            .prop_map(|(stream, request)| Change::StreamOpened { stream, request }),
        4 => (stream(), texts()).prop_map(|(stream, text)| {
            // Its number is set when it is applied: each is written once.
            Change::Event { stream, number: 0, json: Bytes::copy_from_slice(text.as_bytes()) }
        }),
        2 => (stream(), 0u64..12).prop_map(|(stream, up_to)| Change::Acknowledged { stream, up_to }),
        1 => stream().prop_map(|stream| Change::StreamClosed { stream }),
        1 => stream().prop_map(|stream| Change::StreamForgotten { stream }),
        2 => (request(), prop::option::of(stream())).prop_map(|(request, stream)| {
            Change::CallStarted { request, method: Method::ToolsCall, stream }
        }),
        2 => request().prop_map(|request| Change::CallEnded { request }),
    ]
}

fn list_keys() -> impl Strategy<Value = ListKey> {
    let upstream = prop_oneof![Just("a"), Just("b")].prop_map(Arc::from);
    let era = prop_oneof![Just(Era::Legacy), Just(Era::Modern)];
    let key = (upstream, era, prop::sample::select(&ListKind::ALL[..]));
    key.prop_map(|(upstream, era, kind)| ListKey { upstream, era, kind })
}

fn times() -> impl Strategy<Value = UtcMillis> {
    (0u64..9).prop_map(|seconds| START.after(Duration::from_secs(seconds)))
}

fn names() -> impl Strategy<Value = StoredName> {
    let kind = prop::sample::select(&NamedKind::ALL[..]);
    (kind, texts(), texts(), texts()).prop_map(|(kind, upstream, original, public)| StoredName {
        kind,
        upstream,
        original,
        rules: Arc::clone(&public),
        public,
    })
}

fn catalogue_changes() -> impl Strategy<Value = CatalogueChange> {
    prop_oneof![
        3 => (list_keys(), texts(), times(), prop::option::of(times()), texts()).prop_map(
            |(key, target, refreshed, stale_since, items)| {
                CatalogueChange::Listed(StoredList { key, target, refreshed, stale_since, items })
            }
        ),
        2 => (list_keys(), times()).prop_map(|(key, at)| CatalogueChange::Stale(key, at)),
        1 => list_keys().prop_map(|key| CatalogueChange::Forgotten(key.upstream, Some(key.era))),
        1 => list_keys().prop_map(|key| CatalogueChange::Forgotten(key.upstream, None)),
        2 => prop::collection::vec(names(), 0..4)
            .prop_map(|names| CatalogueChange::Named(names.into())),
    ]
}

fn work() -> impl Strategy<Value = WorkChange> {
    let id = || (0u8..3).prop_map(|id| Arc::<str>::from(id.to_string()));
    let task =
        (id(), texts(), prop::sample::select(&TaskState::ALL[..]), prop::option::of(texts()));
    prop_oneof![
        2 => (id(), texts()).prop_map(|(id, text)| {
            let kind = Arc::clone(&text);
            WorkChange::Agent(AgentRecord { id, kind, principal: text, created: START })
        }),
        1 => id().prop_map(WorkChange::AgentGone),
        5 => task.prop_map(|(id, text, state, result)| WorkChange::Task(TaskRecord {
            id,
            principal: Arc::clone(&text),
            runner: TaskRunner::ALL[text.len() % 2],
            kind: Arc::clone(&text),
            task: Arc::clone(&text),
            tool: Arc::clone(&text),
            arguments: Arc::clone(&text),
            state,
            attempts: text.len() as u32,
            repeatable: text.len() > 1,
            created: START,
            changed: START,
            result,
            history: text,
        })),
        1 => id().prop_map(WorkChange::TaskGone),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || 0u8..4;
    let step = prop_oneof![
        3 => who().prop_map(Step::Insert),
        20 => (who(), changes()).prop_map(|(who, change)| Step::Note(who, change)),
        2 => who().prop_map(Step::Revive),
        6 => catalogue_changes().prop_map(Step::Catalogue),
        2 => Just(Step::Flush),
        2 => (10u32..400).prop_map(|seconds| Step::Wait(seconds * 1_000)),
        // What was noted a few steps ago expires, and what came right after it does not.
        2 => (0u32..6).prop_map(|less| Step::Wait(300_000 - less)),
        3 => work().prop_map(Step::Work),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..60)
}

/// All that can be seen of a store.
#[derive(Debug, PartialEq)]
struct Seen {
    active: Vec<Restored>,
    disconnected: Vec<Option<Restored>>,
    details: Vec<Option<SessionDetail>>,
    listed: Vec<Arc<str>>,
    counts: StatusCounts,
    catalogue: StoredCatalogue,
    work: Work,
}

async fn look(store: &dyn Store, now: UtcMillis) -> Seen {
    let (mut disconnected, mut details) = (Vec::new(), Vec::new());
    for who in 0..4 {
        let id = who.to_string();
        disconnected.push(store.find_disconnected(&id, now).await.expect("read"));
        details.push(store.session(&id).await.expect("read"));
    }
    let listed = store.sessions(SessionFilter::default(), 99).await.expect("read");
    Seen {
        active: store.load_sessions(now).await.expect("read"),
        disconnected,
        details,
        listed: listed.into_iter().map(|session| session.id).collect(),
        counts: store.status_counts().await.expect("read"),
        catalogue: store.catalogue().await.expect("read"),
        work: store.load_work(now).await.expect("read"),
    }
}

/// Applies the same to both.
struct Both<'a> {
    dir: &'a std::path::Path,
    retention: Retention,
    durable: SqliteStore,
    model: MemoryStore,
    now: UtcMillis,
    events: u64,
    /// Calls that were started and not ended.
    running: HashSet<(u8, Arc<str>)>,
}

impl Both<'_> {
    fn open(&self) -> SqliteStore {
        let config = mcp_store::SqliteConfig { retention: self.retention, ..config(self.dir) };
        SqliteStore::open(&config, self.now, &telemetry()).expect("it opens")
    }

    async fn take(&mut self, step: Step) {
        self.now = self.now.after(Duration::from_millis(1));
        match step {
            Step::Insert(who) => {
                let mut record = session(&who.to_string());
                (record.created, record.last_activity) = (self.now, self.now);
                // What was noted of a session just before it is first written may count or not.
                if self.model.session(&record.id).await.expect("held").is_none() {
                    flush(&self.durable).await;
                }
                self.durable.insert_session(record.clone()).await.expect("written");
                self.model.insert_session(record).await.expect("held");
            }
            Step::Note(who, change) => self.note(who, change),
            Step::Revive(who) => {
                let id = who.to_string();
                let revived = self.durable.revive(&id, self.now).await;
                assert_eq!(revived, self.model.revive(&id, self.now).await);
            }
            Step::Catalogue(change) => {
                assert_eq!(self.durable.note_catalogue(change.clone()), Noted::Queued);
                assert_eq!(self.model.note_catalogue(change), Noted::Queued);
            }
            Step::Flush => flush(&self.durable).await,
            Step::Wait(millis) => {
                flush(&self.durable).await;
                self.now = self.now.after(Duration::from_millis(millis.into()));
                self.durable.alive(self.now);
                self.model.alive(self.now);
                flush(&self.durable).await;
            }
            Step::Work(mut change) => {
                if let WorkChange::Task(task) = &mut change {
                    task.changed = self.now;
                }
                self.durable.write_work(change.clone()).await.expect("written");
                self.model.write_work(change).await.expect("held");
            }
            Step::Reopen => {
                close(&self.durable, self.now).await;
                self.durable = self.open();
            }
        }
    }

    fn note(&mut self, who: u8, mut change: Change) {
        if let Change::Event { number, .. } = &mut change {
            self.events += 1;
            *number = self.events;
        }
        // Of each id one call runs at a time.
        if let Change::CallStarted { request, .. } = &change
            && !self.running.insert((who, Arc::clone(request)))
        {
            return;
        }
        if let Change::CallEnded { request } = &change {
            self.running.remove(&(who, Arc::clone(request)));
        }
        let id = who.to_string();
        crate::support::note(&self.durable, &id, self.now, change.clone());
        crate::support::note(&self.model, &id, self.now, change);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_and_memory_agree(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            // Hundreds of stores are opened and closed: in memory where that can be.
            let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
            let dir = dir.expect("a directory");
            let retention = Retention { history: Duration::from_secs(900), ..Retention::default() };
            let config = mcp_store::SqliteConfig { retention, ..config(dir.path()) };
            let durable = SqliteStore::open(&config, START, &telemetry()).expect("it opens");
            let model = MemoryStore::new(retention, START);
            let (dir, now, events) = (dir.path(), START, 0);
            let running = HashSet::default();
            let mut both = Both { dir, retention, durable, model, now, events, running };
            for step in steps {
                both.take(step).await;
            }
            flush(&both.durable).await;
            let (found, expected) =
                (look(&both.durable, both.now).await, look(&both.model, both.now).await);
            assert_eq!(found, expected);
            // It takes a moment, in which something may expire.
            both.take(Step::Reopen).await;
            let (found, expected) =
                (look(&both.durable, both.now).await, look(&both.model, both.now).await);
            assert_eq!(found, expected, "after a reopening");
            close(&both.durable, both.now).await;
        });
    }
}

//! The tasks extension for clients of the modern era: a call that is answered with a task survives
//! a cut of its connection. Such a task is one of three: a call of an upstream's long-running tool,
//! which is kept here and in the store; a task of an agent (`agents`); or a task that an upstream
//! made itself, which is only relayed (`upstream`). `table` and `kept` decide, `run` makes the
//! calls, `requests` is what clients ask. Everything is in the store before anybody acts on it.

mod agents;
mod kept;
mod requests;
mod restore;
mod run;
mod table;
mod told;

use crate::{
    agents::Agents,
    call::{Caller, Principal},
    config::TasksConfig,
    upstream::{Reply, ToolEntry, Upstreams},
};
use kept::Kept;
use mcp_protocol::RawValue;
use mcp_store::{Store, StoreError, UtcMillis, WorkChange};
use mcp_telemetry::{AgentEvent, Event, Outcome, Telemetry};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};
use table::Table;
use tokio::sync::broadcast;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Changes that a slow listener may be behind.
const CHANGES: usize = 1_024;

/// All tasks. Clones are the same.
#[derive(Clone)]
pub(crate) struct Tasks(Arc<Shared>);

struct Shared {
    config: TasksConfig,
    store: Arc<dyn Store>,
    telemetry: Telemetry,
    upstreams: Upstreams,
    agents: Option<Agents>,
    state: Mutex<Table>,
    /// Tells which task has changed.
    changes: broadcast::Sender<Arc<str>>,
    calls: TaskTracker,
    closing: CancellationToken,
}

/// What tasks need to start.
pub(crate) struct Start {
    pub(crate) config: TasksConfig,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) telemetry: Telemetry,
    pub(crate) upstreams: Upstreams,
    pub(crate) agents: Option<Agents>,
    /// Calls in flight: a stop waits for them.
    pub(crate) calls: TaskTracker,
    /// Says that it waits no longer.
    pub(crate) closing: CancellationToken,
}

impl Tasks {
    /// None yet; `None` when the configuration wants none.
    pub(crate) fn new(start: Start) -> Option<Self> {
        let Start { config, store, telemetry, upstreams, agents, calls, closing } = start;
        config.enabled.then(|| {
            Self(Arc::new(Shared {
                config,
                store,
                telemetry,
                upstreams,
                agents,
                state: Mutex::new(Table::new(config)),
                changes: broadcast::Sender::new(CHANGES),
                calls,
                closing,
            }))
        })
    }

    /// Makes a task of a call, and begins it. It is safe when this returns, and the call is made
    /// once. `None` when it must be answered as any other, for want of room or of a store.
    pub(crate) async fn begin(
        &self,
        caller: &Caller,
        tool: &Arc<ToolEntry>,
        params: Option<&RawValue>,
    ) -> Option<Reply> {
        let kept = Kept::new(caller, tool, params, now());
        let (id, change) = (Arc::clone(&kept.record.id), kept.change());
        if !self.0.state().admit(kept) {
            return None;
        }
        // A client that goes away before it has the answer has withdrawn its call.
        let unanswered = Unanswered { shared: Some(Arc::clone(&self.0)), id };
        self.0.write(change).await.ok()?;
        let id = unanswered.answered();
        let created = self.0.told(&id)?.created();
        self.0.start(&caller.principal, tool, &id);
        Some(Reply { payload: Ok(created), outcome: Outcome::Ok })
    }

    /// Which tasks have changed, from now on.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Arc<str>> {
        self.0.changes.subscribe()
    }

    /// The same of tasks of agents, if there are any.
    pub(crate) fn changes_of_agents(&self) -> Option<broadcast::Receiver<Arc<str>>> {
        self.0.agents.as_ref().map(Agents::changes)
    }

    /// The params of a notification that tells how a task is.
    pub(crate) fn news(&self, id: &str) -> Option<Box<RawValue>> {
        self.0.told(id).or_else(|| self.0.told_by_agents(id)).map(|told| told.detailed().to_raw())
    }

    /// Those of the tasks of which their principal can hear.
    pub(crate) fn audible(&self, principal: &Principal, ids: &[String]) -> Vec<String> {
        let is_theirs = |id: &&String| {
            self.0.state().of(principal.name(), id).is_some()
                || self.0.is_agents(principal.name(), id)
        };
        ids.iter().filter(is_theirs).cloned().collect()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, Table> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self, id: &str) -> Option<told::Told> {
        self.state().get(id).map(|kept| kept.told(self.config.ttl))
    }

    /// Writes a change; safe when this is `Ok`.
    async fn write(&self, change: WorkChange) -> Result<(), StoreError> {
        self.store.write_work_patiently(change).await
    }

    /// Changes a task that has not ended, writes it down and tells of it; whether it is safe. `None`
    /// when there is no such task. In turn, so that what is written last is what it was last.
    async fn change(
        &self,
        id: &str,
        change: impl FnOnce(&mut Kept),
    ) -> Option<Result<(), StoreError>> {
        let turn = self.state().get(id).map(|kept| Arc::clone(&kept.turn))?;
        let _turn = turn.lock().await;
        let changed = self.state().change(id, change).map(|kept| {
            self.report(kept);
            kept.change()
        });
        let written = self.write(changed?).await;
        self.tell(id);
        Some(written)
    }

    /// The same for its end. The store reports what it could not write, and tries again.
    async fn settle(&self, id: &str, change: impl FnOnce(&mut Kept)) {
        let _safe = self.change(id, change).await.is_some_and(|written| written.is_ok());
    }

    fn report(&self, kept: &Kept) {
        let Some((state, code)) = kept.end() else { return };
        let (task, kind) = (&*kept.record.id, &*kept.record.kind);
        let elapsed = now().since(kept.record.created);
        let ended = AgentEvent::TaskEnded { task, kind, state, code, elapsed };
        self.telemetry.emit(&Event::Agent(ended));
    }

    fn tell(&self, id: &str) {
        // Fails only when nobody listens.
        let _listeners = self.changes.send(id.into());
    }
}

/// A task of which its client does not know yet. Dropped, it is forgotten.
struct Unanswered {
    shared: Option<Arc<Shared>>,
    id: Arc<str>,
}

impl Unanswered {
    fn answered(mut self) -> Arc<str> {
        self.shared = None;
        Arc::clone(&self.id)
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        shared.state().forget(&self.id);
        let (id, calls) = (Arc::clone(&self.id), shared.calls.clone());
        calls.spawn(async move {
            // One that stays in the store has never run, and is told so at the next start.
            let _gone = shared.write(WorkChange::TaskGone(id)).await.is_ok();
        });
    }
}

fn now() -> UtcMillis {
    UtcMillis::from(SystemTime::now())
}

//! Agents and tasks. An agent is an MCP server that runs as our child process and is started again
//! when it dies; a task is a tool call placed on one, one at a time. `table` decides what becomes of
//! a task, `supervise` keeps one agent running, `place` runs one task on it, `give` is what the tools
//! ask for. Everything is in the store before anybody acts on it, so that a restart loses nothing
//! and runs nothing twice.

mod agent;
mod give;
mod place;
mod restore;
mod roster;
mod seen;
mod supervise;
mod table;
mod task;

pub(crate) use give::{Order, Refused};
pub(crate) use seen::Seen;

use crate::{call::Principal, config::AgentsConfig};
use agent::{Agent, AgentState};
use mcp_store::{Store, StoreError, UtcMillis, WorkChange};
use mcp_telemetry::{AgentEvent, Event, Telemetry};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use table::{Bounds, Table};
use task::{End, Task};
use tokio::{
    sync::{Notify, Semaphore, broadcast},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Most agents that are being started at once.
const MOST_STARTING: usize = 16;
/// How often it is looked for tasks that have waited too long.
const SWEEP: Duration = Duration::from_secs(1);
/// Ends of tasks that a slow listener may be behind.
const CHANGES: usize = 1_024;
/// Longest time for all agents to end.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// All agents and tasks. Clones are the same.
#[derive(Clone)]
pub(crate) struct Agents(Arc<Shared>);

struct Shared {
    config: AgentsConfig,
    store: Arc<dyn Store>,
    telemetry: Telemetry,
    state: Mutex<State>,
    /// Wakes whoever waits for a task to end.
    ended: Notify,
    /// Tells which task has ended.
    changes: broadcast::Sender<Arc<str>>,
    starts: Semaphore,
    stop: CancellationToken,
    work: TaskTracker,
}

struct State {
    agents: BTreeMap<Arc<str>, Agent>,
    tasks: Table,
}

impl Agents {
    /// None yet; `None` when the configuration has no template. What ended is kept for `kept`.
    pub(crate) fn new(
        config: &AgentsConfig,
        kept: Duration,
        store: Arc<dyn Store>,
        telemetry: Telemetry,
    ) -> Option<Self> {
        if !config.is_on() {
            return None;
        }
        let bounds = Bounds {
            most_tasks: config.most_tasks,
            most_queued: config.most_queued,
            most_queued_of_one: config.most_queued_per_principal,
            queue_timeout: config.queue_timeout,
            kept,
        };
        Some(Self(Arc::new(Shared {
            config: config.clone(),
            store,
            telemetry,
            state: Mutex::new(State { agents: BTreeMap::new(), tasks: Table::new(bounds) }),
            ended: Notify::new(),
            changes: broadcast::Sender::new(CHANGES),
            starts: Semaphore::new(MOST_STARTING),
            stop: CancellationToken::new(),
            work: TaskTracker::new(),
        })))
    }

    /// Begins to end every agent.
    pub(crate) fn cut(&self) {
        self.0.stop.cancel();
    }

    /// Ends every agent. A task that waits goes on at the next start; one that runs is lost as with
    /// the death of its agent.
    pub(crate) async fn stop(&self) {
        self.cut();
        self.0.work.close();
        // Who has not ended by then is killed with its connection, when the runtime ends.
        let _all_ended = tokio::time::timeout(STOP_WITHIN, self.0.work.wait()).await.is_ok();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a change; safe when this is `Ok`.
    async fn write(&self, change: WorkChange) -> Result<(), StoreError> {
        self.store.write_work_patiently(change).await
    }

    /// Ends a task, if it has not ended before, and tells everybody.
    async fn end(&self, id: &str, end: End) {
        let now = now();
        let change = self.state().tasks.end(id, &end, now).map(change_of);
        self.settle(change, &end).await;
    }

    /// Writes what became of a task, and tells of its end.
    async fn settle(&self, change: Option<WorkChange>, end: &End) {
        let Some(change) = change else { return };
        if let WorkChange::Task(task) = &change {
            self.telemetry.emit(&Event::Agent(AgentEvent::TaskEnded {
                task: &task.id,
                kind: &task.kind,
                state: end.state().as_str(),
                code: end.code().map(task::Code::as_str),
                elapsed: now().since(task.created),
            }));
        }
        // The store reports what it could not write; it is tried again with the next change.
        let id = task_of(&change);
        let _written = self.write(change).await.is_ok();
        self.ended.notify_waiters();
        if let Some(id) = id {
            // Fails only when nobody listens.
            let _listeners = self.changes.send(id);
        }
    }

    /// Writes that these tasks are forgotten, many at once.
    async fn forget(&self, tasks: Vec<Arc<str>>) {
        let writes = tasks.into_iter().map(|id| self.write(WorkChange::TaskGone(id)));
        // One that stays in the store is found again at the next start, and forgotten then.
        let _written = futures_util::future::join_all(writes).await;
    }

    /// Notes how an agent is, if it is still wanted.
    fn set(&self, id: &str, change: impl FnOnce(&mut Agent)) {
        let mut state = self.state();
        let Some(agent) = state.agents.get_mut(id) else { return };
        let before = agent.state;
        change(agent);
        if agent.state == before {
            return;
        }
        agent.since = now();
        let (kind, error, state_now) =
            (Arc::clone(&agent.record.kind), agent.error.clone(), agent.state);
        drop(state);
        let is_news = match state_now {
            AgentState::Restarting | AgentState::Failed => true,
            AgentState::Idle => before == AgentState::Starting,
            AgentState::Starting | AgentState::Busy => false,
        };
        if is_news {
            self.telemetry.emit(&Event::Agent(AgentEvent::Changed {
                agent: id,
                kind: &kind,
                state: state_now.as_str(),
                error: error.as_deref(),
            }));
        }
    }

    /// Makes a task wait for an agent, and wakes one that may take it.
    fn queue(&self, id: &Arc<str>) {
        let mut state = self.state();
        let Some(lane) = state.tasks.queue(id) else { return };
        let wake = state.agents.values().find(|agent| agent.lane() == lane);
        if let Some(agent) = wake {
            agent.wake.notify_one();
        }
    }
}

/// Whether a principal may see what belongs to another.
fn may_see(who: &str, owner: &str) -> bool {
    who == owner || Principal::named(who).is_operator()
}

fn change_of(task: &Task) -> WorkChange {
    WorkChange::Task(task.record.clone())
}

fn task_of(change: &WorkChange) -> Option<Arc<str>> {
    match change {
        WorkChange::Task(task) => Some(Arc::clone(&task.id)),
        WorkChange::Agent(_) | WorkChange::AgentGone(_) | WorkChange::TaskGone(_) => None,
    }
}

fn now() -> UtcMillis {
    UtcMillis::from(SystemTime::now())
}

/// Looks for tasks that have waited too long, until all ends.
async fn sweep(shared: Arc<Shared>) {
    let stop = shared.stop.clone();
    let looking = async {
        loop {
            sleep(SWEEP).await;
            let overdue = {
                let mut state = shared.state();
                state.tasks.expire(now());
                state.tasks.overdue(now())
            };
            for id in overdue {
                let text = format!(
                    "No agent took it within {} s. See `agent_list`.",
                    shared.config.queue_timeout.as_secs_f64()
                );
                shared.end(&id, End::failed(task::Code::Expired, "no", text)).await;
            }
        }
    };
    stop.run_until_cancelled(looking).await;
}

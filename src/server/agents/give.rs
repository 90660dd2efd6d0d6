//! What clients ask for: agents to be started and stopped, tasks to be run and given up. What was
//! begun is finished, also when the client goes away meanwhile.

use super::{
    Agents, STOP_WITHIN,
    agent::Agent,
    change_of, may_see, now,
    roster::launch,
    table::{Full, Lane},
    task::{Code, End, Task},
};
use futures_util::future::join_all;
use mcp_store::{StoreError, TaskRecord, TaskState, WorkChange};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// Why something that was asked for is not done. Every text says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("There is no type of agents `{0}`; there is {1}.")]
    UnknownType(String, String),
    #[error(
        "At most {most} agents may run at once, and {running} do. Stop some with `agent_stop`, or raise `agents.most_agents`."
    )]
    TooManyAgents { most: usize, running: usize },
    #[error(
        "At most {most} agents of yours may run at once, and {running} do. Stop some with `agent_stop`, or raise `agents.most_agents_per_principal`."
    )]
    TooManyOfYours { most: usize, running: usize },
    #[error(
        "{0} tasks of yours wait already, as many as may (`agents.most_queued_per_principal`). Try again later, or start more agents."
    )]
    QueueOfYoursFull(usize),
    #[error(
        "{0} tasks wait already, as many as may (`agents.most_queued`). Try again later, or start more agents."
    )]
    QueueFull(usize),
    #[error(
        "{0} tasks are kept, as many as may be (`agents.most_tasks`), and none of them has ended. Try again later."
    )]
    TooManyTasks(usize),
    #[error("You have no task `{0}`.")]
    UnknownTask(String),
    #[error("You have no agent `{0}`. See `agent_list`.")]
    UnknownAgent(String),
    #[error("Say which agent by its `id`, or set `all`.")]
    NoAgent,
    #[error("It was not done, because it could not be written down: {0}.")]
    Store(#[from] StoreError),
    #[error("The server stops.")]
    Stopping,
}

impl Refused {
    /// The reason in one word.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::UnknownType(..) => "unknown_type",
            Self::TooManyAgents { .. } | Self::TooManyOfYours { .. } => "too_many_agents",
            Self::QueueFull(_) | Self::QueueOfYoursFull(_) => "queue_full",
            Self::TooManyTasks(_) => "too_many_tasks",
            Self::UnknownTask(_) => "unknown_task",
            Self::UnknownAgent(_) | Self::NoAgent => "unknown_agent",
            Self::Store(_) | Self::Stopping => "unavailable",
        }
    }
}

impl From<Full> for Refused {
    fn from(full: Full) -> Self {
        match full {
            Full::Queue(most) => Self::QueueFull(most),
            Full::QueueOfOne(most) => Self::QueueOfYoursFull(most),
            Full::Tasks(most) => Self::TooManyTasks(most),
        }
    }
}

/// A task as a client gives it.
pub(crate) struct Order {
    pub(crate) principal: Arc<str>,
    /// What it is about.
    pub(crate) task: String,
    /// The tool to call; `perform` with the task itself if none is named.
    pub(crate) tool: Option<String>,
    /// Its arguments: an object.
    pub(crate) arguments: Value,
    /// The type of agents that may run it.
    pub(crate) kind: Option<String>,
}

impl Agents {
    /// Starts so many agents of a type, all or none.
    pub(crate) async fn spawn(
        &self,
        principal: Arc<str>,
        kind: Option<&str>,
        count: usize,
    ) -> Result<Value, Refused> {
        let kind = self.kind(kind)?;
        let shared = Arc::clone(&self.0);
        let spawning = async move {
            let posts = shared.reserve(&Lane { principal, kind }, count)?;
            let writes = posts.iter().map(|(_, agent)| shared.write(agent.clone()));
            let written: Result<Vec<()>, StoreError> = join_all(writes).await.into_iter().collect();
            if let Err(error) = written {
                for (post, _) in posts {
                    shared.state().agents.remove(&post.id);
                    let _gone = shared.write(WorkChange::AgentGone(post.id)).await.is_ok();
                }
                return Err(error.into());
            }
            let mut shown = Vec::new();
            for (post, _) in posts {
                shown.extend(shared.state().agents.get(&post.id).map(Agent::shown));
                launch(&shared, post);
            }
            Ok(json!({ "agents": shown }))
        };
        self.0.work.spawn(spawning).await.unwrap_or(Err(Refused::Stopping))
    }

    /// Stops an agent, or all that the principal may see; their ids.
    pub(crate) async fn halt(
        &self,
        principal: Arc<str>,
        id: Option<String>,
    ) -> Result<Value, Refused> {
        let shared = Arc::clone(&self.0);
        let halting = async move {
            let halted = shared.unwanted(&principal, id.as_deref());
            if let (true, Some(id)) = (halted.is_empty(), id) {
                return Err(Refused::UnknownAgent(id));
            }
            let ends = halted.iter().map(|agent| async {
                let id = Arc::clone(&agent.record.id);
                let written = shared.write(WorkChange::AgentGone(id)).await;
                // Beyond that its process is killed with its connection.
                let _gone = timeout(STOP_WITHIN, agent.gone.cancelled()).await.is_ok();
                written
            });
            join_all(ends).await.into_iter().collect::<Result<Vec<()>, StoreError>>()?;
            let ids: Vec<&str> = halted.iter().map(|agent| &*agent.record.id).collect();
            Ok(json!({ "stopped": ids }))
        };
        self.0.work.spawn(halting).await.unwrap_or(Err(Refused::Stopping))
    }

    /// Takes a task; it is safe when this returns.
    pub(crate) async fn give(&self, order: Order) -> Result<Value, Refused> {
        let kind = self.kind(order.kind.as_deref())?;
        let shared = Arc::clone(&self.0);
        let giving = async move {
            let task = Task::new(record(order, kind));
            let (id, change) = (Arc::clone(&task.record.id), change_of(&task));
            let forgotten = shared.state().tasks.admit(task)?;
            if let Err(error) = shared.write(change).await {
                shared.state().tasks.forget(&id);
                // What could not be written is tried again; this comes after it.
                let _gone = shared.write(WorkChange::TaskGone(id)).await.is_ok();
                return Err(error.into());
            }
            shared.queue(&id);
            shared.forget(forgotten).await;
            Ok(shared.state().tasks.get(&id).map(Task::line).unwrap_or_default())
        };
        self.0.work.spawn(giving).await.unwrap_or(Err(Refused::Stopping))
    }

    /// Gives a task up, and tells how it ended.
    pub(crate) async fn cancel(&self, principal: &str, id: &str) -> Result<Value, Refused> {
        let change = {
            let mut state = self.0.state();
            let task =
                state.tasks.get(id).filter(|task| may_see(principal, &task.record.principal));
            let task = task.ok_or_else(|| Refused::UnknownTask(id.to_owned()))?;
            if task.record.state == TaskState::Queued {
                state.tasks.end(id, &never_ran(), now()).map(change_of)
            } else {
                task.cancel.cancel();
                None
            }
        };
        if change.is_some() {
            let shared = Arc::clone(&self.0);
            let settle = async move { shared.settle(change, &never_ran()).await };
            // A panic in it would leave the task ended here all the same.
            let _settled = self.0.work.spawn(settle).await.is_ok();
        }
        self.result(principal, id, STOP_WITHIN).await
    }

    /// What came of a task; waits for its end, but not for longer.
    pub(crate) async fn result(
        &self,
        principal: &str,
        id: &str,
        within: Duration,
    ) -> Result<Value, Refused> {
        let ended = async {
            loop {
                let ended = self.0.ended.notified();
                {
                    let state = self.0.state();
                    let task = state.tasks.get(id);
                    let waits = |task: &&Task| {
                        !task.record.state.has_ended() && may_see(principal, &task.record.principal)
                    };
                    if !task.as_ref().is_some_and(waits) {
                        return;
                    }
                }
                ended.await;
            }
        };
        // What is told is how it is then.
        let _in_time = timeout(within, ended).await.is_ok();
        let state = self.0.state();
        let task = state.tasks.get(id).filter(|task| may_see(principal, &task.record.principal));
        task.map(Task::result).ok_or_else(|| Refused::UnknownTask(id.to_owned()))
    }

    /// The type that is meant: the one named, else `worker`, else the first.
    fn kind(&self, named: Option<&str>) -> Result<Arc<str>, Refused> {
        let templates = &self.0.config.templates;
        let first = || templates.keys().next().map_or("", String::as_str);
        let meant =
            named.unwrap_or(if templates.contains_key("worker") { "worker" } else { first() });
        if templates.contains_key(meant) {
            return Ok(meant.into());
        }
        let known: Vec<&str> = templates.keys().map(String::as_str).collect();
        Err(Refused::UnknownType(meant.chars().take(64).collect(), known.join(", ")))
    }
}

fn never_ran() -> End {
    End::failed(Code::Cancelled, "no", "It was cancelled before it ran.")
}

fn record(order: Order, kind: Arc<str>) -> TaskRecord {
    let Order { principal, task, tool, mut arguments, .. } = order;
    if tool.is_none() {
        arguments["task"] = json!(task);
    }
    let now = now();
    TaskRecord {
        id: uuid::Uuid::new_v4().to_string().into(),
        principal,
        kind,
        task: task.into(),
        tool: tool.as_deref().unwrap_or("perform").into(),
        arguments: arguments.to_string().into(),
        state: TaskState::Queued,
        attempts: 0,
        repeatable: false,
        created: now,
        changed: now,
        result: None,
        history: "[]".into(),
    }
}

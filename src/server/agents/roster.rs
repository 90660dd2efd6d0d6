//! The books of agents: who is wanted, within the bound, and who is not any more.

use super::{
    Refused, Shared, State,
    agent::{Agent, AgentState},
    may_see, now,
    supervise::{Post, supervise},
    table::Lane,
};
use mcp_store::{AgentRecord, WorkChange};
use mcp_telemetry::{AgentEvent, Event};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

impl Shared {
    /// Makes places for agents that are to be started.
    pub(super) fn reserve(
        &self,
        lane: &Lane,
        count: usize,
    ) -> Result<Vec<(Post, WorkChange)>, Refused> {
        let mut state = self.state();
        let (most, running) = (self.config.most_agents, state.agents.len());
        if running + count > most {
            return Err(Refused::TooManyAgents { most, running });
        }
        let most = self.config.most_agents_per_principal;
        let running =
            state.agents.values().filter(|agent| agent.record.principal == lane.principal);
        let running = running.count();
        if running + count > most {
            return Err(Refused::TooManyOfYours { most, running });
        }
        let mut posts = Vec::with_capacity(count);
        for _ in 0..count {
            let tail = uuid::Uuid::new_v4().simple().to_string();
            let record = AgentRecord {
                id: format!("{}-{}", lane.kind, &tail[..12]).into(),
                kind: Arc::clone(&lane.kind),
                principal: Arc::clone(&lane.principal),
                created: now(),
            };
            let change = WorkChange::Agent(record.clone());
            posts.extend(self.enter(&mut state, record).map(|post| (post, change)));
        }
        Ok(posts)
    }

    /// Enters an agent into the books.
    fn enter(&self, state: &mut State, record: AgentRecord) -> Option<Post> {
        let target = self.config.templates.get(&*record.kind)?.target();
        let (stop, gone) = (self.stop.child_token(), CancellationToken::new());
        let mut agent = Agent {
            state: AgentState::Starting,
            since: now(),
            process: None,
            task: None,
            done: 0,
            restarts: 0,
            error: None,
            wake: Arc::new(Notify::new()),
            stop: stop.clone(),
            gone: gone.clone(),
            record,
        };
        let (id, lane) = (Arc::clone(&agent.record.id), agent.lane());
        if let Some(other) = state.agents.values().find(|other| other.lane() == lane) {
            agent.wake = Arc::clone(&other.wake);
        }
        let wake = Arc::clone(&agent.wake);
        state.agents.insert(Arc::clone(&id), agent);
        Some(Post { id, lane, target, wake, stop, gone })
    }

    /// Takes agents out of the books and tells them to end.
    pub(super) fn unwanted(&self, principal: &str, id: Option<&str>) -> Vec<Agent> {
        let mut state = self.state();
        let meant = |agent: &&Agent| {
            may_see(principal, &agent.record.principal)
                && id.is_none_or(|id| *agent.record.id == *id)
        };
        let ids: Vec<Arc<str>> =
            state.agents.values().filter(meant).map(|agent| Arc::clone(&agent.record.id)).collect();
        let halted: Vec<Agent> = ids.iter().filter_map(|id| state.agents.remove(id)).collect();
        drop(state);
        for agent in &halted {
            agent.stop.cancel();
            self.telemetry.emit(&Event::Agent(AgentEvent::Changed {
                agent: &agent.record.id,
                kind: &agent.record.kind,
                state: "stopped",
                error: None,
            }));
        }
        halted
    }
}

/// Starts an agent that the store knows already.
pub(super) fn start(shared: &Arc<Shared>, record: AgentRecord) {
    let entered = shared.enter(&mut shared.state(), record);
    if let Some(post) = entered {
        launch(shared, post);
    }
}

/// Starts an agent that was entered into the books.
pub(super) fn launch(shared: &Arc<Shared>, post: Post) {
    shared.work.spawn(supervise(Arc::clone(shared), post));
}
